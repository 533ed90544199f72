"""The command `lab`, also as `python -m lab`: names what is missing, then starts `lab.cli`."""

from __future__ import annotations

import sys
from importlib.util import find_spec

EXTRA = ("aiosmtpd", "typer")  # [project.optional-dependencies] lab in pyproject.toml


def main() -> None:
    """Run the command line; without the extra, exit 1 with the remedy."""
    if missing := [name for name in EXTRA if find_spec(name) is None]:
        sys.exit(
            f"lab: Python packages are missing: {', '.join(missing)}. Install Tandem with its "
            "extra, in the checkout: pip install -e '.[lab]'  (or: make setup)"
        )
    from lab import cli

    cli.main()


if __name__ == "__main__":
    main()
