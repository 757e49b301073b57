"""Instruments for networks: a model is looked at, and comes back as it was."""
