"""pyinfra reads this before anything else: here a run that cannot be meant is refused."""

import gc
import sys

# Hardly anything of a run becomes rubbish before its end; looking for it is a tenth of a deploy.
gc.set_threshold(100_000)

# pyinfra keeps Python from caching what it compiles, and so compiles all of this for every run.
sys.dont_write_bytecode = False

from controller import preflight  # noqa: E402

preflight.spare_pyinfra_repetition()
preflight.refuse_what_cannot_work()
