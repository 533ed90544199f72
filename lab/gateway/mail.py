"""Read the messages delivered to the lab's mail server."""

from __future__ import annotations

import mailbox
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message
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
    return [_mail(box[key]) for key in sorted(box.keys(), key=_delivered)]


def clear(maildir: Path) -> None:
    """Delete all messages."""
    mailbox.Maildir(maildir, create=False).clear()


def _delivered(key: str) -> tuple[float, ...]:
    """Time of delivery, (s, µs), from a Maildir key."""
    seconds, _, rest = key.partition(".")
    micro = rest.partition("M")[2].partition("P")[0]
    return float(seconds), float(micro or 0)


def _peer(header: str) -> str:
    """The address in aiosmtpd's "('172.16.12.61', 43548)"."""
    return header.partition("'")[2].partition("'")[0]


def _mail(message: Message) -> Mail:
    def header(name: str) -> str:
        return str(make_header(decode_header(str(message.get(name, "")))))

    part = next((p for p in message.walk() if p.get_content_maintype() == "text"), message)
    payload = part.get_payload(decode=True)
    charset = part.get_content_charset() or "utf-8"
    body = payload.decode(charset, "replace") if isinstance(payload, bytes) else ""
    recipients = header("X-RcptTo") or header("To")
    return Mail(
        sender=header("X-MailFrom") or header("From"),
        recipients=tuple(name.strip() for name in recipients.split(",") if name.strip()),
        subject=header("Subject"),
        date=header("Date"),
        body=body,
        peer=_peer(header("X-Peer")),
    )
