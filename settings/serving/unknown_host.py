"""What a request gets that names a host which no server of nginx's has, or none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from settings.serving.site import served_directory
from settings.values import PATH_MAX_CHARACTERS, Remedy, Shared, Values, Words, alike, written

SERVE, CLOSE = "serve", "close"
# The first release that can end a handshake for a name it does not know.
REJECTS = (1, 19, 4)
# The name of the page's directory on the machines, which no site's is: + is in no name.
PAGE_NAME = "unknown+host"
# nginx's own word for "close the connection, and say nothing".
_CLOSING = "444"
_NOT_FOUND = "404"
_PAGE_STATUSES = ("403", _NOT_FOUND, "410", "421", "503")
_PAGE = re.compile(rf"({'|'.join(_PAGE_STATUSES)}) ([^\n]+)")


# A host in small letters, as nginx compares it.
_URL = re.compile(
    r"https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?(/[\w.~/%+,=@-]*)?(\$request_uri)?"
)
_OTHER = re.compile(rf"serve|close|404|421|{_URL.pattern}")


def _plain(given: Any) -> Any:
    """{"redirect": URL}, 404 and {"page": LINE} as text, as they are kept: "404 LINE". Raises
    `Remedy` for what is known."""
    if isinstance(given, Mapping) and {"page"} <= set(given) <= {"page", "status"}:
        if type(given["page"]) is not str:
            raise ValueError("no text")
        return f"{given.get('status', _NOT_FOUND)} {given['page']}"
    if isinstance(given, Mapping) and len(given) == 1:
        ((name, value),) = given.items()
        if name != "redirect" and (near := alike(str(name), ("redirect", "page"))):
            raise Remedy(f'did you mean {{"{near}": {written(value)}}}?')
        given = value if name == "redirect" else given
    if type(given) not in (int, str):
        raise ValueError("no answer")
    if str(given) == _CLOSING:
        raise Remedy(f'{_CLOSING} is nginx\'s own word for it: give "{CLOSE}"')
    scheme, separator, rest = str(given).partition("://")
    host, slash, path = rest.partition("/")
    lower = f"{scheme}{separator}{host}".lower() + f"{slash}{path}"
    if separator and lower != given and _URL.fullmatch(lower):
        raise Remedy(f'write the host in small letters: {{"redirect": "{lower}"}}')
    return str(given)


def _answer(given: str) -> str:
    short = len(given) <= PATH_MAX_CHARACTERS
    if not _PAGE.fullmatch(given) and not (short and _OTHER.fullmatch(given)):
        raise ValueError("no answer")
    return given


UnknownHost = Annotated[
    str, BeforeValidator(_plain), Words((SERVE, CLOSE)), AfterValidator(_answer)
]


def page(answer: str) -> str:
    """The page that such a request gets, one line; "" where it gets none."""
    found = _PAGE.fullmatch(answer)
    return found[2] if found else ""


def directive(answer: str) -> str:
    """What nginx does with such a request, but for `SERVE`. Of a page it is the status."""
    if found := _PAGE.fullmatch(answer):
        return f"return       {found[1]}"
    if answer == CLOSE:
        return f"return       {_CLOSING}"
    return f"return       {answer if answer.isdigit() else f'302  {answer}'}"


class UnknownHosts(Values):
    """The part of a node's settings that says what they get who name no server."""

    unknown_host: Shared[UnknownHost] = Field(
        SERVE,
        description='"serve", "close", 404, 421, {"page": "one line", "status": 404} (or 403, 410, '
        '421, 503), or {"redirect": "https://www.example.org"}; $request_uri may end it',
    )

    @property
    def serves_unknown(self) -> bool:
        """Whether a request that names no server gets what the default server has."""
        return self.unknown_host == SERVE

    @property
    def answers_unknown_by(self) -> str:
        """The directive that answers such a request otherwise."""
        return directive(self.unknown_host)

    @property
    def unknown_page_directory(self) -> str:
        """Where the page is that such a request gets; "" where it gets none."""
        return served_directory(PAGE_NAME) if page(self.unknown_host) else ""
