"""Read the messages delivered to the lab's mail server."""

from __future__ import annotations

import mailbox
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path


@dataclass(frozen=True)
class Mail:
    """One message with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    subject: str
    date: str
    body: str
    peer: str  # the address of the machine that delivered it


def read(maildir: Path) -> list[Mail]:
    """All messages, the oldest first."""
    box = mailbox.Maildir(maildir, create=False)
    return [
        _mail(message_from_bytes(box.get_bytes(key), policy=default))
        for key in sorted(box.keys(), key=_delivered)
    ]


def clear(maildir: Path) -> None:
    """Delete all messages."""
    mailbox.Maildir(maildir, create=False).clear()


def _delivered(key: str) -> tuple[float, ...]:
    """Time of delivery, (s, µs), from a Maildir key."""
    seconds, _, rest = key.partition(".")
    micro = rest.partition("M")[2].partition("P")[0]
    return float(seconds), float(micro or 0)


def _mail(message: EmailMessage) -> Mail:
    def header(name: str) -> str:
        return str(message.get(name, ""))

    part = message.get_body(("plain", "html"))
    recipients = header("X-RcptTo") or header("To")
    return Mail(
        sender=header("X-MailFrom") or header("From"),
        recipients=tuple(name.strip() for name in recipients.split(",") if name.strip()),
        subject=header("Subject"),
        date=header("Date"),
        body=part.get_content() if part else "",
        # aiosmtpd writes "('172.16.12.61', 43548)".
        peer=header("X-Peer").partition("'")[2].partition("'")[0],
    )
