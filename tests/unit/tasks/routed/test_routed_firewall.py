"""firewalld where segments come out of a mesh: what of them it would drop."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.machine import firewall
from tests.support import fakes
from tests.unit.tasks.routed.test_routed_deploy import ROUTED

SIX = ROUTED | {
    "vip6": "2001:db8::80/128",
    "routers": [*ROUTED["routers"], {"address": "fd61:1::1", "asn": 64512}],
}
WARNED = "Set IPv6_rpfilter=loose there"


@pytest.mark.parametrize(
    ("said", "drops"),
    [
        ([], False),
        (["runs"], True),
        (["runs", "filter=yes"], True),
        (["runs", "filter=Strict "], True),
        (["runs", "filter=no"], False),
        (["runs", "filter=loose"], False),
        (["runs", "filter=strict-forward"], False),
        (["filter=yes"], False),
    ],
)
def test_what_firewalld_does_is_read(said: list[str], drops: bool) -> None:
    assert firewall.SixFilterFact().process(said) is drops


def _with_ipv6(survey: str, number: int) -> str:
    own = f'"172.16.12.6{number}", "prefixlen": 16}}'
    assert own in survey
    more = f'{{"family": "inet6", "local": "fd61:1::6{number}", "prefixlen": 64}}'
    return survey.replace(own, f"{own}, {more}")


@pytest.mark.usefixtures("no_download")
@pytest.mark.parametrize(
    ("given", "said", "warned"),
    [
        (SIX, ["runs", "filter=yes"], True),
        (SIX, ["runs", "filter=loose"], False),
        (SIX | {"handover": False}, ["runs", "filter=yes"], False),
        (ROUTED, ["runs", "filter=yes"], False),
    ],
)
def test_who_would_drop_what_the_mesh_brings_is_told(
    given: dict[str, Any], said: list[str], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    hosts = {
        f"@fake/host{n}": {
            "ssh_hostname": f"172.16.12.6{n}",
            "address6": f"fd61:1::6{n}",
            "page": f"page {n}",
            "fake_responses": {
                "/etc/os-release": _with_ipv6(fakes.survey(address=f"172.16.12.6{n}"), n),
                "IPv6_rpfilter": said,
            },
        }
        for n in (1, 2)
    }
    with caplog.at_level("INFO", "pyinfra"):
        fakes.run("deploy.py", fakes.inventory(hosts, given))
    assert (WARNED in caplog.text) is warned
