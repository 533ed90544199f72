"""Init scripts of programs that stay in the foreground."""

from __future__ import annotations

from controller import rendering


def daemon(name: str, description: str, command: str, directories: str = "") -> str:
    """An init script that runs `command` in the background.

    + directories: the file of tmpfiles.d that names what the program needs, "" for none.
    """
    return rendering.render(
        "sysv/daemon.j2",
        name=name,
        description=description,
        command=" ".join(command.split()),
        directories=directories,
    )
