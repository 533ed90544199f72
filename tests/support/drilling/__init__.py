"""Drills made up for tests: their plans, worlds, repeats and reports."""
