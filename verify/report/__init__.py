"""The verdict as text, files and a page."""
