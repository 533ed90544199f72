"""What is asked about what nginx passes on as it is."""
