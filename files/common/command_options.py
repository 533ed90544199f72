"""A program's options, from a table."""

import argparse


def parse(description, options):
    """Their values on the command line; by name, what argparse's `add_argument` takes."""
    parser = argparse.ArgumentParser(description=description)
    for name, kind in options.items():
        parser.add_argument(name, **kind)
    return parser.parse_args()
