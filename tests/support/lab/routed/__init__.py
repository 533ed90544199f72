"""Machines that announce an address to the lab's routers."""
