"""Who an inventory logs in as, and how that user becomes root; what a guest cannot be of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pyinfra.api.arguments import all_argument_meta
from pyinfra.connectors.sshuserclient.client import get_ssh_config

import settings
from lab.plan import Login
from settings import Mistake
from settings.mistakes.mistake import merge

if TYPE_CHECKING:
    from pyinfra.api import Config, Host, Inventory

# The argument of pyinfra's by which one becomes root, and by what.
BECOMES = {"_sudo": "sudo", "_doas": "doas", "_su_user": "su"}
# What useradd takes; a user of a domain has \ or @.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")


def of(host: Host, config: Config) -> Login:
    """Who logs in to `host`. `config`: what config.py has for machines that set nothing."""

    def set_for(name: str) -> Any:
        return _argument(host, config, name)

    becomes = next((by for name, by in BECOMES.items() if set_for(name)), "")
    ssh_password = settings.login_data(host).get("ssh_password")
    sudo_password = set_for("_sudo_password") if becomes == "sudo" else None
    return Login(
        user=_user(host),
        becomes=becomes,
        sudo_asks=bool(sudo_password),
        by_password=bool(ssh_password),
        password=str(ssh_password or sudo_password or ""),
        root_password=str(set_for("_su_password") or "") if becomes == "su" else "",
    )


def notes(inventory: Inventory) -> Iterator[str]:
    """What the lab does otherwise than the inventory says."""
    given = {
        name
        for host in inventory
        for name in settings.LAB_CONNECTION
        if settings.login_data(host).get(name)
    }
    if replaced := ", ".join(sorted(given - {"ssh_look_for_keys", "ssh_allow_agent"})):
        yield (
            f"SSH has a key, known hosts and a configuration of the lab's here: what {replaced} "
            "say is for the machines themselves."
        )


def limits(inventory: Inventory, config: Config) -> list[Mistake]:
    """What works for real machines and not for the lab's, each once, with what to do."""
    every = [limit for host in inventory for limit in _limits(host, config)]
    reached = Counter(settings.ssh_address(host)[0] for host in inventory)
    for host in inventory:
        address, port = settings.ssh_address(host)
        if reached[address] > 1:
            remedy = (
                f"several machines are reached there, by ssh_port ({port}); no guest is behind "
                "another's address: for the lab, give each its own"
            )
            every.append(Mistake(host.name, "ssh_hostname", address, remedy))
    return list(merge(every))


def _limits(host: Host, config: Config) -> Iterator[Mistake]:
    login = of(host, config)
    if _argument(host, config, "_dzdo"):
        remedy = "Debian has no dzdo: for the lab, set _sudo = True or _doas = True instead"
        yield Mistake(host.name, "_dzdo", True, remedy)
    if not _NAME.fullmatch(login.user):
        remedy = "no guest has users of a domain: for the lab, give one of letters, digits, _ . -"
        yield Mistake(host.name, "ssh_user", login.user, remedy)
    sudo_password = _argument(host, config, "_sudo_password")
    ssh_password = settings.login_data(host).get("ssh_password")
    if login.user != "root" and ssh_password and sudo_password not in (None, "", ssh_password):
        remedy = "it is another one than ssh_password, and a guest's user has one: for the lab, "
        yield Mistake(host.name, "_sudo_password", sudo_password, f"{remedy}give one")


def _user(host: Host) -> str:
    """As pyinfra finds it: the inventory's, then ssh_config's. The lab has nobody else but root."""
    data = settings.login_data(host)
    if user := data.get("ssh_user"):
        return str(user)
    config = get_ssh_config(data.get("ssh_config_file"))
    named = config.lookup(settings.ssh_address(host)[0]) if config else {}
    return str(named.get("user") or "root")


def _argument(host: Host, config: Config, name: str) -> Any:
    return settings.login_data(host).get(name, all_argument_meta[name].default(config))
