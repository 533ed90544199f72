"""Makes files/nginx/mime.types anew: python -m tests.support.published.renew_mime_types NGINX'S

NGINX'S: conf/mime.types of the source of the release that is the default. The other list is
Debian's, /etc/mime.types of the package media-types, which follows IANA's registry; so it wants
Debian, with that package as new as can be had. Of three that know an ending the first is right:

1. `OURS`, what browsers want and the others say otherwise, or not at all;
2. nginx's own, so that nobody's files become another type with Tandem;
3. Debian's, the registered type before one with x-.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).resolve().parents[3] / "files" / "nginx" / "mime.types"
DEBIAN = Path("/etc/mime.types")
OURS = {
    # HTML's standard wants this name; with nosniff a browser runs no script of an unknown type.
    "text/javascript": "js mjs cjs",
    "application/json": "json map",
    "application/manifest+json": "webmanifest",
    "application/wasm": "wasm",
    "text/css": "css",
    "text/vtt": "vtt",
    "application/rss+xml": "rss",
    "application/ld+json": "jsonld",
    "application/geo+json": "geojson",
    "application/yaml": "yaml yml",
    "application/toml": "toml",
    "image/avif": "avif avifs",
    "image/apng": "apng",
    "image/jxl": "jxl",
    "image/bmp": "bmp",
    "font/woff": "woff",
    "font/woff2": "woff2",
    "font/ttf": "ttf",
    "font/otf": "otf",
    "font/collection": "ttc",
    "model/gltf+json": "gltf",
    "model/gltf-binary": "glb",
    "model/obj": "obj",
    "model/mtl": "mtl",
    "model/stl": "stl",
    "model/vnd.usdz+zip": "usdz",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/ogg": "oga ogg opus spx",
    "audio/wav": "wav",
    "audio/webm": "weba",
    "video/iso.segment": "m4s",
    "video/matroska": "mkv",
    "video/ogg": "ogv",
    "application/dash+xml": "mpd",
    "application/gzip": "gz tgz",
    "application/x-xz": "xz",
    "application/zstd": "zst",
    "application/vnd.rar": "rar",
}
HEAD = """\
# What a file's ending says of what is in it. Types as IANA has registered them, by Debian's package
# media-types {debian} ({date}), which is in the public domain. Before it go {nginx} endings as
# nginx's own list has them, and before both {ours} as browsers want them. Made by
# tests/support/published/renew_mime_types.py in the repository, which says how; change it there.
"""


def _nginxs(path: Path) -> Iterator[tuple[str, str]]:
    inside = path.read_text().partition("{")[2].partition("}")[0]
    for entry in inside.split(";"):
        media_type, *endings = entry.split() or [""]
        yield from ((ending, media_type) for ending in endings)


def _debians() -> Iterator[tuple[str, str]]:
    lines = [line.split() for line in DEBIAN.read_text().splitlines() if not line.startswith("#")]
    # The first that names an ending has it.
    for media_type, *endings in sorted(filter(None, lines), key=lambda words: "/x-" in words[0]):
        yield from ((ending.lower(), media_type) for ending in endings)


def _ours() -> Iterator[tuple[str, str]]:
    for media_type, endings in OURS.items():
        yield from ((ending, media_type) for ending in endings.split())


def _package() -> tuple[str, str]:
    """Debian's version, and the day of that."""
    version = subprocess.check_output(
        ["dpkg-query", "--show", "--showformat=${Version}", "media-types"], text=True
    )
    log = subprocess.check_output(["zcat", "/usr/share/doc/media-types/changelog.gz"], text=True)
    day = re.findall(r"^ -- .*>  \w+, (\d+ \w+ \d{4})", log, re.MULTILINE)
    return version, day[0]


def renewed(nginxs: Path) -> str:
    """The text of the list."""
    found: dict[str, str] = {}
    origins = [list(_ours()), list(_nginxs(nginxs)), list(_debians())]
    counts = []
    for origin in origins:
        before = len(found)
        for ending, media_type in origin:
            if re.fullmatch(r"\w[\w+-]*", ending):
                found.setdefault(ending, media_type)
        counts.append(len(found) - before)
    types: dict[str, list[str]] = {}
    for ending, media_type in found.items():
        types.setdefault(media_type, []).append(ending)
    debian, date = _package()
    head = HEAD.format(debian=debian, date=date, ours=counts[0], nginx=counts[1])
    lines = [f"    {each}  {' '.join(sorted(types[each]))};\n" for each in sorted(types)]
    return f"{head}types {{\n{''.join(lines)}}}\n"


if __name__ == "__main__":
    TARGET.write_text(renewed(Path(sys.argv[1])))
