"""What the lab uses of this machine: namespaces, bridges, cgroups, processes, mirrors."""
