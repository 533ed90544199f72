"""The paths that nginx's directives name, who uses them for what, and which its walls allow. Pure.

A machine's program judges by it, too (controller/program_archive.py ships it): hence Python 3.6.
"""

import os
import re
from typing import Iterator, List, NamedTuple, Sequence, Tuple

# What a path is needed for. The master is root, but inside the unit's walls; workers are nginx's
# user as well.
LOAD = "load"  # the master reads it when it starts and reloads
READ = "read"  # workers read it for a request
OPEN = "open"  # the master opens or makes it for writing
WRITE = "write"  # workers write it, or below it
CONNECT = "connect"  # workers connect to this socket
WRITING = (OPEN, WRITE)

TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<mark>[{};])|(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"""|(?P<word>(?:\\.|\$\{[^}]*\}|[^\s{};"'])[^\s;{]*)""",
    re.DOTALL,
)
# Directives whose first word is a path; the first pattern that fits says what it is needed for.
# With what nginx's own modules know, also those of modules that people compile in.
_DIRECTIVES = tuple(
    (re.compile(pattern + r"\Z"), need)
    for pattern, need in (
        (r"root|alias|auth_basic_user_file|auth_jwt_key_file|working_directory", READ),
        (r"access_log|error_log|pid|state", OPEN),
        (r"(proxy|fastcgi|uwsgi|scgi|grpc|client_body)_(temp|cache)_path", WRITE),
        (r"(proxy|fastcgi|uwsgi|scgi)_store", WRITE),
        (r"google_perftools_profiles|state_path", WRITE),
        (
            r"([a-z]+_)?ssl_(certificate|certificate_key|trusted_certificate|crl|password_file)",
            LOAD,
        ),
        (r"ssl_(client_certificate|dhparam|session_ticket_key|stapling_file|ech_file)", LOAD),
        (r"include|load_module|perl_modules|perl_require|xslt_stylesheet|xml_entities", LOAD),
        (r"geoip_(country|city|org)|geoip2|js_path|modsecurity_rules_file|quic_host_key", LOAD),
    )
)
# nginx reads the names in these as if they stood in /etc/nginx; all others as if in its prefix.
_CONFIGURATION, _PREFIX = "/etc/nginx", "/usr"
_BELOW_PREFIX = (*WRITING, READ)
# What stands in these blocks are values, whatever it looks like.
_VALUES = ("map", "geo", "types", "split_clients", "charset_map")
_NO_PATH = re.compile(
    r"(on|off|stderr|data:.*|engine:.*|store:.*|memory:.*|syslog:.*|)\Z", re.DOTALL
)
_SOCKET = re.compile(r"(?:(?:https?|grpcs?)://)?unix:([^:]+)")
# The unit hides these (ProtectHome=).
HOMES = ("/home", "/root", "/run/user")


class Directive(NamedTuple):
    """One directive, with the block that follows it. `line` counts from 1."""

    words: Tuple[str, ...]
    line: int
    block: Tuple["Directive", ...]


class NamedPath(NamedTuple):
    """A path that a directive names, absolute. `open_end`: what is named lies below it, where a
    variable says."""

    directive: str
    path: str
    need: str
    line: int
    open_end: bool = False


class Walls(NamedTuple):
    """Where nginx may write, and which directories of `HOMES` it sees."""

    writable: Tuple[str, ...]
    readable_homes: Tuple[str, ...] = ()


def directives(text: str) -> Tuple[Directive, ...]:
    """A file of configuration. Where it is broken, which nginx says itself, what could be read."""
    stack: List[List[Directive]] = [[]]
    heads: List[Tuple[Tuple[str, ...], int]] = []
    words: List[str] = []
    line, counted, begun = 1, 0, 1
    for token in TOKEN.finditer(text):
        if not token.lastgroup:
            continue
        line += text.count("\n", counted, token.start())
        counted = token.start()
        if token.lastgroup != "mark":
            begun = begun if words else line
            quoted = token.lastgroup == "quoted"
            words.append(re.sub(r"\\(.)", r"\1", token.group()[1:-1]) if quoted else token.group())
            continue
        if token.group() == "{":
            heads.append((tuple(words), begun))
            stack.append([])
        elif token.group() == ";" and words:
            stack[-1].append(Directive(tuple(words), begun, ()))
        elif token.group() == "}" and heads:
            (head, started), inside = heads.pop(), tuple(stack.pop())
            if head:
                stack[-1].append(Directive(head, started, inside))
        words = []
    return tuple(stack[0])


def named_paths(text: str) -> Tuple[NamedPath, ...]:
    """Every path that a file of nginx's configuration names."""
    return tuple(_in_block(directives(text), "", ()))


def transparent_binds(block: Sequence[Directive]) -> Iterator[Directive]:
    """What needs CAP_NET_RAW, which nginx's unit keeps from it: without it no worker starts."""
    for one in block:
        if one.words[0].endswith("_bind") and "transparent" in one.words[2:]:
            yield one
        yield from transparent_binds(one.block)


NO_TRANSPARENT_BIND = (
    "nginx's unit keeps CAP_NET_RAW from it: leave out `transparent`, and tell servers the "
    "client's address by proxy_protocol or X-Forwarded-For"
)


def _in_block(
    block: Sequence[Directive], name: str, writers: Tuple[Directive, ...], root: str = ""
) -> Iterator[NamedPath]:
    """`writers`: which directives let workers write below `root`, here as in the blocks around."""
    if name == "location":
        root = root or "html"
    if name in _VALUES:
        block = [one for one in block if one.words[0] == "include"]
    own_writers = tuple(one for one in block if _writes_below_root(one))
    roots = [one for one in block if one.words[0] in ("root", "alias") and one.words[1:]]
    if any(one.words[0] == "dav_methods" for one in block):
        writers = own_writers
    writers += tuple(one for one in own_writers if one not in writers)
    root = roots[-1].words[1] if roots else root
    if root and (own_writers or roots or name == "location"):
        for writer in writers:
            yield from _named(writer.words[0], root, WRITE, writer.line)
    for one in block:
        yield from _in_directive(one)
        if one.block or one.words[0] == "location":
            yield from _in_block(one.block, one.words[0], writers, root)


def _writes_below_root(one: Directive) -> bool:
    """Whether workers put what clients send, or what servers answer, below the root."""
    if one.words[0] == "dav_methods":
        return one.words[1:] != ("off",)
    return one.words[0].endswith("_store") and one.words[1:] == ("on",)


def _in_directive(one: Directive) -> Iterator[NamedPath]:
    name, words = one.words[0], one.words[1:]
    if not words:
        return
    state = [word[len("state=") :] for word in words if word.startswith("state=")]
    if name.endswith("_zone") and state:  # njs's and others' memory, kept over a restart
        yield from _named(name, state[0], WRITE, one.line)
    elif name == "js_import":
        yield from _named(name, words[-1], LOAD, one.line)
    elif name == "listen" or name.endswith("_pass") or (name == "server" and not one.block):
        socket = _SOCKET.match(words[0])
        if socket:
            need = OPEN if name == "listen" else CONNECT
            yield from _named(name, socket.group(1), need, one.line)
    elif name in ("access_log", "error_log") and words[0].startswith("syslog:server=unix:"):
        socket_path = words[0].split(",")[0].partition("unix:")[2]
        yield from _named(name, socket_path, CONNECT, one.line)
    else:
        needs = [need for pattern, need in _DIRECTIVES if pattern.match(name)]
        if needs and not _NO_PATH.match(words[0]):
            yield from _named(name, words[0], needs[0], one.line)


def _named(directive: str, written: str, need: str, line: int) -> Iterator[NamedPath]:
    fixed, variable, _ = written.partition("$")
    pattern = re.search(r"[*?\[]", fixed) if directive == "include" else None
    if pattern:
        fixed, variable = fixed[: pattern.start()], "*"
    if variable:
        fixed = fixed[: fixed.rfind("/") + 1]
        # Only a worker knows what the variable is.
        need = {OPEN: WRITE, LOAD: READ}.get(need, need) if variable == "$" else need
    if directive == "google_perftools_profiles":
        fixed = os.path.dirname(fixed)
    if not fixed and variable:
        return
    below_prefix = need in _BELOW_PREFIX and directive not in ("auth_basic_user_file", "pid")
    below_prefix = below_prefix or directive == "load_module"
    path = os.path.normpath(os.path.join(_PREFIX if below_prefix else _CONFIGURATION, fixed))
    if path.startswith("/var/run/"):  # a link, everywhere
        path = path[len("/var") :]
    yield NamedPath(directive, path, need, line, bool(variable))


def is_below(path: str, directory: str) -> bool:
    """Whether `path` is `directory`, or in it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def in_home(path: str) -> bool:
    """Whether the unit hides the path unless it is told otherwise."""
    return any(is_below(path, home) for home in HOMES)


def forbidden(named: NamedPath, walls: Walls) -> str:
    """Why the unit does not let nginx use the path, and what would; "" if it does."""
    path = named.path

    def within(allowed: Sequence[str]) -> bool:
        return any(
            is_below(path, each) or (named.open_end and is_below(each, path)) for each in allowed
        )

    if within(walls.writable):
        return ""
    if named.need in WRITING and not is_below(path, "/dev"):
        places = ", ".join(walls.writable)
        return (
            f"nginx may write only below {places}: name a file there, or add its directory to "
            "nginx_writable_paths"
        )
    if in_home(path) and not within(walls.readable_homes):
        return (
            "nginx does not see homes: have it below /srv, or add its directory to "
            "nginx_readable_homes"
        )
    return ""
