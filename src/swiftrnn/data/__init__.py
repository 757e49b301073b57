"""Data: fetched once, checked against a hash, cached; texts and vocabularies."""
