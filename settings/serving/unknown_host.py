"""What a request gets that names a host which no server of nginx's has, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from settings.values import PATH_MAX_CHARACTERS

SERVE, CLOSE = "serve", "close"
# The first release that can end a handshake for a name it does not know.
REJECTS = (1, 19, 4)
# nginx's own word for "close the connection, and say nothing".
_CLOSING = "444"


def _plain(given: Any) -> Any:
    """{"redirect": URL} and 404 as text, as they are kept."""
    if isinstance(given, Mapping) and set(given) == {"redirect"}:
        return given["redirect"]
    if type(given) not in (int, str):
        raise ValueError("no answer")
    return str(given)


UnknownHost = Annotated[
    str,
    BeforeValidator(_plain),
    Field(
        pattern=r"^(serve|close|404|421|https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?"
        r"(/[\w.~/%+,=@-]*)?(\$request_uri)?)$",
        max_length=PATH_MAX_CHARACTERS,
    ),
]


def directive(answer: str) -> str:
    """What nginx does with such a request, but for `SERVE`."""
    if answer == CLOSE:
        return f"return       {_CLOSING}"
    return f"return       {answer if answer.isdigit() else f'302  {answer}'}"
