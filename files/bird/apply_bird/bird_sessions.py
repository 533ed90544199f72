"""What BIRD says of its sessions, and what is wrong with that."""

import re

from common.bird_control import SOCKET, UP, ask, states

ANSWER_S = 3.0
ESTABLISHED = "Established"
SESSION = re.compile(
    r"^protocol bgp (\w+) from routers \{.*?^ *neighbor (\S+) as", re.MULTILINE | re.DOTALL
)
_ANNOUNCED = r"(^protocol static {} \{{\s+)disabled yes;"


def neighbours(configuration):
    """{session's name: the router's address} of a bird.conf of ours. Pure."""
    return dict(SESSION.findall(configuration))


def observed():
    """{protocol: state}; empty where it does not answer."""
    try:
        return states(ask("show protocols", ANSWER_S).text())
    except OSError:
        return {}


def is_reading():
    """Whether it is still about to work with what it has read."""
    try:
        lines = ask("show status", ANSWER_S).text()
    except OSError:
        return True
    return any("in progress" in line for line in lines)


def established(now, configuration):
    """The addresses of the routers with which there is a session. Pure.

    By their addresses: another configuration may number them differently.
    """
    named = neighbours(configuration)
    return {address for name, address in named.items() if now.get(name) == ESTABLISHED}


def announced(now):
    """Names of the protocols by which the address is announced. Pure."""
    return [name for name, state in now.items() if name.startswith("vip_") and state == UP]


def announcing(configuration, names):
    """`configuration` in which these are enabled from the start. Pure.

    BIRD takes what a file says for what is wanted, whatever it was told since it has read the one
    before: the address would be gone for a moment.
    """
    for name in names:
        configuration = re.sub(
            _ANNOUNCED.format(re.escape(name)), r"\1disabled no;", configuration, flags=re.MULTILINE
        )
    return configuration


def configure(path):
    """Have BIRD read the file at `path`. Returns why it does not, "" if it does."""
    try:
        reply = ask(f'configure "{path}"', ANSWER_S)
    except OSError as error:
        return f"{SOCKET}: {error}"
    return reply.refusal()
