"""Pictures and pages: what the verifier, the drills and the benches share; a page is one file."""
