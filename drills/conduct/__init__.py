"""Runs drills, one repeat after another."""
