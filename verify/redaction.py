"""Replaces secrets in what machines answer, before it is judged, shown or saved.

Tandem's own secrets never leave a machine. But a person's snippets of configuration may hold some
(an upstream's Authorization header, a token that a location asks for), and `nginx -T` prints them.
Equal secrets are replaced alike within one run, so that machines can still be compared, by a digest
whose key is thrown away with the run.

Every pattern here takes time in proportion to what it reads: no repetition within a repetition,
and none that begins anew at each character.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from functools import lru_cache

_KEY = secrets.token_bytes(16)
# Characters. A longer line that may hold a secret is hidden as a whole. keepalived's answer in JSON
# is one line, of about 1300 characters for each of its instances, and nft's of the second chance's
# tables, of about 10,500 for each other node: 160,000 in a cluster of 16.
_LONGEST_LINE = 196608
# How many lines a directive may have before and after the one with the secret's name.
_MOST_LINES = 20

# Without one of these a line holds nothing of the kind: far quicker to be found than what it is.
_HINTS = (
    *("auth", "pass", "pwd", "_pw", "secret", "credential", "cookie", "key", "psk", "signature"),
    *("secure_link", "token", "bearer", "jwt", "hmac", "basic", "digest", "negotiate", "://"),
    *("eyj", "akia", "ghp", "gho", "ghs", "github_pat", "glpat", "xox"),
    *("sk_", "sk-", "pk_", "pk-", "rk_", "rk-", "_set_header", "_param"),
)
_NAME = re.compile(r"(?<![\w$.-])[\w$.-]+")
# A name that says that what follows it is a secret: of a header, a variable, a directive.
_SECRET_NAME = re.compile(
    r"authori[sz]ation|passw(?:or)?d|passphrase|passcode|pwd|secret|credential|cookie|psk"
    r"|signature|secure_link_md5|token|hmac|bearer|jwt"
    r"|(?:api|app|auth|access|private|master|signing|encryption)[_.-]?key(?![a-z])"
    # Short words only by themselves: DB_PASS and X-Auth, but not bypass, auth_type or keys_zone.
    r"|(?:^|[^a-z]|db|user|smtp|sql|redis)(?:pass|pw)(?![a-z])|(?:^|[^a-z])auth$"
    r"|auth_(?:data|digest)|[^\W_][_.-]key(?![a-z])"
)
# A name like one of those that is public.
_PUBLIC_NAME = re.compile(
    r"(?:proxy|fastcgi|uwsgi|scgi|grpc|memcached)_pass"
    r"|.*(?:cache|memcached|public|certificate|websocket|temp)[_.-]key"
)
# nginx's directives whose values are public, whatever words are in them. Of those that speak to
# what is behind nginx it is all but what they send there: proxy_set_header, fastcgi_param.
_PUBLIC_DIRECTIVE = re.compile(
    r"(?:proxy|fastcgi|uwsgi|scgi|grpc|memcached)_(?!set_|param)\w+|ssl_\w+|userid_\w+|limit_\w+"
    r"|server|server_name|upstream|listen|location|root|alias|include|index|try_files|rewrite"
    r"|access_log|error_log|log_format|error_page|user|pid|load_module|resolver|hash|sticky"
    r"|auth_(?:basic|request|delay)\w*|open_log_file_cache|server_tokens|more_clear_headers"
)
# NAME = VALUE and the like: what is between them.
_ASSIGNS = re.compile(r"""["']?(?:[ \t]*[=~*!:]+>?[ \t]*|[ \t]+(?:is|was)[ \t]+)\[?""")
_SPACE = re.compile(r"""["']?\s+""")
_VALUE = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s;{}"']+""", re.DOTALL)
# What is no secret though its name says so: a switch, a number, variables, a path, a keyword.
_HARMLESS = re.compile(
    r"""["']?(?:on|off|yes|no|true|false|null|any|all|none|default|hostnames|volatile|include"""
    r"""|basic|httponly|secure|always|if_not_empty|is|was|samesite\S*|\d{1,5}[smhdkg]?|=+|\#+"""
    r"""|(?:\$\w+|\$\{\w+\})+|/[\w./@+-]*|\(secret.*\))?["']?$""",
    re.IGNORECASE,
)
# Secrets that show as such wherever they stand.
_ANYWHERE = re.compile(
    r"""(?P<before>\b(?:(?i:Bearer)[ \t]+|(?:Basic|Digest|Negotiate|Token)[ \t]+"""
    # These are words of plain English too, before other words.
    r"""(?=[A-Za-z/._~-]*[0-9+=:])))(?P<value>[A-Za-z0-9+/=._~:-]{6,})"""
    r"""|(?P<scheme>://)(?P<userinfo>[^\s/?"']+)(?=@)"""
    r"""|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*|\bAKIA[0-9A-Z]{16}\b"""
    r"""|\b(?:ghp|gho|ghs|github_pat|glpat|xox[abpr]|sk|pk|rk)[_-][\w-]{16,}"""
)
_QUERY = re.compile(r"""(?P<before>[?&](?P<name>[\w.-]+)=)(?P<value>[^\s&;"']+)""")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_CERTIFICATE = re.compile(
    r"(-----BEGIN [A-Z0-9 ]*CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END [A-Z0-9 ]*CERTIFICATE-----)"
)
# What nginx says to an application, by which that may know who asks it, whatever it is called.
_GAP = r"(?:\s|\#[^\n]{0,400}\n){1,99}"
_SENT = re.compile(
    rf"""(?P<before>\b(?:\w{{1,20}}_set_header{_GAP}(?P<name>["']?[\w.-]{{1,200}}["']?)"""
    rf"""|\w{{1,20}}_param{_GAP}HTTP_(?P<parameter>\w{{1,200}})){_GAP})"""
    r"""(?P<value>"(?:\\.|[^"\\]){0,4096}"|'(?:\\.|[^'\\]){0,4096}'|["'][^\n]*|[^\s;{}"'#][^\s;{}]*)""",
    re.DOTALL,
)
# What stands in those that Tandem sets itself is public.
_PUBLIC_HEADER = re.compile(
    r"host|connection|upgrade|proxy|forwarded|x-real-ip|x-forwarded-(?:for|proto|host|port)"
)
# A map from or to a variable with such a name holds secrets on every line.
_MAP = re.compile(r"\b(?:map|geo)\s(?P<head>(?:\$\{\w{1,99}\}|[^;{}]){1,400})\{")
_WORD = (
    r""""(?:\\.|[^"\\]){0,4096}"|'(?:\\.|[^'\\]){0,4096}'|["'][^\n]*|[;{}]"""
    r"""|(?:\$\{\w*\}|(?<=[a-z])'(?=[a-z])|[^\s;{}"'])+"""
)
_TOKEN = re.compile(rf"\#[^\n]*|{_WORD}", re.DOTALL)
_COMMENTED_TOKEN = re.compile(rf"\#+|\n|{_WORD}", re.DOTALL)


def without_secrets(text: str) -> str:
    """`text` with `(secret DIGEST)` in the place of each secret."""
    if not _hinted(text):
        return text
    parts = _CERTIFICATE.split(_PRIVATE_KEY.sub(lambda found: _hidden(found[0]), text))
    # Every second part is a certificate, which is public.
    parts[::2] = map(_without_secrets, parts[::2])
    return "".join(parts)


def _hinted(text: str) -> bool:
    lower = text.lower()
    return any(hint in lower for hint in _HINTS)


def _without_secrets(text: str) -> str:
    lines = text.split("\n")
    if len(text) > _LONGEST_LINE:
        for number, line in enumerate(lines):
            if len(line) > _LONGEST_LINE and _hinted(line):
                lines[number] = _hidden(line)
        text = "\n".join(lines)
    lines = _maps(_SENT.sub(_sent, text)).split("\n")
    named = []
    for number, line in enumerate(lines):
        if _hinted(line):
            lines[number] = _QUERY.sub(_query, _ANYWHERE.sub(_anywhere, line))
            if any(_secret_names(line)):
                named.append(number)
    # From the last line on, since a value of several lines becomes one.
    first = len(lines)
    for number in reversed(named):
        if number >= first:
            continue
        first, last = _directive(lines, number)
        lines[first : last + 1] = _directives("\n".join(lines[first : last + 1])).split("\n")
    return "\n".join(lines)


def _maps(text: str) -> str:
    """`text` with the lines of a map hidden where its variables' names say so."""
    pieces, done = [], 0
    for found in _MAP.finditer(text):
        if found.start() < done or not any(_secret_names(found["head"])):
            continue
        pieces.append(text[done : found.end()])
        done, included = found.end(), False
        for token in _TOKEN.finditer(text, done):
            if token[0] == "}":
                break
            word = token[0] if included else _VALUE.sub(_word, token[0])
            included = token[0] == "include"
            pieces += [text[done : token.start()], word]
            done = token.end()
    return "".join([*pieces, text[done:]])


def _directive(lines: list[str], number: int) -> tuple[int, int]:
    """The first and the last of the lines that make up the directive on line `number`.

    A line alone where no ";" ends it: what is not nginx's has lines that have nothing in common.
    """
    first = last = number
    end = _bare(lines[number])
    while end[-1:] not in (";", "{", "}") and last < min(number + _MOST_LINES, len(lines) - 1):
        last += 1
        end = _bare(lines[last])
        if re.search(r"[;{}]", end):
            break
    ends = re.search(r"[;{}]", end)
    if not ends or (last > number and ends[0] != ";"):
        return number, number
    while ends[0] == ";" and first > max(0, number - _MOST_LINES):
        if _bare(lines[first - 1])[-1:] in (";", "{", "}"):
            break
        first -= 1
    return first, last


@lru_cache(4 * _MOST_LINES)
def _bare(line: str) -> str:
    """`line` without quoted words, whose ";" ends nothing, and without comments."""
    if len(line) > _LONGEST_LINE:
        return ";"

    def bare(token: re.Match[str]) -> str:
        if token[0][0] == "#":
            return ""
        # A quote with no other on the line: the word goes on, or ends here.
        return "_" if token[0][0] in "\"'" and token[0][0] in token[0][1:] else token[0]

    return _TOKEN.sub(bare, line).rstrip()


def _directives(text: str) -> str:
    """`text` with the secrets hidden of each directive; what a comment says is one too."""
    pieces, begun, comment = [], 0, False
    for token in _COMMENTED_TOKEN.finditer(text):
        before = text[begun : token.start()]
        if token[0] in (";", "{", "}") or (comment and token[0] == "\n"):
            comment = comment and token[0] != "\n"
        # A directive may go on after a comment.
        elif token[0][0] == "#" and (not before.strip() or token.start() > text.rfind("\n")):
            comment = True
        else:
            continue
        pieces += [_named(before, token[0]), token[0]]
        begun = token.end()
    return "".join([*pieces, _named(text[begun:], "")])


def _named(directive: str, end: str) -> str:
    """`directive`, which `end` ends, with the values hidden that belong to a secret's name."""
    words = directive.split(maxsplit=2)
    if not words or (end in (";", "{") and _PUBLIC_DIRECTIVE.fullmatch(words[0])):
        return directive
    alone = len(words) == 2 or (len(words) > 2 and words[1][0] in "\"'")
    pieces, done, start = [], 0, directive.index(words[0])
    for name in _secret_names(directive):
        if name.start() < done:
            continue
        gap = _ASSIGNS.match(directive, name.end()) or _SPACE.match(directive, name.end())
        if not gap:
            continue
        assigns = gap[0].strip("\"' \t\n")
        # Several words may be the value of a header, and of a directive: up to its ";". One of
        # keepalived's ends with its line.
        whole = gap[0] == ": " if assigns else end == ";" or (alone and name.start() == start)
        if not (whole or assigns or name[0].startswith("--")):
            continue
        pieces.append(directive[done : gap.end()])
        done = gap.end()
        if whole:
            return "".join([*pieces, _VALUE.sub(_word, directive[done:])])
        if value := _VALUE.match(directive, done):
            pieces.append(_word(value))
            done = value.end()
    return "".join([*pieces, directive[done:]])


def _secret_names(text: str) -> Iterator[re.Match[str]]:
    for found in _NAME.finditer(text):
        if _is_secret(found[0]) and not text.startswith("(secret", found.start() - 1):
            yield found


@lru_cache(4096)
def _is_secret(name: str) -> bool:
    # accessToken is access_token.
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return bool(_SECRET_NAME.search(name)) and not _PUBLIC_NAME.fullmatch(name)


def _word(found: re.Match[str]) -> str:
    word = found[0].rstrip(",)]") if found[0][0] not in "\"'(" else found[0]
    if not word or _HARMLESS.match(word):
        return found[0]
    return _hidden(word) + found[0][len(word) :]


def _sent(found: re.Match[str]) -> str:
    name = (found["name"] or found["parameter"]).strip("\"'").lower().replace("_", "-")
    if _PUBLIC_HEADER.fullmatch(name) or "$" in found["value"] or _HARMLESS.match(found["value"]):
        return found[0]
    return found["before"] + _hidden(found["value"])


def _query(found: re.Match[str]) -> str:
    if not _is_secret(found["name"]) and found["name"] not in ("key", "sig"):
        return found[0]
    return found["before"] + (
        found["value"] if _HARMLESS.match(found["value"]) else _hidden(found["value"])
    )


def _anywhere(found: re.Match[str]) -> str:
    if found["value"]:
        return found["before"] + _hidden(found["value"])
    if found["userinfo"]:
        user = found["userinfo"]
        return found["scheme"] + (user if _HARMLESS.match(user) else _hidden(user))
    return _hidden(found[0])


def _hidden(value: str) -> str:
    bare = value.strip("\"'")
    digest = hashlib.blake2b(bare.encode(), key=_KEY, digest_size=4).hexdigest()
    return f'"(secret {digest})"' if value[0] in "\"'" else f"(secret-{digest})"
