"""Pictures and pages: what the verifier, the drills and the benches share. Each page is one file."""
