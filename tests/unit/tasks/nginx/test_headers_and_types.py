"""What nginx is told of headers and types, and what is said of people's own."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import settings
from controller import rendering
from lab.gateway import authority
from settings import Node
from tasks.nginx import doubtful_headers, nginx_files
from tasks.nginx.response_headers import response_headers
from tests.support import fakes
from tests.support.published import renew_mime_types

SITE = {"server_names": ["www.example.org"], "page": "x"}
OLD, NEW = (1, 26, 3), (1, 30, 6)


def node(**given: Any) -> Node:
    return settings.load(fakes.inventory(**given))[0].preferred


def texts(**given: Any) -> dict[str, str]:
    found = nginx_files.files(node(**given), 2, "build").texts
    return {name: str(text) for name, text in found.items()}


# --- headers ---------------------------------------------------------------------------------


def test_nothing_of_ours_adds_a_header_below_http_level() -> None:
    place = {"page": "a", "headers": {"X-A": "a"}}
    sites = [SITE | {"headers": "strict", "paths": {"/a/": place}}]
    found = texts(sites=sites, paths={"/b/": place})
    adding = [name for name, text in found.items() if re.search(r"^\s*add_header", text, re.M)]
    assert adding == ["headers.conf"]
    assert found["nginx.conf"].count("include            headers.conf;") == 1


def test_peoples_own_stand_before_ours_and_maps_before_both() -> None:
    """A header is not added where the answer has it; what sizes maps is above the first of all."""
    long = {f"/{'b' * 60}/": {"page": "a", "headers": {"X-A": "a"}}}
    found = texts(paths=long, trusted_proxies=["10.0.0.5"])
    parts = ("map_hash_bucket_size  128;", "\n    map ", "header_values.conf;", "conf.d/*.conf")
    order = [found["nginx.conf"].index(each) for each in (*parts, " headers.conf;")]
    assert order == sorted(order)
    assert sum(text.count("map_hash_bucket_size") for text in found.values()) == 1


def test_without_settings_a_request_asks_one_map_for_each_header() -> None:
    found = response_headers(node(sites=[SITE]))
    assert [name for name, _ in found.lines] == ["X-Content-Type-Options", "X-Frame-Options"]
    assert [one.source for one in found.maps] == [
        "$sent_http_x_content_type_options",
        "$sent_http_x_frame_options",
    ]


@pytest.mark.parametrize(
    ("path", "site", "size"),
    [
        *(("/a/", "www.example.org", 0), (f"/{'b' * 60}/", "www.example.org", 128)),
        (f"/{'b' * 60}/", f"{'w' * 60}.example.org", 256),
    ],
)
def test_long_keys_have_large_buckets(path: str, site: str, size: int) -> None:
    paths = {path: {"page": "a", "headers": {"X-A": "a"}}}
    found = response_headers(node(sites=[SITE | {"server_names": [site], "paths": paths}]))
    assert found.bucket_size == size


@pytest.mark.parametrize(
    ("header", "upstream", "size"),
    [
        ("Cross-Origin-Opener-Policy", "app", 0),
        ("Content-Security-Policy-Report-Only", "app", 128),
        (f"X-{'a' * 62}", "app", 128),
        ("X-A", "a" * 40, 128),
    ],
)
def test_long_names_of_variables_have_large_buckets(header: str, upstream: str, size: int) -> None:
    """Of more than 46 letters nginx takes none without, and does not start."""
    given: dict[str, Any] = {"resolver": ["10.0.0.53"], "nginx_version": "1.26.3"}
    given["upstreams"] = {upstream: {"servers": ["a.example.org:80"], "resolve": True}}
    paths = {"/a/": {"proxy": upstream}, "/b/": {"page": "b", "headers": {header: "b"}}}
    given["sites"] = [SITE | {"headers": {header: "a"}, "paths": paths}]
    text = texts(**given)["header_values.conf"]
    assert re.findall(r"^variables_hash_bucket_size +(\d+);", text, re.M) == [str(size)] * bool(
        size
    )
    files = "".join(texts(**given).values())
    longest = max(map(len, re.findall(r"^ *(?:map .*|set +)\$(\w+)", files, re.M)))
    assert (longest > 46) == bool(size)


def test_what_a_place_says_is_not_said_by_the_application_as_well() -> None:
    place = {
        "proxy": "app",
        "hide_headers": ["X-Powered-By"],
        "headers": {"X-Frame-Options": "DENY", "X-A": "", "Set-Cookie": "a=b"},
    }
    given = {"upstreams": {"app": ["10.0.0.1:80"]}, "sites": [SITE | {"paths": {"/a/": place}}]}
    text = texts(**given)["sites/www.example.org.conf"]
    assert re.findall(r"proxy_hide_header +(.*);", text) == ["X-Frame-Options", "X-Powered-By"]


def test_a_script_that_is_run_has_its_places_headers() -> None:
    place = {"fastcgi": "app", "root": "/srv/www", "headers": {"X-A": "a"}}
    given = {"upstreams": {"app": ["10.0.0.1:80"]}, "sites": [SITE | {"paths": {"/a/": place}}]}
    text = texts(**given)["sites/www.example.org.conf"]
    assert text.count('set            $tandem_place  "www.example.org,a,";') == 2


def test_behind_a_proxy_that_takes_tls_off_a_header_says_what_the_client_has_asked(
    tmp_path: Path,
) -> None:
    pair = authority.issue(tmp_path, ["172.16.12.254", "www.example.org"])
    given: dict[str, Any] = {
        "tls_certificate": str(pair.certificate),
        "tls_key": str(pair.key),
        "hsts_s": 60,
        "headers": {"X-A": "$scheme"},
    }
    place = {"page": "a", "headers": {"X-A": "a $server_port"}}
    given["sites"] = [SITE | {"headers": {"X-A": "$https"}, "paths": {"/a/": place}}]
    for trusted, known in (
        ([], {"$https", "$scheme", "$server_port"}),
        (["10.0.0.5"], {"$tandem_https", "$tandem_scheme", "$tandem_port"}),
    ):
        text = texts(**given, trusted_proxies=trusted)["header_values.conf"]
        named = set(re.findall(r"\$(?:tandem_)?(?:scheme|https|port|server_port)\b", text))
        assert named == known
        assert f"map {min(known)}  $tandem_tls_header_strict_transport_security " in text


# --- what people's own does to them ----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("add_header A b;", []),
        ("http { add_header A b; }", []),
        ("server {\n add_header A b;\n add_header C d; }", [2]),
        ("server { location / {\n add_header A b; } }", [2]),
        ("server { location / { if ($a) {\n\n add_header A b; } } }", [3]),
        ("server { add_header A b; include headers.conf; }", []),
        ("server { add_header A b; include /etc/nginx/headers.conf; }", []),
        ("server { add_header A b; add_header_inherit merge; }", []),
        ("server { add_header A b;\n location / {\n add_header A b; } }", [1, 3]),
        ("server { add_trailer A b; }", []),
    ],
)
def test_what_drops_headers_is_said_once_with_every_line(text: str, lines: list[int]) -> None:
    said = list(doubtful_headers.doubts([("a.conf", text), ("b.conf", text)], OLD))
    assert len(said) == bool(lines)
    for line in said:
        where = [f"{file}:{number}" for file in ("a.conf", "b.conf") for number in lines]
        assert line.startswith(f"{', '.join(where)}: nginx sends")


def test_what_brings_them_back_is_what_the_release_knows() -> None:
    own = [("a.conf", "server { add_header A b; }")]
    assert "include headers.conf" in next(doubtful_headers.doubts(own, OLD))
    assert "add_header_inherit merge" in next(doubtful_headers.doubts(own, NEW))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gzip_types text/css application/javascript;", True),
        ("gzip_types text/javascript application/javascript;", False),
        ("map $sent_http_content_type $a { application/javascript max; }", True),
        ("map $type $a { application/javascript 1; text/javascript 1; }", False),
        ("# application/javascript", False),
        ("gzip_types text/css;", False),
    ],
)
def test_who_means_scripts_by_their_old_type_is_told(text: str, said: bool) -> None:
    assert bool(list(doubtful_headers.doubts([("a.conf", text)], NEW))) is said


# --- types -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def types() -> dict[str, str]:
    """Each ending's type."""
    inside = rendering.read("nginx/mime.types").partition("{")[2].rpartition("}")[0]
    entries = [entry.split() for entry in inside.split(";")]
    pairs = [(ending, entry[0]) for entry in entries if entry for ending in entry[1:]]
    assert not [ending for ending, count in Counter(dict(pairs)).items() if count == 0]
    counts = Counter(ending for ending, _ in pairs)
    assert max(counts.values()) == 1, "nginx warns of an ending that has two types"
    return dict(pairs)


@pytest.mark.parametrize(
    ("endings", "right"),
    [
        # With nosniff no browser runs, applies, shows or installs these as octet-stream.
        ("js mjs cjs", "text/javascript"),
        ("css", "text/css"),
        ("wasm", "application/wasm"),
        ("json map", "application/json"),
        ("webmanifest", "application/manifest+json"),
        ("html htm", "text/html"),
        ("xhtml", "application/xhtml+xml"),
        ("svg svgz", "image/svg+xml"),
        ("avif", "image/avif"),
        ("webp", "image/webp"),
        ("jxl", "image/jxl"),
        ("apng", "image/apng"),
        ("png", "image/png"),
        ("jpg jpeg", "image/jpeg"),
        ("gif", "image/gif"),
        ("ico", "image/x-icon"),
        ("woff", "font/woff"),
        ("woff2", "font/woff2"),
        ("ttf", "font/ttf"),
        ("otf", "font/otf"),
        ("vtt", "text/vtt"),
        ("mp4", "video/mp4"),
        ("webm", "video/webm"),
        ("ogv", "video/ogg"),
        ("mp3", "audio/mpeg"),
        ("m4a", "audio/mp4"),
        ("ogg opus", "audio/ogg"),
        ("flac", "audio/flac"),
        ("ts", "video/mp2t"),
        ("m3u8", "application/vnd.apple.mpegurl"),
        ("mpd", "application/dash+xml"),
        ("glb", "model/gltf-binary"),
        ("gltf", "model/gltf+json"),
        ("usdz", "model/vnd.usdz+zip"),
        ("pdf", "application/pdf"),
        ("rss", "application/rss+xml"),
        ("atom", "application/atom+xml"),
        ("xml", "text/xml"),
        ("txt", "text/plain"),
        ("md", "text/markdown"),
        ("csv", "text/csv"),
        ("yaml yml", "application/yaml"),
        ("zip", "application/zip"),
        ("gz", "application/gzip"),
        ("exe deb dmg iso", "application/octet-stream"),
    ],
)
def test_an_ending_has_the_type_that_browsers_want(
    types: dict[str, str], endings: str, right: str
) -> None:
    assert {ending: types.get(ending) for ending in endings.split()} == dict.fromkeys(
        endings.split(), right
    )


def test_the_list_is_whole_and_says_where_it_is_from(types: dict[str, str]) -> None:
    assert len(types) > 1400
    head = rendering.read("nginx/mime.types").partition("types {")[0]
    assert "IANA" in head and re.search(r"media-types [\d.]+ \(\d+ \w+ 20\d\d\)", head)
    for media_type, endings in renew_mime_types.OURS.items():
        assert {types[ending] for ending in endings.split()} == {media_type}


def test_every_machine_is_brought_the_list() -> None:
    assert texts()["mime.types"] == rendering.read("nginx/mime.types")
    assert "types_hash_bucket_size  256;" in texts()["nginx.conf"]
