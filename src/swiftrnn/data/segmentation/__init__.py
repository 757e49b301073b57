"""Raw text to sentences and words, as the training text was written."""
