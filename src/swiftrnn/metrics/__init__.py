"""Measures: pure functions from what was predicted and what was true to numbers."""
