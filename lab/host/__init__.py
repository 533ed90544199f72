"""What the lab needs of this machine: namespaces, bridges, cgroups, processes."""
