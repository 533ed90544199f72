"""Checks across a cluster: what only its machines together, or the controller, can show."""
