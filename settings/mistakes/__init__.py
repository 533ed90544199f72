"""What cannot work although every value is right, by subject."""
