"""nginx: compiled, staged as a generation, put into service; sites and snippets."""
