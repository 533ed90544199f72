"""Sizes of nginx's tables in a person's pieces: above our maps, and no smaller than ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.tasks.nginx.test_own_files import made, mistakes, put, text

# A key in header_values.conf that takes 128 bytes.
LONG = {f"/{'b' * 60}/": {"page": "a", "headers": {"X-A": "a"}}}


@pytest.mark.parametrize("level", ["http.d", "conf.d"])
def test_what_sizes_maps_is_lifted_above_the_first_of_ours(tmp_path: Path, level: str) -> None:
    piece = f"{level.replace('.', '_')}__a_conf"
    lines = "# mine\nmap_hash_bucket_size\n  256; # long\nmap_hash_max_size 4096;\nmap $a $b { }\n"
    found = made(put(tmp_path, **{piece: lines}), trusted_proxies=["10.0.0.5"])
    main = text(found, "nginx.conf")
    for line, said in ((2, "map_hash_bucket_size  256;"), (4, "map_hash_max_size  4096;")):
        assert main.count(said) == 1 and main.index(said) < main.index("\n    map ")
        assert f"{tmp_path}/{level}/a.conf:{line} says it.\n    {said}" in main
    assert text(found, f"{level}/a.conf").split("\n") == [
        "# mine",
        "# map_hash_bucket_size: /etc/nginx/nginx.conf says it, above the first map.",
        " # long",
        "# map_hash_max_size: /etc/nginx/nginx.conf says it, above the first map.",
        "map $a $b { }",
        "",
    ], "every other line is where it was, for what nginx says of it"
    assert not mistakes(tmp_path)


@pytest.mark.parametrize(("theirs", "holds"), [(64, 128), (512, 512)])
def test_the_larger_size_of_maps_holds(tmp_path: Path, theirs: int, holds: int) -> None:
    found = made(put(tmp_path, conf_d__a_conf=f"map_hash_bucket_size {theirs};"), paths=LONG)
    assert text(found, "nginx.conf").count(f"map_hash_bucket_size  {holds};") == 1
    assert "map_hash_bucket_size " not in "".join(
        text(found, path) for path in ("header_values.conf", "conf.d/a.conf")
    )


def test_one_that_is_smaller_than_nginxs_own_is_not_taken(tmp_path: Path) -> None:
    """With keys of up to 46 characters ours take 64, which nginx has anyway."""
    found = made(put(tmp_path, conf_d__a_conf="map_hash_bucket_size 32;"))
    assert "map_hash_bucket_size  64;" in text(found, "nginx.conf")


def test_what_another_line_shares_goes_alone(tmp_path: Path) -> None:
    lines = "map_hash_max_size 4096; map $a $b { x map_hash_max_size; }\n"
    put(tmp_path, http_d__a_conf="include maps.conf;", files__maps_conf=lines)
    found = made(tmp_path)
    assert "map_hash_max_size  4096;" in text(found, "nginx.conf")
    assert found.files["etc/maps.conf"] == b" map $a $b { x map_hash_max_size; }\n"


def test_what_nginx_would_refuse_stays_where_it_is(tmp_path: Path) -> None:
    for line in ("map_hash_max_size many;", "server { listen 81; types_hash_max_size 5; }"):
        found = made(put(tmp_path, conf_d__a_conf=line))
        assert text(found, "conf.d/a.conf") == line
        assert "map_hash" not in text(found, "nginx.conf")


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("types_hash_bucket_size 64;", False),
        ("types_hash_bucket_size 512;", True),
        ("types_hash_max_size 512;", False),
        ("types_hash_max_size 2048;", True),
    ],
)
def test_a_table_of_types_is_large_enough_for_ours(tmp_path: Path, line: str, stays: bool) -> None:
    """nginx's own 64 warns with our list of types, which a deploy would say each time."""
    found = made(put(tmp_path, http_d__a_conf=line))
    piece, main = text(found, "http.d/a.conf"), text(found, "nginx.conf")
    assert (piece == line) is stays
    assert stays or piece.startswith(f"# {line[:-1]}: left out, Tandem's list of types takes")
    ours = "types_hash_bucket_size  256;" in main
    assert ours is not (stays and "bucket" in line), "nginx takes it once"
