"""What is asked of the machines."""
