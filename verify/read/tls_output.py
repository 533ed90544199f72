"""Reads handshakes of OpenSSL's client, and a machine's keys and sites. Pure; text in, values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verify.read.lists import listed

if TYPE_CHECKING:
    from cryptography import x509

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


@dataclass(frozen=True)
class Session:
    """One handshake. `version` is "" where there was none, `refusal` then says why."""

    version: str
    protocol: str
    chain: tuple[x509.Certificate, ...]
    refusal: str


def session(text: str) -> Session:
    """The output of `openssl s_client`. Raises ValueError for anything else."""
    from cryptography import x509  # only where there is TLS

    version = re.search(r"^New, (TLSv[\d.]+), Cipher is (?!\(NONE\))", text, re.MULTILINE)
    # OpenSSL's own name for the version that it has agreed on, where "New" names a cipher's.
    agreed = re.search(r"^\s*Protocol\s*: (TLSv[\d.]+)", text, re.MULTILINE)
    offered = re.search(r"^ALPN protocol: (\S+)", text, re.MULTILINE)
    refusal = re.search(r"alert [a-z ]+|connect:errno=\d+|Connection refused", text)
    none = re.search(r"^New, \(NONE\), Cipher is \(NONE\)", text, re.MULTILINE)
    if not version and not refusal and not none:
        raise ValueError("no answer of openssl s_client")
    return Session(
        version=((agreed or version)[1] if version else ""),
        protocol=offered[1] if offered else "",
        chain=tuple(x509.load_pem_x509_certificate(pem.encode()) for pem in _PEM.findall(text)),
        refusal=refusal[0].strip() if refusal else "",
    )


@dataclass(frozen=True)
class Key:
    """A key on a machine: who may read it, and whether it is its certificate's."""

    mode: int
    owner: str
    fits: bool
    path: str


def keys(text: str) -> tuple[Key, ...]:
    """Lines of mode, owner, `fits` or `differs`, and path."""
    words = {"fits": True, "differs": False}
    lines = (line.split(" ", 3) for line in listed(text))
    return tuple(Key(int(mode, 8), owner, words[fits], path) for mode, owner, fits, path in lines)


def sites(text: str) -> dict[str, tuple[str, str]]:
    """Version and sum of each site that is there, of which there may be "none"."""
    lines = (line.rsplit(" ", 2) for line in listed(text))
    return {name: (version, total) for name, version, total in lines}


def chains(text: str) -> dict[str, tuple[x509.Certificate, ...]]:
    """The certificates of each file, in its order, below a line `file NAME`. Raises ValueError
    where there is none of a file."""
    from cryptography import x509  # only where there is TLS

    _, *parts = re.split(r"^file (\S+)$", text, flags=re.MULTILINE)
    if not parts:
        raise ValueError("no line 'file'")
    found = {}
    for name, content in zip(parts[::2], parts[1::2], strict=True):
        if left := _PEM.sub("", content).strip():
            raise ValueError(left.splitlines()[0])
        found[name] = tuple(
            x509.load_pem_x509_certificate(pem.encode()) for pem in _PEM.findall(content)
        )
    return found
