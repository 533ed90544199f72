"""What a person answers, at a terminal or on the command line, and what is wrong with an answer."""

from __future__ import annotations

import keyword
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from pydantic import TypeAdapter, ValidationError

from settings.mistakes import name_mistakes
from settings.node import Node
from settings.programs.own_programs import MailAddress

# A group's name is a name of Python's, and no word that means something else there.
_TAKEN = name_mistakes.SETTINGS | name_mistakes.OPTIONS | {"all"}


class WrongAnswer(ValueError):
    """An answer that cannot be used: why, and what would be right."""


@dataclass(frozen=True)
class GivenAnswers:
    """What is known by now; None: not answered yet.

    hosts: as SSH knows them, the first is to hold the VIP. vip: an address, with its prefix or
    without. ntp_server: "" leaves clocks alone. email: () mails nobody.
    """

    hosts: tuple[str, ...] | None = None
    user: str | None = None
    sudo: bool | None = None
    vip: str | None = None
    cluster: str | None = None
    ntp_server: str | None = None
    email: tuple[str, ...] | None = None
    smtp_server: str | None = None


def words(text: str) -> tuple[str, ...]:
    """The words of a list, however they are parted: by commas, spaces, or both."""
    return tuple(filter(None, re.split(r"[\s,;]+", text)))


def hosts_of(given: str) -> tuple[str, ...]:
    """The machines that are named. Raises `WrongAnswer`."""
    hosts = words(given)
    for host in hosts:
        if "@" in host:
            user, _, rest = host.partition("@")
            raise WrongAnswer(f"{host}: give {rest} alone; who logs in ({user}) is asked by itself")
        if re.fullmatch(r"[^:]+:\d+", host):
            raise WrongAnswer(
                f"{host}: a port belongs into ~/.ssh/config, as Port of a Host whose name is "
                "given here"
            )
        if not re.fullmatch(r"[\w.-]+", host):
            raise WrongAnswer(f"{host}: give an IPv4 address, or a name that SSH knows")
        if re.fullmatch(r"[\d.]+", host) and not is_address(host):
            raise WrongAnswer(f"{host} is no IPv4 address")
    for host, count in Counter(hosts).items():
        if count > 1:
            raise WrongAnswer(f"{host} is named {count} times: a machine can be one node only")
    if len(hosts) < 2:
        raise WrongAnswer("a cluster needs two machines or more; the first holds the VIP")
    return hosts


def user_of(given: str) -> str:
    """The login user. Raises `WrongAnswer`."""
    if not re.fullmatch(r"[\w.@\\-]+", given):
        raise WrongAnswer(f"{given!r} is no user's name")
    return given


def cluster_of(given: str) -> str:
    """The cluster's name. Raises `WrongAnswer`."""
    name = given.strip()
    usable = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) and not keyword.iskeyword(name)
    if not usable:
        raise WrongAnswer(f"{given!r}: give letters, digits and _, the first a letter, like web")
    if name in _TAKEN:
        raise WrongAnswer(f"{name!r} is the name of something else; give another, like web")
    return name


def email_of(given: str) -> tuple[str, ...]:
    """Who gets mails; nobody for "" and "none". Raises `WrongAnswer`."""
    addresses = () if given.strip().lower() == "none" else words(given)
    for address in addresses:
        _fits(MailAddress, address, 'give addresses like "ann@example.org"')
    return addresses


def ntp_server_of(given: str) -> str:
    """The time server; "" for "none". Raises `WrongAnswer`."""
    return _server("ntp_server", "" if given.strip().lower() == "none" else given.strip())


def smtp_server_of(given: str) -> str:
    """The mail server. Raises `WrongAnswer`."""
    return _server("smtp_server", given.strip())


def is_address(text: str) -> bool:
    """Whether it is an IPv4 address, and no name."""
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _server(setting: str, given: str) -> str:
    field = Node.model_fields[setting]
    (pattern,) = (rule.pattern for rule in field.metadata if hasattr(rule, "pattern"))
    if not re.search(pattern, given):
        raise WrongAnswer(f"{given!r}: give {field.description}")
    return given


def _fits(kind: Any, value: str, right: str) -> None:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        raise WrongAnswer(f"{value!r}: {right}") from None


# How each answer is read, by its name.
READERS = {
    "hosts": hosts_of,
    "user": user_of,
    "cluster": cluster_of,
    "ntp_server": ntp_server_of,
    "email": email_of,
    "smtp_server": smtp_server_of,
}
# The options that give the answers.
OPTIONS = {
    "hosts": "--hosts",
    "user": "--user",
    "vip": "--vip",
    "cluster": "--name",
    "ntp_server": "--ntp-server",
    "email": "--email",
    "smtp_server": "--smtp-server",
}


def read(given: Mapping[str, str | None]) -> tuple[dict[str, Any], list[str]]:
    """What options say: the answers by name, and what is wrong, each beginning with its option."""
    found: dict[str, Any] = {}
    wrong: list[str] = []
    for name, text in given.items():
        if text is None:
            continue
        try:
            found[name] = READERS[name](text) if name in READERS else text
        except WrongAnswer as error:
            wrong.append(f"{OPTIONS[name]}: {error}.")
    return found, wrong


def missing(answers: GivenAnswers, attended: bool, agreed: bool) -> Iterable[str]:
    """What nobody is there to be asked, each beginning with its option."""
    if attended:
        return
    if answers.hosts is None:
        yield "--hosts: name the machines, like --hosts 10.20.0.11,10.20.0.12."
    if answers.vip is None:
        yield "--vip: give the floating address, a free one of the machines' network."
    if not agreed:
        yield "--yes: nobody is here to look at what is found before it is written."


def typed(answers: GivenAnswers, file: str, more: Sequence[str] = ()) -> str:
    """The command line that gives these answers again."""
    said = [f".venv/bin/python init.py {shlex.quote(file)}"]
    if answers.hosts:
        said.append(f"--hosts {','.join(answers.hosts)}")
    if answers.user:
        said.append(f"--user {shlex.quote(answers.user)}")
    if answers.sudo:
        said.append("--sudo")
    for name in ("vip", "cluster", "ntp_server", "smtp_server"):
        if value := getattr(answers, name):
            said.append(f"{OPTIONS[name]} {shlex.quote(str(value))}")
    if answers.email:
        said.append(f"--email {','.join(answers.email)}")
    return " ".join((*said, *more))
