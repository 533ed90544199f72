"""The hands of a scenario: machines, cables, commands, monitors, and the log of what to undo."""
