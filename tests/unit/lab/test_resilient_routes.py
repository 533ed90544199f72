"""What `ip` is told as the next hops of a lab's router change."""

from __future__ import annotations

from lab.gateway.resilient_routes import Groups, Routes, routes_of

VIP, VIP6 = "198.51.100.80", "2001:db8::80"
A, B, C = (("172.16.12.6" + last, "nodes") for last in "123")


def routes(**hops: set[tuple[str, str]]) -> Routes:
    return {{"four": VIP, "six": VIP6}[name]: frozenset(its) for name, its in hops.items()}


def kinds(commands: list[str]) -> list[str]:
    return [" ".join(each.split()[:2]) for each in commands]


def test_next_hops_are_read_whether_there_is_one_or_more() -> None:
    several = [{"gateway": gateway, "dev": device} for gateway, device in (A, B)]
    one = {"dst": VIP6, "gateway": "fd61:1::61", "dev": "nodes"}
    unreachable = {"type": "unreachable", "dst": "10.0.0.0/8"}
    found = routes_of([{"dst": VIP, "nexthops": several}, one, unreachable])
    assert found == {VIP: frozenset({A, B}), VIP6: frozenset({("fd61:1::61", "nodes")})}


def test_a_group_has_its_members_before_it_is_made_and_after_it_was_left() -> None:
    groups = Groups()
    first = groups.become(routes(four={A, B}))
    assert kinds(first) == [*["nexthop replace"] * 3, "route replace"]
    assert groups.become(routes(four={A, B})) == []
    joined = groups.become(routes(four={A, B, C}))
    assert kinds(joined) == ["nexthop replace", "nexthop replace", "route replace"]
    assert f"via {C[0]} " in joined[0] and " group " in joined[1]
    left = groups.become(routes(four={B, C}))
    assert kinds(left) == ["nexthop replace", "route replace", "nexthop del"]
    gone = groups.become({})
    assert kinds(gone) == ["route del", "nexthop del", "nexthop del", "nexthop del"]


def test_a_group_keeps_its_number_and_shares_no_other_ones() -> None:
    groups = Groups()
    groups.become(routes(four={A}, six={("fd61:1::61", "nodes")}))
    commands = groups.become(routes(four={A, B}, six={("fd61:1::61", "nodes")}))
    again = groups.become(routes(four={A}))
    group = next(each.split()[3] for each in commands if " group " in each)
    assert f"id {group} group " in "\n".join(again)
    made = [each.split() for each in Groups().become(routes(four={A, B}))]
    numbers = [words[3] for words in made if words[0] == "nexthop"]
    assert len(numbers) == len(set(numbers)) == 3
