"""What keepalived runs for a person: hooks."""

from __future__ import annotations

from pydantic import Field

from settings.values import Values


class OwnPrograms(Values):
    """Settings of a machine's hooks."""

    hooks: str = Field(
        "files/hooks",
        min_length=1,
        description="a directory with master.d, backup.d, fault.d, drain.d",
    )
    hook_timeout_s: int = Field(10, ge=1, le=300, description="1 to 300 whole seconds")
