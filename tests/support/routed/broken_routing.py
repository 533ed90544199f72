"""What may be broken in a routed cluster, by the check that has to find it."""

from __future__ import annotations

from tests.support.routed.broken_addresses import ADDRESS_CASES
from tests.support.routed.routing_answers import (
    VIP,
    VIP6,
    Change,
    addresses,
    all_down,
    answered,
    drained,
    exported,
    mesh,
    protocol,
    replaced,
    unit,
    yielding,
)
from tests.support.snapshots import BOTH, ROUTED, said
from verify.read.routing import mesh_output

MESH = mesh_output.mesh(said(ROUTED, "host1", "mesh"))
assert MESH
# host2's card there, and what host1 calls it.
(CARD,) = MESH.forwards
CALLED = MESH.called(CARD)[4]
OURS = f"{VIP}/32     blackhole [vip_serves4 23:44:56.060] * (200)\n\tType: static univ"
OTHERS = "10.0.0.0/8           blackhole [static1 23:44:56.060] * (200)\n\tType: static univ"

# The check; what is broken; what else that explains; and words of what is found.
CASES: dict[str, tuple[str, Change, set[str], str]] = {
    **ADDRESS_CASES,
    "bird is dead": ("RT-01", unit("ActiveState=active", "ActiveState=failed"), set(), "failed"),
    "bird is disabled": ("RT-01", unit("UnitFileState=enabled", "UnitFileState=x"), set(), "x"),
    "bird stays dead": ("RT-01", unit("Restart=always", "Restart=no"), set(), "no"),
    "bad file": ("RT-02", answered("bird_test", "bird.conf:9 syntax error", 1), set(), "syntax"),
    "no file": ("RT-02", answered("bird_conf", "there is none", 1), set(), "no bird.conf"),
    "another password": (
        "RT-04",
        replaced("bird_passwords", "router_2 same", "router_2 different"),
        set(),
        "router_2 (172.16.12.2) has another one",
    ),
    "a session more": (
        "RT-04",
        answered("bird_passwords", "router_9 different\n1 sessions"),
        set(),
        "router_9 is none of ours",
    ),
    "a file not read": (
        "RT-05",
        lambda s: s.replace("host1", "bird_status", "\nwritten ", "\nwritten 9"),
        set(),
        "after BIRD has read it",
    ),
    "another router id": (
        "RT-05",
        replaced("bird_status", "ID is 172.16.12.61", "ID is 10.9.9.9"),
        set(),
        "10.9.9.9",
    ),
    "no session": (
        "RT-06",
        protocol("router_1", "BGP state:          Established", "BGP state:          Active"),
        set(),
        "172.16.12.1 Active since",
    ),
    "another neighbour": (
        "RT-06",
        protocol("router_1", "address: 172.16.12.1\n", "address: 172.16.12.9\n"),
        set(),
        "router_1 is with 172.16.12.9",
    ),
    "bfd is down": (
        "RT-07",
        lambda s: s.answer(
            "host1",
            "bird_bfd",
            s.says("host1", "bird_bfd").replace("Up  ", "Down", 1),
        ),
        set(),
        "Down since",
    ),
    "no bfd": (
        "RT-07",
        answered("bird_bfd", "BIRD 2.0.12 ready.\nThere is no BFD protocol running."),
        set(),
        "fd61:1::2 has none",
    ),
    "it does not announce": (
        "RT-08",
        all_down("host1"),
        set(),
        "not at all, although the watch says that it serves",
    ),
    "it yields": (
        "RT-08",
        yielding("host1"),
        set(),
        "announced behind all others (prepended, 65535:0), although the watch says that it serves "
        "(failed 0, last resort 0)",
    ),
    "one family alone": (
        "RT-08",
        protocol("vip_serves6", " up ", " down "),
        {"RT-09"},
        "differently for each family",
    ),
    "dead and announced": (
        "RT-08",
        answered("nginx_processes", "none"),
        {"NGX-10"},
        "announced like all that serve, although nginx does not run",
    ),
    "failed and announced": (
        "RT-08",
        replaced("watch_says", "failed 0", "failed 1"),
        {"KA-21"},
        "like all that serve, although the watch says that it does not serve (failed 1, last",
    ),
    "drained and announced": ("RT-08", drained, set(), "drained by /etc/keepalived/down"),
    "a route too many": ("RT-09", exported(f"{OURS}\n{OTHERS}"), set(), "is told 10.0.0.0/8"),
    "not told": (
        "RT-09",
        answered("bird_exported:1", "BIRD 2.0.12 ready.\nTable master4:"),
        set(),
        f"172.16.12.1 is not told {VIP}/32",
    ),
    "told to go": (
        "RT-09",
        exported(f"{OURS}\n\tBGP.community: (65535,0)"),
        set(),
        "with the community (65535,0)",
    ),
    "a longer way": (
        "RT-09",
        exported(f"{OURS}\n\tBGP.as_path: 65010"),
        set(),
        "(65010), expected none",
    ),
    "as long a way as in a drain": (
        "RT-09",
        exported(f"{OURS}\n\tBGP.as_path: 65010 65010 65010"),
        set(),
        f"172.16.12.1 gets {VIP}/32 with AS path prepended (65010 x3), expected none",
    ),
    "another next hop": (
        "RT-09",
        protocol("router_1", "Next hop:   172.16.12.61", "Next hop:   172.16.12.1"),
        set(),
        "172.16.12.1 is told 172.16.12.1 as the next hop",
    ),
    "routes are taken": (
        "RT-09",
        protocol("router_1", "Routes:         0 imp", "Routes:         7 imp"),
        set(),
        "7 routes of 172.16.12.1 are taken",
    ),
    "a route in the kernel": (
        "RT-10",
        answered("bird_kernel", '[{"dst":"default","gateway":"172.16.12.1"}]\n[]'),
        set(),
        "default",
    ),
    "no mesh": ("RT-14", answered("mesh", "none"), set(), "no interface tandem"),
    "mesh down": ("RT-14", mesh("link", lambda it: it[0]["flags"].remove("UP")), set(), "down"),
    "mesh of others": (
        "RT-14",
        mesh("link", lambda it: it[0]["linkinfo"]["info_data"].update(id=9, port=4789)),
        set(),
        "its VNI is 9, not 7113; its port is 4789, not 7113",
    ),
    "another end of the mesh": (
        "RT-14",
        mesh("link", lambda it: it[0]["linkinfo"]["info_data"].update(local="10.9.9.9")),
        set(),
        "its local address is 10.9.9.9, not 172.16.12.61",
    ),
    "another card in the mesh": (
        "RT-16",
        mesh("link", lambda it: it[0].update(address="02:74:61:6e:64:09")),
        set(),
        f"host2 takes {MESH.mac} for host1, which has 02:74:61:6e:64:09",
    ),
    "no address in the mesh": (
        "RT-14",
        addresses(lambda links: links["tandem"]["addr_info"].pop()),
        set(),
        "it has no link-local address of IPv6",
    ),
    "a small mesh": (
        "RT-14",
        mesh("link", lambda it: it[0].update(mtu=1280)),
        set(),
        "MTU is 128",
    ),
    "a mesh that learns": (
        "RT-14",
        mesh("link", lambda it: it[0]["linkinfo"]["info_data"].update(learning=True)),
        set(),
        "learns",
    ),
    "nobody in the mesh": (
        "RT-14",
        mesh("forwarding", lambda it: it.clear()),
        {"RT-15"},
        "host2 (172.16.12.62) is behind no card",
    ),
    "a stranger in the mesh": (
        "RT-14",
        mesh("forwarding", lambda it: it.append({"mac": "02:00:00:00:00:99", "dst": "10.9.9.9"})),
        {"RT-15"},
        "02:00:00:00:00:99 (10.9.9.9) is nobody of ours",
    ),
    "no MAC in the mesh": (
        "RT-14",
        mesh("neighbours", lambda it: it.pop()),
        {"RT-15"},
        "host2 has no address of IPv6",
    ),
    "no table": (
        "RT-15",
        answered("handover_table6", "Error: No such file or directory", 1),
        set(),
        f"no table for {VIP6}",
    ),
    "another table": (
        "RT-15",
        replaced("handover_table", VIP, "198.51.100.99"),
        set(),
        "the table is for 198.51.100.99",
    ),
    "strays go elsewhere": (
        "RT-15",
        replaced("handover_table", f'"addr": "{CALLED}"', '"addr": "169.254.71.99"'),
        set(),
        "are given to 169.254.71.99",
    ),
    "strays leave elsewhere": (
        "RT-15",
        replaced("handover_table", '"dev": "tandem"', '"dev": "eth0"', 1),
        set(),
        "leave by eth0, tandem",
    ),
    "strays of others": (
        "RT-15",
        replaced("handover_table", CARD, "02:74:61:6e:64:09"),
        set(),
        "come from 02:74:61:6e:64:09",
    ),
    "after other rules": (
        "RT-15",
        replaced("handover_table", '"prio": -300', '"prio": 0'),
        set(),
        "not raw",
    ),
    "no sockets": (
        "RT-15",
        replaced("handover_table", '"key": "wildcard"', '"key": "transparent"'),
        set(),
        "no rule looks for the connection's socket",
    ),
    "deaf": (
        "RT-16",
        replaced("mesh_heard", "ip6 alive_2 there", "ip6 alive_2 empty"),
        set(),
        "host1 does not hear that host2 is there (ip6)",
    ),
    "not heard to serve": (
        "RT-16",
        replaced("mesh_heard", "ip serves_2 there", "ip serves_2 empty"),
        set(),
        "host1 does not hear that host2 serves (ip)",
    ),
    "nobody serves": ("RT-17", all_down(*BOTH), {"RT-08"}, "host1 not at all, host2 not at all"),
    "all yield": (
        "RT-17",
        lambda s: yielding("host2")(yielding("host1")(s)),
        {"RT-08"},
        "host1 behind all others",
    ),
}
