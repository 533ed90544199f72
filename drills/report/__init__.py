"""What the drills found, as text, files, pictures and a page."""
