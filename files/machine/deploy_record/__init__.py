"""Who deployed what on this machine, and the generations of it that there are to go back to."""
