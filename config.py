"""pyinfra reads this before anything else: here a run that cannot be meant is refused.

`DEPLOY_FILES` says what is particular to some of the deploy files. Its functions import what they
need when they are called, so that a deploy does not load the verifier and the drills.
"""

from collections.abc import Iterable

from controller import pyinfra_speed

pyinfra_speed.apply()  # before the other modules are imported

import click  # noqa: E402
from pyinfra.api import Inventory  # noqa: E402

import settings  # noqa: E402
from controller import preflight  # noqa: E402
from controller.preflight import DeployFile  # noqa: E402
from controller.ssh import machine_connector  # noqa: E402


def deploy_mistakes(inventory: Inventory) -> Iterable[settings.Mistake]:
    from tasks.keepalived import hooks
    from tasks.nginx import service

    _, clusters = settings.as_far_as_readable(inventory)
    return [*service.mistakes(clusters), *hooks.mistakes(clusters)]


def verify_mistakes(inventory: Inventory) -> Iterable[settings.Mistake]:
    if not {"only", "skip", "explain"} & inventory.override_data.keys():
        return ()
    from verify import verify_run

    options, _ = settings.as_far_as_readable(inventory)
    return verify_run.mistakes(options)


def start_verify(context: click.Context, inventory: Inventory) -> None:
    from verify import verify_run

    verify_run.prepare(context, inventory)


def drill_mistakes(inventory: Inventory) -> Iterable[settings.Mistake]:
    from drills import drill_run

    return drill_run.mistakes(inventory.override_data, *settings.as_far_as_readable(inventory))


def start_drill(context: click.Context, inventory: Inventory) -> None:
    from drills import drill_run

    if refusal := drill_run.prepare(context, inventory):
        raise settings.Refused(refusal)


def switchover_mistakes(inventory: Inventory) -> Iterable[settings.Mistake]:
    from tasks.change import vip_move

    return vip_move.mistakes(*settings.as_far_as_readable(inventory))


def rollback_mistakes(inventory: Inventory) -> Iterable[settings.Mistake]:
    from tasks.change import rollback_plan

    options, _ = settings.as_far_as_readable(inventory)
    return rollback_plan.mistakes(options)


def rollback_changes(inventory: Inventory) -> bool:
    return not settings.options(inventory).list


DEPLOY_FILES = {
    "deploy.py": DeployFile(mistakes=deploy_mistakes, deploys=True),
    "verify.py": DeployFile(
        mistakes=verify_mistakes, start=start_verify, changes=lambda inventory: False
    ),
    "drill.py": DeployFile(
        alone="it has to know what it breaks", mistakes=drill_mistakes, start=start_drill
    ),
    "switchover.py": DeployFile(mistakes=switchover_mistakes),
    "rollback.py": DeployFile(mistakes=rollback_mistakes, changes=rollback_changes),
    "teardown.py": DeployFile(
        alone="nothing is left for another to work on",
        takes_away="takes everything away that deploys have brought",
    ),
}

machine_connector.install()
preflight.check(DEPLOY_FILES)
