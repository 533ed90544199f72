"""What closes all sites for a while, and which sites stay open."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from tasks.nginx import nginx_files
from tests.unit.settings.test_settings import inventory, mistakes

SITE = {"server_names": ["www.example.org"], "page": "x"}


def test_a_cluster_closes_its_sites_but_for_those_that_say_otherwise() -> None:
    sites = [
        SITE,
        {"server_names": ["open.org"], "page": "x", "maintenance": False},
        {"server_names": ["own.org"], "page": "x", "maintenance": {"page": "own"}},
    ]
    given = inventory(sites=sites, maintenance={"page": "all", "retry_after_s": 60})
    node = settings.load(given)[0].preferred
    found = nginx_files.site_files(node)
    first = found["sites/www.example.org.conf"]
    assert 'return        503  "all\\n";' in first and "default  60;" in first
    assert "503" not in found["sites/open.org.conf"]
    assert 'return        503  "own\\n";' in found["sites/own.org.conf"]
    plain = settings.load(inventory(sites=[SITE]))[0].preferred
    off = settings.load(inventory(sites=[SITE], maintenance=False))[0].preferred
    assert nginx_files.site_files(plain) == nginx_files.site_files(off)
    # The default server answers as ever.
    assert "503" not in nginx_files.nginx_conf(node, 1, "")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"maintenance": "yes"}, "maintenance = 'yes': give False, True, or {\"page\""),
        ({"maintenance": {"alow": []}}, "did you mean allow?"),
        ({"maintenance": True}, "it closes sites, and there is none"),
        ({"maintenence": True}, "did you mean maintenance?"),
    ],
)
def test_what_closes_nothing_is_refused(given: dict[str, Any], said: str) -> None:
    assert any(said in mistake for mistake in mistakes(inventory(**given))), mistakes(
        inventory(**given)
    )


def test_who_is_let_in_is_judged_where_something_is_closed() -> None:
    (said,) = mistakes(inventory(sites=[SITE], maintenance={"allow": ["0.0.0.0/0"]}))
    assert "maintenance.allow" in said and "this is everybody" in said
    kept_open = {"closed": False, "allow": ["0.0.0.0/0"]}
    assert settings.load(inventory(sites=[SITE | {"maintenance": kept_open}]))


def test_nginxs_table_of_variables_is_sized_for_what_is_closed() -> None:
    sites = [{"server_names": [f"s{number}.org"], "page": "x"} for number in range(300)]
    sized = "variables_hash_max_size"
    for maintenance, own in ((True, None), (False, True)):
        each = [site | ({} if own is None else {"maintenance": own}) for site in sites]
        closed = settings.load(inventory(sites=each, maintenance=maintenance))[0].preferred
        assert sized in nginx_files.files(closed, 1, "").texts["header_values.conf"]
    opened = settings.load(inventory(sites=[site | {"maintenance": False} for site in sites]))
    assert sized not in nginx_files.files(opened[0].preferred, 1, "").texts["header_values.conf"]
