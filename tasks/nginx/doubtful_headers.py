"""What people's own configuration does to headers and types without saying so. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from settings.nginx_paths import Directive, directives

# The first release in which a block can have headers of its own beside those above it.
INHERITS = (1, 29, 3)
OURS = ("headers.conf", "/etc/nginx/headers.conf")
OLD_SCRIPTS = ("application/javascript", "application/x-javascript")


def doubts(texts: Iterable[tuple[str, str]], release: tuple[int, ...]) -> Iterator[str]:
    """What is worth a word in `texts`, each with the file that it is from."""
    found = [(source, directives(text)) for source, text in texts]
    if dropped := [f"{source}:{line}" for source, block in found for line in _dropping(block)]:
        instead = (
            "`add_header_inherit merge;` beside it keeps them"
            if release >= INHERITS
            else "`include headers.conf;` after it brings Tandem's back"
        )
        yield (
            f"{', '.join(dropped)}: nginx sends what this block adds instead of all that is added "
            f"above it, Tandem's headers (docs/sites.md) and your own at http level: {instead}"
        )
    old = [f"{source}:{line}" for source, block in found for line in _of_old_scripts(block)]
    if old:
        yield (
            f"{', '.join(old)}: no file is {' or '.join(OLD_SCRIPTS)} any more, *.js is "
            "text/javascript: name that, too"
        )


def _dropping(block: Sequence[Directive]) -> Iterator[int]:
    """The lines of the first `add_header` of each server, location and if that has one, and does
    not let those above it in."""
    for one in block:
        inside = one.block
        own = [each.line for each in inside if each.words[0] == "add_header"]
        kept = any(
            each.words in (("add_header_inherit", "merge"), *(("include", path) for path in OURS))
            for each in inside
        )
        if own and not kept and one.words[0] != "http":
            yield own[0]
        yield from _dropping(inside)


def _of_old_scripts(block: Sequence[Directive]) -> Iterator[int]:
    """The lines that name a script by the type it had, as gzip_types and maps do, and nothing
    beside them does by the type that it has."""
    values = {word for one in block for word in one.words if len(one.words) > 1}
    for one in block:
        if set(one.words) & set(OLD_SCRIPTS) and "text/javascript" not in values:
            yield one.line
        yield from _of_old_scripts(one.block)
