"""What a node needs beside nginx to hold an address."""
