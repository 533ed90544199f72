"""What a request gets that names a host which no server of nginx's has, or none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from settings.values import PATH_MAX_CHARACTERS, Remedy, Words, alike

SERVE, CLOSE = "serve", "close"
# The first release that can end a handshake for a name it does not know.
REJECTS = (1, 19, 4)
# nginx's own word for "close the connection, and say nothing".
_CLOSING = "444"


# A host in small letters, as nginx compares it.
_URL = re.compile(
    r"https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?(/[\w.~/%+,=@-]*)?(\$request_uri)?"
)


def _plain(given: Any) -> Any:
    """{"redirect": URL} and 404 as text, as they are kept. Raises `Remedy` for what is known."""
    if isinstance(given, Mapping) and len(given) == 1:
        ((name, url),) = given.items()
        if name != "redirect" and alike(str(name), ("redirect",)):
            raise Remedy(f'did you mean {{"redirect": "{url}"}}?')
        given = url if name == "redirect" else given
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


UnknownHost = Annotated[
    str,
    BeforeValidator(_plain),
    Words((SERVE, CLOSE)),
    Field(pattern=rf"^(serve|close|404|421|{_URL.pattern})$", max_length=PATH_MAX_CHARACTERS),
]


def directive(answer: str) -> str:
    """What nginx does with such a request, but for `SERVE`."""
    if answer == CLOSE:
        return f"return       {_CLOSING}"
    return f"return       {answer if answer.isdigit() else f'302  {answer}'}"
