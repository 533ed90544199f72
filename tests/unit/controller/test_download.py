"""A download says how far it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from controller import source
from report import live_line


class Answer:
    """Of 100 kB, in two pieces."""

    headers = {"Content-Length": str(100 * 1024)}  # noqa: RUF012

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *error: object) -> None: ...

    def raise_for_status(self) -> None: ...

    def iter_content(self, size: int) -> Iterator[bytes]:
        yield bytes(size)
        yield bytes(100 * 1024 - size)


def test_it_is_whole_and_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(live_line, "part", told.append)
    monkeypatch.setattr(requests, "get", lambda url, timeout, stream: Answer())
    assert len(source._get("https://nginx.org/x.tar.gz")) == 100 * 1024
    shown = [f"https://nginx.org/x.tar.gz: {kb} of 100 kB" for kb in (64, 100)]
    assert told == [*shown, ""], "and is taken off the line when it is over"
