"""What cannot work about what nginx passes on as it is."""
