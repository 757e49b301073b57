"""Sentences whose words have tags: files in columns, schemes, corpora, batches."""
