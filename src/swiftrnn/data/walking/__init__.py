"""Animals that walk in arenas: floors with walls, and random walks that stay inside."""
