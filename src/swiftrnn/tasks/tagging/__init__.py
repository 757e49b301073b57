"""Finding what has a name in sentences: all that its recipes share."""
