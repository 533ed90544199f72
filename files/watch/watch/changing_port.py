"""The port of nginx while it changes: this program is told of the new one after nginx has it, and
of none when an earlier configuration is brought back."""

import os

from common.machine_files import read

# What is to be put into service, and what was (files/nginx/apply_nginx).
GENERATIONS = ("/var/lib/tandem/nginx/staged", "/var/lib/tandem/nginx/current")


def other_ports(port):
    """Where nginx may answer as well, other than on `port`."""
    texts = [read(os.path.join(each, "about")) for each in GENERATIONS]
    lines = {line for text in texts for line in text.splitlines()}
    found = {line[len("port=") :] for line in lines if line.startswith("port=")}
    return sorted(int(each) for each in found if each.isdigit() and int(each) != port)
