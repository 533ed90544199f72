"""A twin of an inventory on this machine: real guests on a real network that leads nowhere."""
