"""Mistakes about the routers of a routed cluster."""
