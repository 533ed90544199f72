"""What a person reads of a run: its plan, its lines while it goes on, and its last words."""
