"""Changes of a cluster of which every machine announces the VIP."""
