"""Instruments for units that respond to places: rate maps, grids, borders, and their nulls."""
