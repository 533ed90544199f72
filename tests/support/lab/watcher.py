"""Looks at the lab's machines as verify.py does, again and again in one process.

For the self-test, which asks after every fault whether the pair is well again and need not wait
for pyinfra to start each time. Reads a number of seconds from each line of stdin, and answers with
"well", or with what is not when the time is over.
"""

from gevent import monkey

monkey.patch_all()

import logging  # noqa: E402
import sys  # noqa: E402

from pyinfra import logger  # noqa: E402
from pyinfra.api import Config, State  # noqa: E402
from pyinfra.api.connect import connect_all  # noqa: E402
from pyinfra.context import ctx_config, ctx_state  # noqa: E402
from pyinfra_cli.inventory import make_inventory  # noqa: E402

from verify.api import wait_until_healthy  # noqa: E402


def wait_until_well(state: State, seconds: float) -> str:
    verdict = wait_until_healthy(state, seconds)
    if verdict.passed:
        return "well"
    return ", ".join(f"{bad.id} {bad.where}: {bad.answer.actual}" for bad in verdict.bad)


def main() -> None:
    logger.setLevel(logging.CRITICAL)
    config = Config()  # type: ignore[no-untyped-call]
    state = State()
    ctx_state.set(state)  # type: ignore[no-untyped-call]
    ctx_config.set(config)  # type: ignore[no-untyped-call]
    state.init(make_inventory("inventory.py", cwd="."), config)
    connect_all(state)
    for line in sys.stdin:
        print(wait_until_well(state, float(line)).replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
