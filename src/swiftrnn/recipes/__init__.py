"""Systems built from the layers: one folder each, found by its name, registered nowhere."""
