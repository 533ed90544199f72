"""A routed cluster whose answers are spoiled."""
