"""Processes that ask, download or disturb, each on its own."""
