"""Translating sentences: all that its recipes share."""
