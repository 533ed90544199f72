"""What a refusal says: without secrets, and with what would be right written out."""
