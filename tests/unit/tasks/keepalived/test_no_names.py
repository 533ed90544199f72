"""Nothing that keepalived and nft read has a host name in it: they would look it up themselves, and
no adverts are sent while no resolver answers."""

from __future__ import annotations

import re
from typing import Any

import pytest

import settings
from controller import rendering
from tasks.handover import forwarding
from tasks.keepalived import configuration
from tests.support import fakes

# In names of machines, and in every setting that may be a name.
NAME = "name.test"
GIVEN: dict[str, Any] = {
    "smtp_server": f"mail.{NAME}",
    "ntp_server": f"clock.{NAME}",
    "notification_email": [f"ops@{NAME}"],
    "notification_email_from": f"tandem@{NAME}",
    "upstreams": {"app": {"servers": [f"app.{NAME}:8080"]}},
    "proxy": {"/": "app"},
    "sites": [{"server_names": [f"www.{NAME}"], "page": "a page"}],
    "checks": {"app": {"command": f"/usr/bin/check app.{NAME}", "weight": 1}},
}
# What keepalived takes as it is (its check scripts look up for themselves).
TEXTS = re.compile(r"\s*(router_id|notification_email_from|smtp_helo_name|script|\S+@\S+$)")
PROFILES: list[dict[str, Any]] = [
    {"vrrp_version": 2, "nginx_weight": -4, "maintenance_weight": -4},
    {},
    {"vip6": "fd61:1::254/64"},
    {"more_vips": {"172.16.12.253/16": f"@fake/host2.{NAME}", "fd61:1::252/64": ""}},
]


def cluster(**given: Any) -> settings.Cluster:
    more = given.get("more_vips", {})
    if more:
        given = given | {"more_vips": dict.fromkeys(more, f"@fake/host2.{NAME}")}
    hosts = {
        f"@fake/host{number}.{NAME}": {
            # SSH reaches it by a name; its own addresses are none.
            **{"ssh_hostname": f"ssh{number}.{NAME}", "address": f"172.16.12.6{number}"},
            **{"address6": f"fd61:1::6{number}", "priority": 103 - number, "page": "a page"},
        }
        for number in (1, 2)
    }
    return settings.load(fakes.inventory(hosts, **GIVEN | given))[0]


def read_by_programs(here: settings.Cluster) -> dict[str, str]:
    """What keepalived reads, and nft, without comments and texts."""
    node = here.preferred
    profile = "classic" if node.classic else "fast"
    conf = rendering.render(f"keepalived/{profile}.conf.j2", node=node, cluster=here, realtime=True)
    lines = [re.sub(r"[!#].*", "", line) for line in conf.splitlines()]
    speakers = configuration.speakers_table(node, here)
    found = {
        "keepalived.conf": "\n".join(line for line in lines if not TEXTS.match(line)),
        "vrrp.nft": re.sub(r"#.*", "", speakers),
    }
    if not node.classic:
        found["handover.nft"] = re.sub(r"#.*", "", forwarding.rules(node, here))
        found["handover"] = forwarding.command(node, here)
    return found


@pytest.mark.parametrize("given", PROFILES, ids=str)
def test_no_name_is_left_for_them_to_look_up(given: dict[str, Any]) -> None:
    for what, text in read_by_programs(cluster(**given)).items():
        assert "172.16.12." in text, what
        assert NAME not in text, what


def test_every_setting_that_may_be_a_name_is_one_here() -> None:
    """A name passes for it; as an address's, or a path's, it would be refused."""
    fields = settings.Node.model_fields
    data = cluster().preferred.model_dump()
    texts = [name for name in fields if isinstance(data[name], str)]
    for name in set(texts) - GIVEN.keys() - {"name", "cluster", "page"}:
        try:
            settings.Node.model_validate(data | {name: f"a.{NAME}"})
        except ValueError:
            continue
        # Paths and such of the controller, and the interface, which nothing looks up.
        assert re.search(r"nginx|tls|auth|hooks|interface|label", name), name


def test_an_address_of_the_mail_server_is_written_as_in_the_recipe() -> None:
    for address in ("172.16.0.1", "fd61:1::1"):
        here = cluster(**PROFILES[0], smtp_server=address)
        assert re.search(rf"smtp_server +{address}\n", read_by_programs(here)["keepalived.conf"])
    named = read_by_programs(cluster(**PROFILES[0]))["keepalived.conf"]
    assert not re.search(r"^\s*smtp_server\b", named, re.M)


@pytest.mark.parametrize("given", PROFILES, ids=str)
def test_no_script_lies_where_a_link_leads(given: dict[str, Any]) -> None:
    """keepalived 2.3 takes a script in /bin, a link to /usr/bin, for insecure, and runs nothing."""
    here = cluster(**given)
    profile = "classic" if here.preferred.classic else "fast"
    conf = rendering.render(
        f"keepalived/{profile}.conf.j2", node=here.preferred, cluster=here, realtime=True
    )
    programs = re.findall(r'^ *(?:script|notify\w*) +"(\S+)', conf, re.MULTILINE)
    assert len(programs) >= 6
    assert [path for path in programs if not path.startswith(("/usr/", "/etc/keepalived/"))] == []
