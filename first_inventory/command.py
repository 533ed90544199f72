"""The command line of init.py."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click
import gevent
import pyinfra

from controller.stopping import Stopped
from first_inventory import given_answers
from first_inventory.given_answers import GivenAnswers
from first_inventory.machine_questions import LISTEN_S, AskedMachines, ssh_user_of
from first_inventory.person import LEFT, Gone, Person
from first_inventory.questionnaire import InventoryRequest, Questionnaire
from settings import SettingsError, TypedMistake

INTERRUPTED = 130
# The shipped inventory.py stays what `make demo` uses.
FILES = ("inventory.py", "my_inventory.py")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("file", required=False)
@click.option("--hosts", help="The machines, as ssh knows them: 10.20.0.11,10.20.0.12.")
@click.option("--user", help="Who SSH logs in as.  [root, or what ~/.ssh/config says]")
@click.option("--sudo/--no-sudo", default=None, help="Whether that user becomes root by sudo.")
@click.option("--vip", help="The floating address, a free one of the machines' network.")
@click.option("--name", "cluster", help="The cluster's name.  [web]")
@click.option("--ntp-server", help="The time server; none: clocks are left alone.")
@click.option("--email", help="Who gets mails about failovers: ann@example.org; none: nobody.")
@click.option("--smtp-server", help="By which server (port 25).")
@click.option("--yes", is_flag=True, help="Ask nothing: what is not given is what is proposed.")
@click.option(
    "--replace", is_flag=True, help="Replace FILE if it is there, and keep it as FILE.bak."
)
@click.option(
    "--listen",
    type=click.FloatRange(0.5, 60),
    default=LISTEN_S,
    show_default=True,
    metavar="SECONDS",
    help="For how long others that speak VRRP are listened for.",
)
def command(
    file: str | None,
    sudo: bool | None,
    yes: bool,
    replace: bool,
    listen: float,
    **given: str | None,
) -> None:
    """Write an inventory of your machines to FILE (my_inventory.py), after asking them what they
    have. Nothing is changed on them. What is not given here is asked."""
    attended = sys.stdin.isatty() and not yes
    read, wrong = given_answers.read(given)
    known = GivenAnswers(**read, sudo=sudo)
    wrong_options = {line.partition(":")[0] for line in wrong}
    wrong += [
        line
        for line in given_answers.missing(known, attended, yes)
        if line.partition(":")[0] not in wrong_options
    ]
    if wrong:
        raise SettingsError(map(TypedMistake.saying, wrong))
    file = file or next((name for name in FILES if not Path(name).exists()), FILES[-1])
    request = InventoryRequest(known, Path(file), file, replace, listen)
    Questionnaire(Person(attended=attended), AskedMachines, ssh_user_of).conduct(request)


def main() -> int:
    """Run the command: its exit code."""
    # What pyinfra and paramiko log is said by what is raised.
    for logger in (pyinfra.logger, logging.getLogger("paramiko")):
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    # No traceback of the greenlet that Ctrl-C ends.
    gevent.get_hub().NOT_ERROR += (KeyboardInterrupt,)
    try:
        command.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Gone:
        click.echo(err=True)
        Stopped(f"Nobody is here to answer. {LEFT}").show()
        return 1
    except (KeyboardInterrupt, click.Abort):
        click.echo(err=True)
        Stopped(f"Interrupted. {LEFT}").show()
        return INTERRUPTED
    return 0
