"""Instruments for samples: arrays in, numbers out."""
