"""The settings of what keepalived runs for a person: hooks, and checks of one's own."""

from __future__ import annotations

from pydantic import Field

from settings.programs.own_checks import Checks
from settings.values import Shared, Values


class OwnPrograms(Values):
    """Settings of a machine's hooks and checks."""

    hooks: str = Field(
        "files/hooks",
        min_length=1,
        description="a directory with master.d, backup.d, fault.d, drain.d",
    )
    hook_timeout_s: int = Field(10, ge=1, le=300, description="1 to 300 whole seconds")
    checks: Shared[Checks] = Field(
        (),
        description='checks by name, {"app": {"command": "/usr/local/bin/check app", "weight": 1}}',
    )
