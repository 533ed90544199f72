"""The error of the lab that the command line prints for its user."""

from __future__ import annotations


class LabError(Exception):
    """What is wrong and the remedy; the command line prints it and exits 1."""
