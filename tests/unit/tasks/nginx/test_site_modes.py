"""What a machine serves can be read by nginx's workers, whatever its directories pass on."""

from __future__ import annotations

import io
import os
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from settings import content
from settings.serving.site import SITES_ROOT
from tests.support import fakes

SITE: dict[str, Any] = {"server_names": ["www.example.org"], "page": "well"}
# A default ACL that gives everything to the owner and nothing to others, as the kernel has it.
_UNDEFINED, _OWNER, _GROUP, _OTHERS = 0xFFFFFFFF, 0x01, 0x04, 0x20
CLOSED = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, permissions, _UNDEFINED)
    for tag, permissions in ((_OWNER, 7), (_GROUP, 0), (_OTHERS, 0))
)


def closed_by_acl(directory: Path) -> None:
    try:
        os.setxattr(directory, "system.posix_acl_default", CLOSED)
    except OSError:
        pytest.skip("this file system has no ACLs")


def closed_by_umask(directory: Path) -> None:
    directory.chmod(0o2700)  # and its group is passed on


@pytest.mark.usefixtures("no_download")
@pytest.mark.parametrize("close", [closed_by_acl, closed_by_umask])
def test_a_new_version_of_a_site_can_be_read_by_everybody(tmp_path: Path, close: Any) -> None:
    commands = fakes.run("deploy.py", fakes.inventory(sites=[SITE]))["@fake/host1"]
    root = tmp_path / "sites"
    root.mkdir()
    close(root)
    place = root / "www.example.org"
    own = [text.replace(SITES_ROOT, str(root)) for text in commands]
    (begin,) = (text for text in own if f"mkdir -p {place}" in text)
    (unpack,) = (text for text in own if "tar --extract" in text and str(place) in text)
    subprocess.run(["sh", "-c", begin], check=True, umask=0o077)
    archive = io.BytesIO()
    content.pack_page("well", archive)
    (upload,) = {word for word in unpack.split() if word.endswith(".tar")}
    Path(upload).write_bytes(archive.getvalue())
    subprocess.run(["sh", "-c", unpack], check=True, umask=0o077)
    (page,) = place.glob("*/index.html")
    for path, mode in ((page, 0o644), (page.parent, 0o755), (place, 0o755), (root, 0o755)):
        assert path.stat().st_mode & 0o777 == mode, path
