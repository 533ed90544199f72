"""What a scenario acts through: machines, lab, commands, client processes, monitor, undo log."""
