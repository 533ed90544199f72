"""Reads what machines say of what keepalived runs for a person."""
