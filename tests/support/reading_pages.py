"""Reads HTML the way a strict reader does: what is open must be closed, and nothing is fetched."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "link", "input"}
# Attributes that make a browser fetch, and what in a stylesheet does.
FETCHING = {"src", "srcset", "data", "poster", "background", "action"}
FETCHED_BY_STYLES = re.compile(r"url\(|@import|@font-face|expression\(", re.IGNORECASE)


class Page(HTMLParser):
    """`faults`: what is wrong with its tags. `fetches`: what would leave the file."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.fetches: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"{tag} is not closed" for tag in self._open]
        self.faults += [f"two have the id {id}" for id in self.ids if self.ids.count(id) > 1]
        self.faults += [f"no place {link}" for link in self.links if link[1:] not in self.ids]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._record(tag, dict(attrs))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._record(tag, dict(attrs))

    def _record(self, tag: str, attributes: dict[str, str | None]) -> None:
        self.tags.append((tag, attributes))
        self.fetches += [f"{tag} {name}" for name in FETCHING & attributes.keys()]
        if tag in ("script", "link", "iframe", "object", "embed", "base", "image", "use"):
            self.fetches.append(tag)
        self.fetches += [f"{tag} {name}" for name in attributes if name.startswith("on")]
        if id := attributes.get("id"):
            self.ids.append(id)
        if (href := attributes.get("href")) is not None:
            (self.links if href.startswith("#") else self.fetches).append(href)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.fetches += FETCHED_BY_STYLES.findall(data)
        else:
            self.text += data

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.tags)
