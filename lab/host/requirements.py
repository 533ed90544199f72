"""Check that this machine can carry a lab, before anything is changed, and name the remedy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lab.errors import LabError
from lab.host import cgroup

# The Debian package of each tool; tinyproxy-bin, unlike tinyproxy, starts no service.
TOOLS = {
    "apt-get": "apt",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "nsenter": "util-linux",
    "socat": "socat",
    "ss": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "tinyproxy": "tinyproxy-bin",
    "unshare": "util-linux",
}
KERNEL = (5, 14)
PRIVILEGED = "inside a container, it has to be a privileged one."
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_INSTANCES = 8192


def missing_packages(which: Callable[[str], str | None] = shutil.which) -> list[str]:
    """The Debian packages whose tools are missing."""
    return sorted({package for tool, package in TOOLS.items() if which(tool) is None})


def require() -> None:
    """Raise `LabError` unless a lab can run here."""
    if sys.platform != "linux":
        raise LabError("The lab is made of Linux namespaces: it needs a Linux machine.")
    require_root()
    if missing := missing_packages():
        raise LabError(
            f"Tools are missing. On Debian:\n    apt-get install --no-install-recommends "
            f"{' '.join(missing)}"
        )
    if kernel(os.uname().release) < KERNEL:
        raise LabError(
            f"This kernel is older than {KERNEL[0]}.{KERNEL[1]}, which brought cgroup.kill."
        )
    if not _has_overlay():
        raise LabError("This kernel has no overlay file system (modprobe overlay).")
    tried = subprocess.run(
        ["unshare", "--mount", "--net", "true"], stdin=subprocess.DEVNULL, capture_output=True
    )
    if tried.returncode:
        error = tried.stderr.decode().strip()
        raise LabError(f"Namespaces cannot be created here; {PRIVILEGED} unshare says: {error}")
    if not os.access(cgroup.hierarchy(), os.W_OK):
        raise LabError(f"Cgroups cannot be created here; {PRIVILEGED}")


def require_root() -> None:
    """Raise `LabError` unless this process is root's."""
    if os.geteuid() != 0:
        raise LabError("The lab creates network namespaces and boots machines: run it as root.")


def raise_limits() -> None:
    """Raise the inotify limit: each guest's systemd uses several instances."""
    if int(INOTIFY.read_text()) < INOTIFY_INSTANCES:
        with suppress(OSError):  # a few guests work with the default
            INOTIFY.write_text(str(INOTIFY_INSTANCES))


def kernel(release: str) -> tuple[int, int]:
    """(6, 1) from "6.1.0-37-amd64"."""
    major, minor = re.findall(r"\d+", release)[:2]
    return int(major), int(minor)


def _has_overlay() -> bool:
    known = Path("/proc/filesystems")
    if "\toverlay\n" not in known.read_text() and shutil.which("modprobe"):
        subprocess.run(["modprobe", "overlay"], capture_output=True)
    return "\toverlay\n" in known.read_text()
