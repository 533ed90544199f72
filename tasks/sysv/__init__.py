"""Services where PID 1 is not systemd."""
