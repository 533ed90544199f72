"""Replaces secrets in what machines answer, before it is judged, shown or saved.

Tandem's own secrets never leave a machine. But a person's snippets of configuration may hold some
(an upstream's Authorization header, a token that a location asks for), and `nginx -T` prints them.
Equal secrets are replaced alike within one run, so that machines can still be compared, by a digest
whose key is thrown away with the run.
"""

from __future__ import annotations

import hashlib
import re
import secrets

_KEY = secrets.token_bytes(16)
# A name that says that what follows it is a secret: of a header, a variable, a directive.
_NAME = (
    r"[\w$.-]*(?:authori[sz]ation|passw(?:or)?d|passphrase|passwd|secret|credential|cookie"
    r"|api[_-]?key|access[_-]?key|private[_-]?key|master[_-]?key|psk|signature|auth_pass"
    r"|secure_link_md5|(?<![a-z])token(?!s))[\w.-]*"
)
_VALUE = r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s;{}\[\],"']+"""
# NAME = VALUE and the like, --NAME VALUE, and a directive that ends on the same line: NAME VALUE;
_NAMED = re.compile(
    rf"""(?P<before>(?<![\w$.-])["']?{_NAME}["']?(?:[ \t]*[=~*!:]+[ \t]*|[ \t]+(?=[^\n;{{}}]*;))"""
    rf"""|(?<=\s)--{_NAME}[ \t]+)(?P<value>{_VALUE})""",
    re.IGNORECASE,
)
# A map from or to a variable with such a name holds secrets on every line.
_MAP = re.compile(
    rf"(?P<head>\bmap\s+(?=[^;{{}}]*{_NAME})[^;{{}}]*\{{)(?P<lines>[^}}]*)\}}", re.IGNORECASE
)
# What is no secret though its name says so: a switch, a number, variables, a path, a keyword.
_HARMLESS = re.compile(
    r"""["']?(?:on|off|any|all|none|default|hostnames|volatile|include|basic|httponly|secure"""
    r"""|samesite\S*|\d+[smhdkg]?|(?:\$\w+|\$\{\w+\})+|/[\w./@+-]*|\(secret.*\))?["']?$""",
    re.IGNORECASE,
)
# Secrets that show as such wherever they stand.
_ANYWHERE = re.compile(
    r"""(?P<before>\b(?:Bearer|Basic|Digest|Negotiate|Token)[ \t]+)"""
    r"""(?P<value>[A-Za-z0-9+/=._~:-]{6,})"""
    r"""|(?P<scheme>\b[a-z][a-z0-9+.-]*://[^\s/:@"']*:)(?P<userinfo>(?!\(secret)[^\s/@"']+)(?=@)"""
    r"""|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*|\bAKIA[0-9A-Z]{16}\b"""
    r"""|\b(?:ghp|gho|ghs|github_pat|glpat|xox[abpr]|sk|pk|rk)[_-][\w-]{16,}"""
)
_PEM = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_WORD = re.compile(_VALUE)
# Without one of these a line holds nothing of the kind: far quicker to be found than what it is.
_HINTS = (
    *("authori", "passw", "passphrase", "secret", "credential", "cookie", "api_key", "api-key"),
    *(
        "apikey",
        "access_key",
        "access-key",
        "accesskey",
        "private_key",
        "private-key",
        "privatekey",
    ),
    *("private key", "master_key", "master-key", "masterkey", "psk", "signature", "auth_pass"),
    *("secure_link_md5", "token", "bearer", "basic", "digest", "negotiate", "://", "eyj", "akia"),
    *("ghp", "gho", "ghs", "github_pat", "glpat", "xox", "sk_", "sk-", "pk_", "pk-", "rk_", "rk-"),
)


def without_secrets(text: str) -> str:
    """`text` with `(secret DIGEST)` in the place of each secret."""
    if not _hinted(text):
        return text
    text = _PEM.sub(lambda found: _hidden(found[0]), text)
    text = _MAP.sub(lambda found: f"{found['head']}{_WORD.sub(_word, found['lines'])}}}", text)
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if _hinted(line):
            lines[number] = _NAMED.sub(_named, _ANYWHERE.sub(_anywhere, line))
    return "\n".join(lines)


def _hinted(text: str) -> bool:
    lower = text.lower()
    return any(hint in lower for hint in _HINTS)


def _named(found: re.Match[str]) -> str:
    value = found["value"]
    return found["before"] + (value if _HARMLESS.match(value) else _hidden(value))


def _word(found: re.Match[str]) -> str:
    return found[0] if _HARMLESS.match(found[0]) else _hidden(found[0])


def _anywhere(found: re.Match[str]) -> str:
    if found["value"]:
        return found["before"] + _hidden(found["value"])
    if found["userinfo"]:
        return found["scheme"] + _hidden(found["userinfo"])
    return _hidden(found[0])


def _hidden(value: str) -> str:
    bare = value.strip("\"'")
    digest = hashlib.blake2b(bare.encode(), key=_KEY, digest_size=4).hexdigest()
    return f'"(secret {digest})"' if value[0] in "\"'" else f"(secret-{digest})"
