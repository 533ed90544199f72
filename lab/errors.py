"""The one error that a person is meant to read."""

from __future__ import annotations


class LabError(Exception):
    """What is wrong and what to do about it, in words; the command line prints it and exits 1."""
