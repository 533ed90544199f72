"""HTML pages and pictures of what the verifier and the drills found: each one file, no network."""
