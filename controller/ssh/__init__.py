"""The SSH connection to a machine: its limits, what is run over it, and what is an answer."""
