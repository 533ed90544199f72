"""What the programs share. Python 3.6 on, of its library what Debian's python3-minimal has."""
