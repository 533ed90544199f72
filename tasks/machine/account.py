"""The group and the user that nginx's workers run as."""

from __future__ import annotations

from collections.abc import Iterator

from controller.batched_facts import LinesFact, change, parallel, rolling
from tasks.machine import install_record
from tasks.machine.one_file import InstalledFiles

NAME = "nginx"


class Accounts(LinesFact):
    """The lines of the passwd and the group database about this name, in one round trip."""

    def command(self) -> str:
        return f"getent passwd {NAME}; getent group {NAME}; true"


def create() -> None:
    """System accounts as in the recipe; nobody can log in with them."""
    parallel.request(Accounts)
    create_account(name=f"Account: user and group {NAME}")


@change(f"user {NAME} is there", amends={InstalledFiles})
def create_account() -> Iterator[str]:
    """Create the system group and user where they are missing; the user in it, without a shell."""
    found = parallel.get(Accounts)
    users = [line.split(":") for line in found if line.count(":") == 6]
    groups = [line.split(":") for line in found if line.count(":") == 3]
    if not groups:
        yield install_record.note(install_record.ACCOUNT, f"group {NAME}")
        yield f"groupadd --system {NAME}"
    if not users:
        yield install_record.note(install_record.ACCOUNT, f"user {NAME}")
        yield (
            f"useradd --system --gid {NAME} --no-create-home --home-dir /nonexistent "
            f"--shell /usr/sbin/nologin {NAME}"
        )
    elif groups and users[0][3] != groups[0][2]:
        yield f"usermod --gid {NAME} {NAME}"


# --- taking it away ------------------------------------------------------------------------------

LOGS = "/var/log/nginx"


class RecordedAccount(LinesFact):
    """Which of "user" and "group" a deploy has made and are still there."""

    def command(self) -> str:
        return (
            f"getent passwd {NAME} >/dev/null && "
            f"grep -sx 'user {NAME}' {install_record.ACCOUNT} | cut -d ' ' -f 1; "
            f"getent group {NAME} >/dev/null && "
            f"grep -sx 'group {NAME}' {install_record.ACCOUNT} | cut -d ' ' -f 1; true"
        )


@change(f"no account {NAME} of ours is there")
def remove() -> Iterator[str]:
    """Remove the account that deploys have made.

    The logs that stay become root's, or they would belong to whoever gets its number next.
    """
    found = rolling.get(RecordedAccount)
    if "user" in found:
        yield (
            f"[ ! -d {LOGS} ] || find {LOGS} -user {NAME} -exec chown -h root {{}} +; "
            f"[ ! -d {LOGS} ] || find {LOGS} -group {NAME} -exec chgrp -h root {{}} +"
        )
        yield f"userdel {NAME}"
    if "group" in found:
        # Mostly userdel has taken it along.
        yield f"! getent group {NAME} >/dev/null || groupdel {NAME}"
