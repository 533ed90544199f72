"""Samples in, verdicts out. Pure."""
