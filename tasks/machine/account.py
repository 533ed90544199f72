"""The group and the user that nginx's workers run as."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation

from controller import batched_facts
from tasks.machine import install_record

NAME = "nginx"


class Accounts(FactBase[list[str]]):
    """The lines of the passwd and the group database about this name, in one round trip."""

    default = list

    def command(self) -> str:
        return f"getent passwd {NAME}; getent group {NAME}; true"

    def process(self, output: list[str]) -> list[str]:
        return output


def create() -> None:
    """System accounts as in the recipe; nobody can log in with them."""
    batched_facts.parallel.request(Accounts)
    create_account(name=f"Account: user and group {NAME}")


@operation()
def create_account() -> Generator[StringCommand, None, None]:
    """Create the system group and user where they are missing; the user in it, without a shell."""
    found = batched_facts.parallel.get(Accounts)
    users = [line.split(":") for line in found if line.count(":") == 6]
    groups = [line.split(":") for line in found if line.count(":") == 3]
    if groups and users and users[0][3] == groups[0][2]:
        host.noop(f"user {NAME} is there")
        return
    batched_facts.invalidate()
    if not groups:
        yield StringCommand(install_record.note(install_record.ACCOUNT, f"group {NAME}"))
        yield StringCommand(f"groupadd --system {NAME}")
    if not users:
        yield StringCommand(install_record.note(install_record.ACCOUNT, f"user {NAME}"))
        yield StringCommand(
            f"useradd --system --gid {NAME} --no-create-home --home-dir /nonexistent",
            f"--shell /usr/sbin/nologin {NAME}",
        )
    elif groups and users[0][3] != groups[0][2]:
        yield StringCommand(f"usermod --gid {NAME} {NAME}")


# --- taking it away ------------------------------------------------------------------------------

LOGS = "/var/log/nginx"


class RecordedAccount(FactBase[list[str]]):
    """Which of "user" and "group" a deploy has made and are still there."""

    default = list

    def command(self) -> str:
        return (
            f"getent passwd {NAME} >/dev/null && "
            f"grep -sx 'user {NAME}' {install_record.ACCOUNT} | cut -d ' ' -f 1; "
            f"getent group {NAME} >/dev/null && "
            f"grep -sx 'group {NAME}' {install_record.ACCOUNT} | cut -d ' ' -f 1; true"
        )

    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def remove() -> Generator[StringCommand, None, None]:
    """Remove the account that deploys have made.

    The logs that stay become root's, or they would belong to whoever gets its number next.
    """
    found = batched_facts.rolling.get(RecordedAccount)
    if not found:
        host.noop(f"no account {NAME} of ours is there")
        return
    batched_facts.invalidate()
    if "user" in found:
        yield StringCommand(
            f"[ ! -d {LOGS} ] || find {LOGS} -user {NAME} -exec chown -h root {{}} +;",
            f"[ ! -d {LOGS} ] || find {LOGS} -group {NAME} -exec chgrp -h root {{}} +",
        )
        yield StringCommand(f"userdel {NAME}")
    if "group" in found:
        # Mostly userdel has taken it along.
        yield StringCommand(f"! getent group {NAME} >/dev/null || groupdel {NAME}")
