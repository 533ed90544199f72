"""Client processes of a drill, and what they say while they run."""
