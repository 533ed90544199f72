"""Machines that remember what a deploy does to them, so that it finds it there the next time."""
