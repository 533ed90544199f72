"""X: are the machines of a cluster alike: versions, files, certificates, clocks?"""

from __future__ import annotations

from collections.abc import Mapping

from settings.serving import site
from verify.checks.check import (
    Across,
    Answer,
    fails,
    faultless,
    holds,
    holds_if,
    in_cluster,
    skipped,
    warns,
)
from verify.checks.premises import (
    nginx_somewhere,
    sites_in_cluster,
    speaker_somewhere,
    tls_in_cluster,
    two_reached,
)
from verify.read.machine_view import CannotTell, MachineView
from verify.read.nginx_output import NamedFile


@in_cluster(
    "X-16",
    "all nodes run the same versions",
    reads=("nginx_version", "keepalived_version", "bird_version"),
    needs=(two_reached, nginx_somewhere, speaker_somewhere),
    reason="A failover should change the machine, and nothing else.",
    remedy="Run deploy.py for nginx; upgrade keepalived's package, or BIRD's, where it is older.",
)
def same_versions(across: Across) -> Answer:
    nginx = across.by_machine(lambda machine: machine.nginx_build.version)
    routed = across.cluster.routed
    speaker = "BIRD" if routed else "keepalived"
    others = across.by_machine(
        lambda machine: machine.bird_version if routed else machine.keepalived_version[0]
    )
    if len(set(nginx.values())) > 1:
        return fails(expected="one version of nginx", actual=across.named(nginx))
    if len(set(others.values())) > 1:
        return warns(expected=f"one version of {speaker}", actual=across.named(others))
    return holds(f"nginx {min(nginx.values())}, {speaker} {min(others.values())}")


@in_cluster(
    "X-23",
    "all nodes were deployed from the same revision",
    reads=("last_deploy",),
    needs=(two_reached,),
    reason="Somebody has deployed to a part of the cluster, or from another checkout: a failover "
    "may change what clients get.",
    remedy="Run deploy.py for the whole cluster, without --limit, from the revision that is meant. "
    "SYS-11 says who deployed what.",
)
def same_revision(across: Across) -> Answer:
    found = across.by_machine(lambda machine: machine.last_deploy)
    revisions = {name: last.revision if last else "nothing" for name, last in found.items()}
    if set(revisions.values()) == {"nothing"}:
        return skipped("no deploy is written down")
    if len(set(revisions.values())) > 1:
        return warns(expected="one revision", actual=across.named(revisions))
    return holds(min(revisions.values()))


@in_cluster(
    "X-14",
    "all nodes serve the same content",
    reads=("sites",),
    needs=(sites_in_cluster, two_reached),
    reason="After a failover clients would get another site, or none.",
    remedy="Run deploy.py: it sends what is missing or was changed, and removes what no longer "
    "belongs.",
)
def same_content(across: Across) -> Answer:
    wanted = {each.name for each in across.cluster.preferred.contents}
    found = across.by_machine(lambda machine: machine.sites)
    faults = []
    for name, there in found.items():
        if missing := sorted(wanted - there.keys()):
            faults.append(f"{name} lacks {', '.join(missing)}")
        # A version that is not served is kept for a rollback.
        served_there = {place for place, (version, _) in there.items() if version != "-"}
        if extra := sorted(served_there - wanted):
            faults.append(f"{name} still has {', '.join(extra)}")
        unserved = (place for place in there if place in wanted - served_there)
        faults += [f"{name} serves no version of {place}" for place in unserved]
    for place in sorted(wanted):
        served = {name: there[place] for name, there in found.items() if place in there}
        if len(set(served.values())) > 1:
            shown = across.named(
                {name: f"{version} ({total[:8]})" for name, (version, total) in served.items()}
            )
            faults.append(f"{place} differs: {shown}")
    return faultless(
        faults, expected="the same sites, the same files", found=f"{len(wanted)} sites"
    )


@in_cluster(
    "X-24",
    "named files are there, and alike on all machines",
    reads=("named_files",),
    needs=(two_reached,),
    reason="What somebody has put onto machines by hand is lost with the next machine that is "
    "replaced: passwords that are refused after a failover, or a page that is not there.",
    remedy="Put the file beside the snippet (files/nginx/conf.d/), name it there by a relative "
    "name, and run deploy.py, which brings it to every machine (docs/snippets.md). What is to stay "
    "elsewhere (a path's `directory` or `root`): copy it from a machine that has it.",
)
def same_named_files(across: Across) -> Answer:
    found = across.by_machine(lambda machine: machine.named_files)
    missing, doubts = [], []
    for path in sorted(set().union(*found.values())):
        named = {name: there[path] for name, there in found.items() if path in there}
        lacking = [name for name, file in named.items() if file.kind == "missing"]
        file = next(iter(named.values()))
        said = f"{path} ({file.directive} in {file.where})"
        if lacking and len(lacking) == len(named) and file.may_come_later:
            doubts.append(f"{said} is on no machine")
        elif lacking:
            missing.append(f"{said} is missing on {', '.join(lacking)}")
        elif len({(file.kind, file.digest) for file in named.values()}) > 1:
            doubts.append(f"{said} differs: {_by_content(named)}")
    expected = "all of them, the same on every machine"
    if missing:
        return fails(expected=expected, actual="; ".join([*missing, *doubts]))
    if doubts:
        return warns(expected=expected, actual="; ".join(doubts))
    count = len(set().union(*found.values()))
    return holds(f"{count} files" if count else "no file is named")


def _by_content(named: Mapping[str, NamedFile]) -> str:
    """Who has the same: "host1, host2 against host3"."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name, file in named.items():
        alike.setdefault((file.kind, file.digest), []).append(name)
    return " against ".join(", ".join(names) for names in alike.values())


@in_cluster(
    "X-15",
    "all nodes serve the same certificates",
    reads=("tls_served:*",),
    needs=(tls_in_cluster, two_reached),
    settles=True,
    reason="A failover should change the machine, and nothing that a client can see.",
    remedy="Run deploy.py: a renewal stopped before it had reached every machine.",
)
def same_certificates(across: Across) -> Answer:
    pairs = across.cluster.preferred.shown_certificates
    found = across.by_machine(lambda machine: _fingerprints(machine, pairs))
    shown = across.named({name: " and ".join(prints) for name, prints in found.items()})
    faults = [shown] if len(set(found.values())) > 1 else []
    return faultless(faults, expected="the same on every machine", found=f"{len(pairs)} on each")


def _fingerprints(
    machine: MachineView, pairs: tuple[site.ShownCertificate, ...]
) -> tuple[str, ...]:
    from cryptography.hazmat.primitives import hashes

    if unserved := [pair.name for pair in pairs if not machine.tls(pair.name).chain]:
        raise CannotTell(f"{machine.name} serves no certificate for {', '.join(unserved)}")
    return tuple(
        ", ".join(
            one.fingerprint(hashes.SHA256()).hex()[:16] for one in machine.tls(pair.name).chain[:1]
        )
        for pair in pairs
    )


@in_cluster(
    "X-17",
    "the nodes' clocks agree",
    reads=("offset",),
    needs=(two_reached,),
    reason="The order of events in a failover is read from the logs of two machines.",
    remedy="TIME-01 says which clock is wrong. Run deploy.py, or on that machine: ntpdate SERVER",
)
def clocks_agree(across: Across) -> Answer:
    """Against the time server where every machine has asked it, else against our own clock."""
    limit_s = 0.5
    try:
        found = [machine.offset for machine in across.machines.values()]
    except CannotTell:
        found = list(across.by_machine(lambda machine: machine.clock).values())
    found.sort(key=lambda clock: clock.offset_s)
    first, last = found[0], found[-1]
    apart_s, error_s = last.offset_s - first.offset_s, first.error_s + last.error_s
    shown = f"{apart_s:.3f} s ± {error_s:.3f} s apart"
    if apart_s - error_s <= limit_s < apart_s + error_s:
        raise CannotTell(f"measured {shown}, which is too inaccurate")
    return holds_if(apart_s <= limit_s, expected=f"within {limit_s} s", actual=shown)
