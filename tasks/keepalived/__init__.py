"""keepalived: its configuration, and where the VIPs are."""
