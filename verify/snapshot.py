"""What the machines said, raw, so that it can be saved and judged again, here or somewhere else.

Secrets never come this far: the probes keep them on the machine, and `saved` leaves out the
setting itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from settings import SECRETS, Cluster, Mistake, SettingsError

FORMAT = 1
HIDDEN = "(secret)"


class _Raw(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Section(_Raw):
    """What one probe printed (both streams) and its exit status. The command is for pasting."""

    command: str
    status: int
    text: str


class Clock(_Raw):
    """How far a machine's clock is ahead of ours, and how far off that may be."""

    offset_s: float
    error_s: float


class Look(_Raw):
    """One machine. `problem` says why it could not be reached, or stopped answering."""

    host: str
    problem: str = ""
    clock: Clock | None = None
    sections: dict[str, Section] = {}

    @property
    def reached(self) -> bool:
        return not self.problem


class Get(_Raw):
    """One GET from where the verifier runs. `status` is None when there was no answer."""

    url: str
    status: int | None = None
    body: str = ""
    seconds: float = 0
    problem: str = ""


class Gathering(_Raw):
    """One look at every machine, with what was expected of them.

    `looks` holds the machines that this run was told to ask; `from_here` the answers of each
    VIP, by the name of the cluster as that VIP sees it.
    """

    format: int = FORMAT
    started: str
    seconds: float
    clusters: tuple[Cluster, ...]
    looks: dict[str, Look]
    from_here: dict[str, tuple[Get, ...]] = {}

    @property
    def views(self) -> tuple[Cluster, ...]:
        """The clusters, once for each of their VIPs."""
        return tuple(view for cluster in self.clusters for view in cluster.vips)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The nodes that this run was told not to ask."""
        names = [node.name for cluster in self.clusters for node in cluster.nodes]
        return tuple(name for name in names if name not in self.looks)


def saved(gathering: Gathering) -> str:
    """The gathering as JSON, without the secrets among the settings."""
    data: dict[str, Any] = gathering.model_dump(mode="json")
    for cluster in data["clusters"]:
        for node in cluster["nodes"]:
            node.update({secret: HIDDEN for secret in SECRETS})
    return Gathering.model_validate(data).model_dump_json(indent=1)


def load(path: Path) -> Gathering:
    """A saved gathering. Raises `SettingsError` when there is none at `path`."""
    try:
        return Gathering.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        remedy = f"cannot be read ({error.strerror}); give a gathering.json of an earlier report"
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        remedy = f"is no gathering of this Tandem: {place}: {first['msg']}"
    raise SettingsError([Mistake("--data", "replay", str(path), remedy)])
