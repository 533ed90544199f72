"""What an operator may type wrong is refused, by name, with the remedy, all of it at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import Inventory

import settings
from settings import loading, releases
from settings.validation import network_defaults
from tests.support import fakes

TWO = {
    "host1": {"ssh_hostname": "172.16.12.61", "priority": 101, "page": "one"},
    "host2": {"ssh_hostname": "172.16.12.62", "priority": 100, "page": "two"},
}


def inventory(
    hosts: dict[str, dict[str, Any]] | None = None, override: Any = None, **group: Any
) -> Inventory:
    data = fakes.defaults()
    members = list((hosts or TWO).items())
    return Inventory(  # type: ignore[no-untyped-call]
        (members, data),
        override_data=override,
        web=(members, {"vip": "172.16.12.254/16"} | group),
    )


def mistakes(machines: Inventory) -> list[str]:
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(machines)
    assert "no machine was touched" in str(caught.value)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_the_shipped_inventory_is_the_recipe() -> None:
    (cluster,) = settings.load(inventory())
    assert [node.name for node in cluster.nodes] == ["host1", "host2"]
    assert cluster.preferred.name == "host1"
    assert str(cluster.vip) == "172.16.12.254/16"
    assert cluster.preferred.virtual_router_id == 61
    assert cluster.preferred.nginx_version == "1.30.7"
    assert len(releases.DOCUMENTED_FLAGS) == 19


@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [
        ("virtual_router_id", 0, "1 to 255"),
        ("virtual_router_id", 256, "1 to 255"),
        ("lab_base", "jessie", '"bookworm", "trixie" or "bookworm-sysv"'),
        ("label", "eth0:a-label-too-long", "15 characters at the most"),
        ("label", "eth1:0", '"eth0:" and more'),
        ("vip", "10.0.0.1/24", "does not contain the address 172.16.12.6"),
        ("vip", "172.16.12.61/16", "address of host1 itself"),
        ("vip", "172.16.255.255/16", "broadcast"),
        ("vip", "172.16.12.254/", "an address with its prefix"),
        ("nginx_version", "1.4.1", "OpenSSL"),
        ("nginx_version", "latest", 'like "1.30.7"'),
        ("nginx_source", "debian", "Debian carries 1.26.3"),
        ("build_on", "all", '"one" or "each"'),
        ("package_lock_wait_s", -1, "0 to 86400 whole seconds"),
        ("package_lock_wait_s", "5 min", "0 to 86400 whole seconds"),
        ("workload", "disk", '"cpu" or "io"'),
        ("nginx_extra_flags", ["--with-x; reboot"], "a list of flags"),
        ("http_port", 0, "1 to 65535"),
        ("maintenance_weight", 3, "-253 to -1"),
        ("vrrp_version", 4, "3, or 2"),
        ("advert_interval_s", 0.001, "0.02 to 40"),
        ("advert_interval_s", 0.125, "in hundredths"),
        ("ntp_server", "time; reboot", "a host name"),
        ("notification_email", ["nobody"], "a list of addresses"),
        ("notification_email", ["a'$(reboot)@example.org"], "a list of addresses"),
        ("notification_email_from", "root", "one address"),
        ("interface", "a-very-long-interface", "15 characters"),
        ("vip6", "fd61:1::254/640", "an IPv6 address with its prefix"),
        ("handover_window_s", 0, "1 to 86400"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_what_is_right(
    setting: str, value: Any, remedy: str
) -> None:
    found = mistakes(inventory(None, None, **{setting: value}))
    about = [line for line in found if f": {setting} = " in line]
    assert about, found
    for line in about:
        assert remedy in line
        assert str(value) in line


def test_another_checksum_than_the_known_one_is_refused() -> None:
    (line,) = mistakes(inventory(nginx_version="1.30.6", nginx_sha256="0" * 64))
    assert "nginx_sha256 = '000" in line and "has another" in line


def test_a_weight_that_cannot_move_the_vip_is_refused_where_it_is_used() -> None:
    (line,) = mistakes(inventory(nginx_weight=-1, vrrp_version=2))
    assert "web: nginx_weight = -1: cannot move the VIP" in line
    assert settings.load(inventory(nginx_weight=-1))


@pytest.mark.parametrize("priority", [0, 255])
def test_a_priority_that_keepalived_does_not_take_is_refused(priority: int) -> None:
    hosts = TWO | {"host1": TWO["host1"] | {"priority": priority}}
    (line,) = mistakes(inventory(hosts))
    assert line == f"host1: priority = {priority}: give 1 to 254, the highest holds the VIP"


def test_equal_priorities_are_refused() -> None:
    (line,) = mistakes(inventory(TWO | {"host2": TWO["host2"] | {"priority": 101}}))
    assert line == "host1, host2: priority = 101: give each machine its own"


def test_a_secret_of_nine_characters_is_refused_and_not_printed() -> None:
    (line,) = mistakes(inventory(auth_pass="nginxpass"))
    assert "auth_pass = (9 characters)" in line
    assert "nginxpass" not in line


def test_a_secret_that_differs_between_nodes_is_refused_and_not_printed() -> None:
    found = mistakes(inventory(TWO | {"host2": TWO["host2"] | {"auth_pass": "other"}}))
    assert len(found) == 1
    assert "auth_pass" in found[0] and "other" not in found[0]


def dual(*addresses: str, vip6: str = "fd61:1::254/64") -> Inventory:
    hosts = {
        name: data | ({"address6": address} if address else {})
        for (name, data), address in zip(TWO.items(), addresses, strict=True)
    }
    return inventory(hosts, vip6=vip6)


def test_an_ipv6_address_may_move_along() -> None:
    (cluster,) = settings.load(dual("fd61:1::61", "fd61:1::62"))
    assert str(cluster.vip6) == "fd61:1::254/64"


@pytest.mark.parametrize(
    ("machines", "said"),
    [
        (
            dual("fd61:1::61", ""),
            "host2: address6 = None: vip6 is an IPv6 address: give this machine's own",
        ),
        (dual("fd61:1::61", "fd61:2::62"), "does not contain the address fd61:2::62"),
        (dual("fd61:1::61", "fd61:1::254"), "vip6 = fd61:1::254/64: this is the address of host2"),
        (dual("fd61:1::61", "fd61:1::61"), "address6 = fd61:1::61: give each machine its own"),
        (dual("fd61:1::61", "fd61:1::62", vip6="fd61:1::/64"), "anycast"),
        (dual("fd61:1::61", "fd61:1::62", vip6="fd61:1::254/16"), "usually fd61:1::254/64"),
        (
            dual("fd61:1::61", "fd61:1::62", vip6="fd61:1::254/24"),
            "48 to 127, usually fd61:1::254/64",
        ),
    ],
)
def test_an_ipv6_address_that_cannot_work_is_refused(machines: Inventory, said: str) -> None:
    (line,) = mistakes(machines)
    assert said in line


def test_one_machine_is_no_cluster() -> None:
    found = mistakes(inventory({"host1": TWO["host1"]}))
    assert found == ["web: hosts = 1: a cluster needs two machines or more"]


def test_an_unknown_setting_is_refused_with_the_likely_name() -> None:
    (line,) = mistakes(inventory(virtual_routr_id=62))
    assert "virtual_routr_id = 62" in line
    assert "did you mean virtual_router_id?" in line


def test_a_host_name_needs_the_address_as_well() -> None:
    (line,) = mistakes(inventory(TWO | {"host2": TWO["host2"] | {"ssh_hostname": "two.example"}}))
    assert "host2: address = 'two.example'" in line
    hosts = TWO | {
        "host2": TWO["host2"] | {"ssh_hostname": "two.example", "address": "172.16.12.62"}
    }
    (cluster,) = settings.load(inventory(hosts))
    assert str(cluster.nodes[1].address) == "172.16.12.62"


def two_clusters(**second: Any) -> Inventory:
    others = [
        ("host3", {"ssh_hostname": "172.16.12.63", "priority": 101, "page": "three"}),
        ("host4", {"ssh_hostname": "172.16.12.64", "priority": 100, "page": "four"}),
    ]
    members = list(TWO.items())
    return Inventory(  # type: ignore[no-untyped-call]
        (members + others, fakes.defaults()),
        web=(members, {"vip": "172.16.12.254/16"}),
        shop=(others, {"vip": "172.16.12.253/16", "virtual_router_id": 62} | second),
    )


def test_two_clusters_side_by_side_are_good() -> None:
    assert [cluster.name for cluster in settings.load(two_clusters())] == ["web", "shop"]


def test_two_clusters_with_one_router_id_on_one_network_are_refused() -> None:
    (line,) = mistakes(two_clusters(virtual_router_id=61))
    assert line.startswith("web, shop: virtual_router_id = 61: both are on 172.16.0.0/16")


def test_a_single_address_is_on_its_machines_network() -> None:
    servers = {"ntp_server": "", "smtp_server": "localhost"}
    (line,) = mistakes(two_clusters(vip="203.0.113.7/32", virtual_router_id=61, **servers))
    assert line.startswith("web, shop: virtual_router_id = 61: both are on 172.16.0.0/16")


def test_two_clusters_with_one_vip_are_refused() -> None:
    (line,) = mistakes(two_clusters(vip="172.16.12.254/16"))
    assert "web, shop: vip" in line


def test_a_machine_in_no_cluster_is_refused() -> None:
    machines = Inventory((list(TWO.items()), fakes.defaults()))  # type: ignore[no-untyped-call]
    found = mistakes(machines)
    assert found == [
        "host1, host2: clusters = 'none': a machine belongs to exactly one group that sets `vip`"
    ]


def test_every_mistake_is_reported_at_once() -> None:
    hosts = TWO | {"host1": TWO["host1"] | {"priority": 300}}
    found = mistakes(inventory(hosts, virtual_router_id=0, auth_pass="123456789", workload="x"))
    assert len(found) == 4


def test_a_bad_run_option_is_refused() -> None:
    (line,) = mistakes(inventory(override={"wait": "long"}))
    assert line == "--data: wait = 'long': give 0 to 3600 seconds"


def test_a_run_option_is_no_setting() -> None:
    machines = inventory(override={"only": "1", "wait": 30})
    settings.load(machines)
    assert settings.options(machines).only == "1"
    assert settings.options(machines).wait == 30


def test_in_the_lab_the_newest_release_that_debian_carries_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loading, "IN_LAB", True)
    node = settings.load(inventory())[0].preferred
    assert (node.nginx_version, node.nginx_source) == ("1.26.3", "debian")
    assert "In the lab: nginx 1.26.3" in node.notice
    monkeypatch.setattr(loading, "IN_LAB", False)
    node = settings.load(inventory())[0].preferred
    assert (node.nginx_version, node.nginx_source, node.notice) == ("1.30.7", "nginx.org", "")


def test_in_the_lab_a_release_that_debian_carries_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "IN_LAB", True)
    node = settings.load(inventory(nginx_version="1.22.1"))[0].preferred
    assert (node.nginx_version, node.nginx_source) == ("1.22.1", "debian")


@pytest.mark.parametrize(
    ("vip", "more", "found"),
    [
        ("172.16.12.254/16", {}, ("172.16.0.1", "172.16.0.1")),
        ("10.20.0.100/24", {}, ("10.20.0.1", "10.20.0.1")),
        ("10.20.0.100/24", {"ntp_server": "time.example.org"}, ("time.example.org", "10.20.0.1")),
        ("10.20.0.100/24", {"ntp_server": "", "smtp_server": "mail"}, ("", "mail")),
        ("10.20.0.100/24", {"address": "10.20.0.1"}, ("", "localhost")),
        ("fd61:1::254/64", {}, ("", "localhost")),
        ("nonsense", {}, ("", "localhost")),
    ],
)
def test_servers_that_nobody_names_are_where_the_recipe_has_them(
    vip: str, more: dict[str, object], found: tuple[str, str]
) -> None:
    data = {"vip": vip, "address": "10.20.0.11", "ntp_server": None, **more}
    made = {**data, **network_defaults(data)}
    assert (made["ntp_server"], made["smtp_server"]) == found


def test_in_the_lab_ssh_has_the_labs_own_key_and_known_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {"ssh_user": "ann", "ssh_key": "/nowhere/key", "ssh_known_hosts_file": "/nowhere/x"}
    connector = SimpleNamespace(data=dict(given))
    settings.connect_as_in_lab(connector)
    assert connector.data == given
    assert "no such file" in "".join(mistakes(inventory(ssh_key="/nowhere/key")))
    monkeypatch.setattr(loading, "IN_LAB", True)
    settings.connect_as_in_lab(connector)
    assert connector.data["ssh_user"] == "ann"
    assert connector.data["ssh_key"] is None and connector.data["ssh_known_hosts_file"] is None
    assert settings.load(inventory(ssh_key="/nowhere/key"))
