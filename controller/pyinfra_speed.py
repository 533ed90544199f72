"""What a run does to be quicker than pyinfra 3.10 is by itself; each thing with what it saves.

Measured as user + system time of pyinfra, deploying a pair in the lab that needs no change, in
turns with and without the line in question (medians of pairs; about 0.6 s in all):

    lab run -- sh -c 'time .venv/bin/pyinfra -y inventory.py deploy.py'

What saves less than 3 % is not worth a line here. A new release of pyinfra has to be measured anew.
"""

from __future__ import annotations

import gc
import inspect
import sys
from functools import partial

from pyinfra.api import util


def apply() -> None:
    """To be called before anything else of Tandem is imported."""
    # 5 %. pyinfra keeps Python from writing .pyc files, so that every run compiles all of Tandem.
    sys.dont_write_bytecode = False
    # 3 % (gc.callbacks count 6 %). Hardly anything becomes garbage before the end of a run.
    gc.set_threshold(100_000)
    # 12 %. pyinfra orders operations by the line numbers of the stack they are called from; unless
    # they are told not to, Python's functions also read the source around each of those lines.
    util.stack = partial(inspect.stack, 0)
    util.getframeinfo = partial(inspect.getframeinfo, context=0)
