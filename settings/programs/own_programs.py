"""The settings of what keepalived runs for a person: mails, hooks, and checks of one's own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.programs.own_checks import Checks
from settings.values import Shared, Values, is_address

# They are written into a shell script: nothing there may mean anything to a shell.
MailAddress = Annotated[str, Field(pattern=r"^[\w.+-]+@[\w.-]+$")]


class OwnPrograms(Values):
    """Settings of a machine's mails, hooks and checks."""

    notification_email: tuple[MailAddress, ...] = Field(
        description='a list of addresses, ["a@example.org"]'
    )
    notification_email_from: MailAddress = Field(description='one address, "a@example.org"')
    smtp_server: str = Field(pattern=r"^[\w.:-]+$", description="a host name or an address")

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

    @property
    def smtp_server_address(self) -> str:
        """The mail server where an address is set for it, "" where a name is."""
        return self.smtp_server if is_address(self.smtp_server) else ""
