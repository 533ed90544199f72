"""Reads what the machines of a routed cluster say besides."""
