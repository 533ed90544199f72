"""What keepalived runs for a person, as settings."""
