"""What drills do to, and see of, a cluster of which every node announces the address to routers."""
