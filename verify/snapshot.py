"""What the machines and the VIP answered, raw, so that it can be saved and judged again anywhere.

Secrets do not come this far: the probes keep Tandem's own on the machine, those in a person's
snippets are replaced where the answers arrive (redaction.py), and `saved` leaves out the
setting itself.

The JSON (gathering.json) keeps the names of its first version, so that earlier files still load.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from settings import Cluster, Mistake, SettingsError

FORMAT = 1
# How often the controller asks each VIP, unless one request is not answered.
VIP_REQUESTS = 20
# Exit statuses that are no evidence: that of `timeout`, and one of ours.
TIMED_OUT, TOO_LARGE = 124, 125
# Longer than any honest answer, a configuration with large maps among them.
LARGEST_CHARACTERS = 8 << 20


class _Raw(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProbeOutput(_Raw):
    """What one probe printed (both streams) and its exit status. `command` is for pasting.

    `length`: the characters of `text` when it was read; None in files of earlier versions.
    """

    command: str
    status: int
    text: str
    length: int | None = None

    @classmethod
    def whole(cls, command: str, status: int, text: str) -> ProbeOutput:
        """An answer as it has just been read."""
        return cls(command=command, status=status, text=text, length=len(text))

    @property
    def problem(self) -> str:
        """Why this is no evidence, "" where it is."""
        if self.status == TIMED_OUT:
            return "did not answer in time"
        if self.status == TOO_LARGE or len(self.text) > LARGEST_CHARACTERS:
            return "gave an answer that is too large to be read"
        if self.length is not None and self.length != len(self.text):
            return f"gave an answer of {self.length} characters, of which {len(self.text)} are here"
        return ""


class ClockOffset(_Raw):
    """How far a machine's clock is ahead of the controller's, and how far off that may be."""

    offset_s: float
    error_s: float


class HostAnswers(_Raw):
    """One machine's answers: `outputs` by the probe's name.

    `problem` says why the machine could not be reached, or stopped answering; "" if neither.
    """

    host: str
    problem: str = ""
    clock: ClockOffset | None = None
    outputs: dict[str, ProbeOutput] = Field(
        default={},
        validation_alias=AliasChoices("sections", "outputs"),
        serialization_alias="sections",
    )


class VipResponse(_Raw):
    """One GET of the VIP from the controller. `status` is None when there was no answer."""

    url: str
    status: int | None = None
    body: str = ""
    seconds: float = 0
    problem: str = ""


class RouterView(_Raw):
    """What a router's `view_command` has printed on the controller. `problem` says why that is no
    evidence, "" if it is; `command` is for pasting."""

    address: str
    command: str
    text: str = ""
    problem: str = ""


class Snapshot(_Raw):
    """The answers of all machines at one moment, with what the inventory expected of them.

    `started` is ISO 8601, `seconds` how long the asking took. `hosts` holds the machines that this
    run was limited to, by name; `from_here` the controller's own requests to each VIP, by the name
    of the cluster as that VIP sees it; `router_views` what those routers have said that can be
    asked, by the cluster's name.
    """

    format: int = FORMAT
    started: str
    seconds: float
    clusters: tuple[Cluster, ...]
    hosts: dict[str, HostAnswers] = Field(
        validation_alias=AliasChoices("looks", "hosts"), serialization_alias="looks"
    )
    from_here: dict[str, tuple[VipResponse, ...]] = {}
    router_views: dict[str, tuple[RouterView, ...]] = {}

    @property
    def views(self) -> tuple[Cluster, ...]:
        """The clusters, once for each of their VIPs."""
        return tuple(view for cluster in self.clusters for view in cluster.vips)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The nodes that --limit kept this run from asking."""
        names = [node.name for cluster in self.clusters for node in cluster.nodes]
        return tuple(name for name in names if name not in self.hosts)


def saved(snapshot: Snapshot) -> str:
    """The snapshot as JSON; the settings leave their secrets out by themselves."""
    return snapshot.model_dump_json(indent=1, by_alias=True)


def load(path: Path) -> Snapshot:
    """A saved snapshot. Raises `SettingsError` when there is none at `path`."""
    try:
        return Snapshot.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        remedy = f"cannot be read ({error.strerror}); give a gathering.json of an earlier report"
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        remedy = f"is no snapshot of this Tandem: {place}: {first['msg']}"
    raise SettingsError([Mistake("--data", "replay", str(path), remedy)])
