"""What a bench has measured, as a table and a page."""
