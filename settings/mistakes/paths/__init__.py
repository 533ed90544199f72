"""What cannot work about one option of a path: who may come in, and where it leads."""
