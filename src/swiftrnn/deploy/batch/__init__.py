"""Answers to many inputs: files in, files out, in batches, and again from where it stopped."""
