"""Data sets: which there are, and how they come here."""
