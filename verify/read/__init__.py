"""Text that machines print, read into values. Pure."""
