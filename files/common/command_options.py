"""A program's options, from a table."""

import argparse


def placed(text, usual):
    """(address, interface) of "ADDRESS" or "ADDRESS@INTERFACE". usual: the interface of those that
    name none."""
    address, _, interface = text.partition("@")
    return address, interface or usual


def parse(description, options):
    """Their values on the command line; by name, what argparse's `add_argument` takes."""
    parser = argparse.ArgumentParser(description=description)
    for name, kind in options.items():
        parser.add_argument(name, **kind)
    return parser.parse_args()
