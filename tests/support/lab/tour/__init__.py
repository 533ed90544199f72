"""A new operator, from an inventory of one's own to bare machines, and what the tour is held to."""
