"""Where the VIPs are: interfaces, own addresses, networks."""
