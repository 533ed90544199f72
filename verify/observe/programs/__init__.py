"""What is asked about what keepalived runs for a person."""
