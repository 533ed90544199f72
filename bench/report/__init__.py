"""Results of benches, as JSON, a table and a page."""
