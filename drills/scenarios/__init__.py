"""What each drill does to a cluster, and what it may cost."""
