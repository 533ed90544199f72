"""Checks of what keepalived runs for a person."""
