"""The verifier as the drills' judge: the cluster has to be healthy before, and again after."""

from __future__ import annotations

from collections.abc import Callable

from pyinfra.api import State

from drills.mishaps import MISHAPS, told
from drills.results import Audit, ClusterInfo
from settings import Cluster
from verify.api import VerifierVerdict, installed_versions, sentence, wait_until_healthy

WAIT_S = 30.0


def look(
    state: State, wait_s: float = WAIT_S, say: Callable[[str], None] | None = None
) -> VerifierVerdict:
    """The verifier's verdict on everything; looked at again while it does not hold."""

    def not_yet(verdict: VerifierVerdict) -> None:
        if say:
            say(f"the verifier: {sentence(verdict)}")

    return wait_until_healthy(state, wait_s, not_yet=not_yet)


def afterwards(state: State, wait_s: float, say: Callable[[str], None]) -> Audit:
    """The verdict as it stands in a report; a verifier that fails has not passed anything."""
    say("the verifier checks")
    try:
        return as_audit(look(state, wait_s, say))
    except MISHAPS as error:
        why = f"the verifier itself failed: {told(error, placed=True)}"
        return Audit(passed=False, sentence=why, bad=(why,))


def as_audit(verdict: VerifierVerdict) -> Audit:
    return Audit(
        passed=verdict.passed,
        sentence=sentence(verdict),
        bad=tuple(
            f"{finding.id} {finding.where}: {finding.answer.actual or finding.check.title}"
            for finding in verdict.bad
        ),
        warned=tuple(f"{finding.id} {finding.host}" for finding in verdict.warned if finding.host),
    )


def cluster_info(cluster: Cluster, verdict: VerifierVerdict) -> ClusterInfo:
    """What the report says about a cluster: by node, what runs there, as far as it is known."""
    names = tuple(node.name for node in cluster.nodes)
    versions = {name: installed_versions(verdict, name) for name in names}
    return ClusterInfo(cluster.name, str(cluster.vip), names, versions)
