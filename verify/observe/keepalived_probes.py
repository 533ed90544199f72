"""What a machine is asked about keepalived: its files, its scripts, its state."""

from __future__ import annotations

import hashlib
import secrets

from settings import Node
from settings.values import HIDDEN
from verify.observe.bundle import PROBE_TIMEOUT_S, Bundle
from verify.observe.probe import ShellProbe, told

KEEPALIVED_CONF = "/etc/keepalived/keepalived.conf"
# A person's drain, and a deploy's.
DRAINED_BY = "/etc/keepalived/down /run/tandem/drain"
# Runs what follows where there is a configuration, else says why not.
_IF_CONFIGURED = (
    f"[ -s {KEEPALIVED_CONF} ] || {{ "
    f"if [ -e {KEEPALIVED_CONF} ]; then echo it is empty; else echo there is none; fi; exit 1; }}"
)
# How long each of keepalived's checks may take here.
RUN_LIMIT_S = 4
# A script that keepalived would not run, since others may write it, is not run here either: the
# verifier would do it as root. The last line counts them.
_RUN_CHECK_SCRIPTS = f"""\
{_IF_CONFIGURED}
sed -nE 's/^[[:space:]]*script[[:space:]]+"?([^"]*)"?[[:space:]]*$/\\1/p' {KEEPALIVED_CONF} | {{
    count=0
    while read -r script; do
        program=${{script%% *}}
        mine=$(find -L "$program" -maxdepth 0 -user 0 ! -perm /002 \\( -group 0 -o ! -perm /020 \\))
        if [ -n "$mine" ]; then
            began=$(date +%s%3N)
            timeout {RUN_LIMIT_S} sh -c "$script" </dev/null >/dev/null 2>&1
            echo "$? $(($(date +%s%3N) - began)) $script"
        else
            echo "untrusted 0 $script"
        fi
        count=$((count + 1))
    done
    echo "$count scripts"
}}"""
# Every step of the way to each script.
_SCRIPT_PATHS = f"""\
{_IF_CONFIGURED}
scripts=$(sed -nE \
    's/^[[:space:]]*(script|notify[a-z_]*)[[:space:]]+"?(\\/[^"[:space:]]+).*/\\2/p' \
    {KEEPALIVED_CONF} | sort -u)
# shellcheck disable=SC2086  # a list
if [ -n "$scripts" ]; then namei -l $scripts; else echo none; fi"""
_DRAINS = f"""\
for file in {DRAINED_BY}; do
    if [ -e $file ]; then echo "there $file"; else echo "absent $file"; fi
done"""
_WATCH_SAYS = """\
for file in failed last-resort; do
    verdict=none
    [ ! -s /run/tandem/$file ] || read -r verdict </run/tandem/$file
    echo "$file $verdict"
done"""
# And how many seconds ago nginx's log says that it had no room for a connection. (That it had to
# close one that nobody used is another line.)
_OVERLOAD = """\
refused='worker_connections are not enough\\($\\| while\\)'
read -r up _ </proc/uptime && echo "uptime $up"
cat /run/tandem/overload 2>/dev/null || echo none
for log in /var/log/nginx/error.log /var/log/nginx/error.log.1; do
    last=$(tail -c 16M "$log" 2>/dev/null | tac | grep -am 1 "$refused") && break
done
if [ "$last" ]; then
    echo "refused $(($(date +%s) - $(date -d "${last%% [[]*}" +%s)))"
else
    echo refused never
fi"""
_OVERLOAD_SHOWN = (
    "cat /proc/uptime /run/tandem/overload; "
    "grep -a 'worker_connections are not enough' /var/log/nginx/error.log | tail -n 1"
)
# keepalived writes its state to $state when it is sent the signal $json: wait until it has, or say
# that it has not. With VRRPv2 the state holds the shared secret.
_DUMP_STATE = """\
pid=$(cat /run/keepalived.pid) && grep -qx keepalived "/proc/$pid/comm" &&
    [ "/proc/$pid/ns/pid" -ef /proc/self/ns/pid ] || { echo it does not run; exit 3; }
before=$(stat -c %.9Y "$state" 2>/dev/null)
kill -s "$json" "$pid" || { echo it was not asked; exit 4; }
tries=0
while [ $((tries += 1)) -le 50 ]; do
    sleep 0.01
    [ "$(stat -c %.9Y "$state" 2>/dev/null)" != "$before" ] || continue
    case $(tail -c 2 "$state") in
    *[]}]*)
        sed -E 's/("auth_data": *")([^"\\\\]|\\\\.)*"/\\1(secret)"/g' "$state"
        exit
        ;;
    esac
done
echo it does not write
exit 5"""
# keepalived's signal for it has always been SIGRTMIN + 2 (its signals.h); SIGRTMIN is glibc's 34.
# It is asked for the number only where it does not wait for that one, which would end it.
_FOR_DUMPS = """\
json= pid= name= mask=
read -r pid 2>/dev/null </run/keepalived.pid
while read -r name mask; do
    # Signals from 64 down, four a digit: 36 is the first one of the eighth digit.
    case $name$mask in Sig[BC]??:???????[89a-f]*) json=36 ;; esac
done 2>/dev/null <"/proc/$pid/status"
[ "$json" ] || json=$(keepalived --signum=JSON 2>/dev/null)
state=$(tr '\\0' '\\n' 2>/dev/null <"/proc/$pid/environ" | sed -n 's/^TMPDIR=//p')
state=${state:-/tmp}/keepalived.json"""
_DUMP_SHOWN = (
    "kill -s $(keepalived --signum=JSON) $(cat /run/keepalived.pid); sleep 0.2; "
    "cat /run/keepalived/keepalived.json"
)


def of_watch() -> list[ShellProbe]:
    """What the watch has written, and who wants this node drained: of every profile."""
    return [
        told("watch_says", _WATCH_SAYS, "head /run/tandem/failed /run/tandem/last-resort"),
        told("nginx_overload", _OVERLOAD, _OVERLOAD_SHOWN),
        told("keepalived_down", _DRAINS, f"ls {DRAINED_BY}"),
    ]


def from_files(node: Node) -> list[ShellProbe]:
    """What keepalived's files say."""
    return [
        told(
            "keepalived_conf",
            f"{_IF_CONFIGURED}\n"
            f"sed -E 's/(auth_pass[[:space:]]+).*/\\1(secret)/' {KEEPALIVED_CONF}",
            f"sed -E 's/(auth_pass[[:space:]]+).*/\\1(secret)/' {KEEPALIVED_CONF}",
        ),
        _secret(node.auth_pass.get_secret_value()),
        told("keepalived_files", f"stat -c '%a %U:%G %n' {KEEPALIVED_CONF}"),
        told("keepalived_scripts", _SCRIPT_PATHS),
    ]


def from_programs() -> list[ShellProbe]:
    """What keepalived and its check scripts say."""
    return [
        told("keepalived_version", "/usr/sbin/keepalived --version"),
        told(
            "keepalived_test",
            f"{_IF_CONFIGURED}\n/usr/sbin/keepalived --config-test && echo valid",
            "/usr/sbin/keepalived --config-test",
            may_hang=True,
        ),
        told(
            "keepalived_checks",
            _RUN_CHECK_SCRIPTS,
            f"grep 'script ' {KEEPALIVED_CONF}",
            may_hang=True,
        ),
    ]


def _secret(auth_pass: str) -> ShellProbe:
    """Compares the shared secret without moving it: salted here, hashed there, one word back."""
    salt = secrets.token_hex(8)
    digest = hashlib.sha256(f"{salt}{auth_pass}".encode()).hexdigest()
    if auth_pass == HIDDEN:
        # It could not be had here: there is nothing to compare with, and that is no answer.
        unknown = "echo 'auth_pass is not known on the controller' >&2; exit 1"
        return told("keepalived_secret", unknown, f"grep auth_pass {KEEPALIVED_CONF}")
    command = f"""\
sed -nE 's/^[[:space:]]*auth_pass[[:space:]]+([^[:space:]]*).*/\\1/p' {KEEPALIVED_CONF} | {{
    count=0
    while read -r secret; do
        case $(printf %s "{salt}$secret" | sha256sum) in
        {digest}*) echo "same ${{#secret}}" ;;
        *) echo "different ${{#secret}}" ;;
        esac
        count=$((count + 1))
    done
    echo "$count secrets"
}}"""
    return told("keepalived_secret", command, f"grep auth_pass {KEEPALIVED_CONF}")


def state_twice(seconds_between: float) -> Bundle:
    """keepalived's state twice, so far apart that adverts must have been counted in between."""
    return Bundle(
        told("vrrp_before", _DUMP_STATE, _DUMP_SHOWN),
        told("vrrp", f"sleep {seconds_between}\n{_DUMP_STATE}", _DUMP_SHOWN),
        timeout_s=seconds_between + PROBE_TIMEOUT_S,
        first=_FOR_DUMPS,
    )


# What of keepalived's log is of interest: its states, its starts, what goes wrong, how own checks
# go; and between which moments a drill was the cause.
LOGGED = (
    "Entering [A-Z]+ STATE|Starting Keepalived v|timer expired|forcing new election|truncat"
    "|discard|overrun|bogus|inotify|tandem_drill\\[|VRRP_Script\\(own_"
)
_LINES = 4000  # the last ones; looking at more of them takes longer, and they are older


def shell_of_log(
    journal: str, programs: str, wanted: str, lines: int, shortened: str = "cat"
) -> str:
    """Shell that prints where the log is, and what in its last `lines` is of interest.

    journal: what these are in systemd's; programs: a pattern of how they begin elsewhere, behind
    the machine's name; wanted: one of what is of interest; shortened: a command that leaves out of
    it what is not to leave the machine.
    """
    return f"""\
if command -v journalctl >/dev/null && [ -d /run/systemd/system ]; then
    lines=$(journalctl -q --no-pager -o short-unix -n {lines} {journal}) || exit 3
    echo "journal ${{lines%% *}}"
else
    for file in /var/log/daemon.log /var/log/syslog /var/log/messages; do
        [ -s $file ] && break
    done
    if [ -s $file ]; then
        lines=$(tail -n {lines} $file | grep -E ' {programs}')
        echo "syslog $file $(date '+%z %Y')"
    else
        lines=
        echo none
    fi
fi
printf '%s\\n' "$lines" | {shortened} | grep -iE '{wanted}'
[ $? -le 1 ] # which is that none of them is of interest"""


_LOG = shell_of_log(
    "_SYSTEMD_UNIT=keepalived.service + SYSLOG_IDENTIFIER=tandem_drill",
    "(Keepalived[a-z_]*|tandem_drill)\\[",
    LOGGED,
    _LINES,
)
# Each child of keepalived's, and what it follows by inotify (proc(5), fdinfo).
_WATCHES = """\
pid= name= children=
read -r pid </run/keepalived.pid
read -r name <"/proc/$pid/comm"
[ "$name" = keepalived ] || exit 3
stat -c 'directory %i %d' /run/tandem
read -r children 2>/dev/null <"/proc/$pid/task/$pid/children"
for child in ${children:-$(pgrep -P "$pid")}; do
    echo "process $child"
    grep -hs '^inotify ' "/proc/$child"/fdinfo/*
done
true"""
_WATCHES_SHOWN = (
    "stat -c '%i %d' /run/tandem; grep -s inotify /proc/$(pgrep -P $(cat /run/keepalived.pid))"
    "/fdinfo/*"
)


def followed() -> list[ShellProbe]:
    """Which files keepalived follows: it is told of nginx's end by one."""
    return [told("keepalived_watches", _WATCHES, _WATCHES_SHOWN)]


def logged() -> list[ShellProbe]:
    """What keepalived has logged of late."""
    shown = f"journalctl -u keepalived | grep -iE '{LOGGED}'"
    return [told("keepalived_log", _LOG, shown, may_hang=True)]
