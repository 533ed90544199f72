"""Nodes that are kernels and no machines: namespaces, with what is tried there in each."""
