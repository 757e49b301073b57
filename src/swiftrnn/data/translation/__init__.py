"""Sentences and their translations: pairs, their tokens, and batches of them."""
