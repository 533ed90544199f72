"""What nginx serves of others, and what it grants its clients."""
