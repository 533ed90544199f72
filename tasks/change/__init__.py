"""Changes that can be seen from outside, one machine at a time."""
