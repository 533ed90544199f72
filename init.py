"""Write a first inventory: a person is asked little, the machines over SSH what they have.

    .venv/bin/python init.py [FILE] [--hosts A,B --vip ADDRESS --user NAME --sudo --yes …]

Nothing is changed on the machines. `--help` shows every option, docs/first-inventory.md a session.
"""

import sys

from controller import pyinfra_speed

pyinfra_speed.apply()  # before the other modules are imported

from first_inventory.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
