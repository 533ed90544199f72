"""nginx as it serves: its masters, its health, and what starts, reloads and replaces it."""
