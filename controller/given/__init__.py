"""What a person gives: the inventory as a text, and what is typed."""
