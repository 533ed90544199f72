"""What drills do to a cluster of which every node announces the address to routers."""
