"""pyinfra reads this before anything else: here a run that cannot be meant is refused."""

import preflight

preflight.refuse_what_cannot_work()
