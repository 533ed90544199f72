"""What answers at the gateway of the lab: time, mail, packages, certificates."""
