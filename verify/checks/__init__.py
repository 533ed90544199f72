"""The checks: each judges values that were read. Pure."""
