"""Pages and plots, one look for all."""
