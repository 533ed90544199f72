"""Breaks a cluster on purpose, measures what it cost, puts it back; see drill.py."""
