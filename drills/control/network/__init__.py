"""What changes the network and the names under a machine, as shell."""
