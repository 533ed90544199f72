"""What a machine is asked about BIRD: its file, its sessions, and what it tells the routers."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator

from settings import Node
from settings.network.routed_settings import Router
from settings.values import HIDDEN
from verify.observe.bundle import Bundle
from verify.observe.probe import ShellProbe, told

BIRD = "bird"
BIRD_CONF = "/etc/bird/bird.conf"
# (One that hangs would keep it for ever.)
_BIRDC = "timeout 3 birdc -r"
# A password may stand on the line after its word.
_SHOW_CONF = 'sed -zE \'s/(passwords?[[:space:]]+)"[^"]*"/\\1"(secret)"/g\' ' + BIRD_CONF
_IF_CONFIGURED = f"[ -s {BIRD_CONF} ] || {{ echo there is none; exit 1; }}"
# When the file was written, and when BIRD has read its file last.
_STATUS = f"""\
found=$({_BIRDC} show status) || {{ echo "$found"; exit 3; }}
echo "$found"
read_at=$(echo "$found" | sed -n 's/^Last reconfiguration on //p')
date -d "$read_at" '+read %s.%N'
stat -c 'written %.9Y' {BIRD_CONF}"""
# BIRD's own mark on routes of the kernel; a line for each family.
_KERNEL = """\
for family in 4 6; do
    found=$(ip -$family -j route show table all proto bird) && echo "${found:-[]}" || exit 3
done"""


def bundles(node: Node) -> list[Bundle]:
    """What BIRD itself says, and its file."""
    return [Bundle(*_from_files(node), *_from_bird(node))]


def session(number: int) -> str:
    """BIRD's name for the session with the node's router of that number, from 1."""
    return f"router_{number}"


def exported(number: int) -> str:
    """The probe that shows what that router is told."""
    return f"bird_exported:{number}"


def _from_files(node: Node) -> Iterator[ShellProbe]:
    yield told("bird_conf", f"{_IF_CONFIGURED}\n{_SHOW_CONF}", _SHOW_CONF)
    yield _passwords(node.routers)
    yield told("bird_kernel", _KERNEL, "ip route show table all proto bird")


def _from_bird(node: Node) -> Iterator[ShellProbe]:
    # It writes to the other stream.
    yield told("bird_version", "/usr/sbin/bird --version")
    check = f"/usr/sbin/bird -p -c {BIRD_CONF}"
    yield told("bird_test", f"{_IF_CONFIGURED}\n{check} && echo valid", check, may_hang=True)
    for name, asked in {
        "bird_protocols": "show protocols all",
        "bird_bfd": "show bfd sessions",
        **{
            exported(number): f"show route export {session(number)} all"
            for number, _ in enumerate(node.routers, start=1)
        },
    }.items():
        yield told(name, f"{_BIRDC} {asked}", may_hang=True)
    yield told("bird_status", _STATUS, f"{_BIRDC} show status; stat {BIRD_CONF}", may_hang=True)


def _passwords(routers: tuple[Router, ...]) -> ShellProbe:
    """Compares each session's password without moving it: salted here, hashed there, one word back.

    The last line counts them.
    """
    salt = secrets.token_hex(8)
    passwords = [router.password.get_secret_value() for router in routers]
    shown = f"grep -c password {BIRD_CONF}"
    if HIDDEN in passwords:
        # It could not be had here: there is nothing to compare with, and that is no answer.
        unknown = "echo 'a password is not known on the controller' >&2; exit 1"
        return told("bird_passwords", unknown, shown)
    digests = [hashlib.sha256(f"{salt}{each}".encode()).hexdigest() for each in passwords]
    wanted = "\n".join(
        f"    {session(number)}) wanted={digest} ;;" for number, digest in enumerate(digests, 1)
    )
    # A line for each session: its name, and its password in quotes if it has one.
    command = f"""\
{_IF_CONFIGURED}
{{ sed '/^[[:space:]]*#/d' {BIRD_CONF} | tr '\\n\\t' '  '; echo; }} |
    sed -E 's/protocol +bgp +/\\n@/g' | sed -nE \\
    -e 's/^@([^ ]+)[^{{]*\\{{.*[ {{;]password +"([^"]*)".*/\\1 "\\2"/p;t' \\
    -e 's/^@([^ ]+).*/\\1/p' | {{
    count=0
    while read -r name secret; do
        wanted=
        case $name in
{wanted}
        esac
        secret=${{secret#?}}
        case $(printf %s "{salt}${{secret%?}}" | sha256sum) in
        "$wanted "*) echo "$name same" ;;
        *) echo "$name different" ;;
        esac
        count=$((count + 1))
    done
    echo "$count sessions"
}}"""
    return told("bird_passwords", command, shown)
