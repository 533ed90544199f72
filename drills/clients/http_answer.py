"""Reads HTTP answers as the clients need them: whole or not, which status, whose page. Pure."""

from __future__ import annotations

from drills.outcomes import RequestOutcome

END_OF_HEAD = b"\r\n\r\n"


def header(head: bytes, name: bytes) -> bytes:
    """A header's value by its lower-case name; b"" without one."""
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return next((value.strip() for key, _, value in lines if key.lower() == name), b"")


def content_length(head: bytes) -> int:
    """How long the body has to be, in bytes; 0 where the head does not say."""
    length = header(head, b"content-length")
    return int(length) if length.isdigit() else 0


def complete(received: bytes) -> bool:
    """Whether head and body have arrived as a whole."""
    head, separator, body = received.partition(END_OF_HEAD)
    return bool(separator) and len(body) >= content_length(head)


def wrong_status(head: bytes) -> RequestOutcome | None:
    """The outcome that a head without status 200 means; None with 200."""
    status = head.partition(b"\r\n")[0].split(b" ")[1:2]
    if status == [b"200"]:
        return None
    broken = bool(status) and status[0].startswith(b"5")
    return RequestOutcome.HTTP_5XX if broken else RequestOutcome.WRONG_BODY


def classified(received: bytes, pages: dict[str, str]) -> tuple[RequestOutcome, str]:
    """Outcome and answering node of everything that came back on a connection, by its end.

    `pages`: node by the text of its page.
    """
    if not received:
        return RequestOutcome.EMPTY, ""
    head, separator, body = received.partition(END_OF_HEAD)
    if not separator or len(body) < content_length(head):
        return RequestOutcome.RESET, ""  # cut in the head, or in the middle of the page
    if wrong := wrong_status(head):
        return wrong, ""
    node = pages.get(body.decode("utf-8", "replace").strip())
    return (RequestOutcome.WRONG_BODY, "") if node is None else (RequestOutcome.OK, node)
