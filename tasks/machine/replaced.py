"""Somebody's own files in the places of ours: kept by the first deploy, put back by a teardown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controller.batched_facts import LinesFact, change, rolling
from settings.own_pieces import FILES, LEVELS
from tasks.machine.footprint import IS_DEPLOYED, Footprint
from tasks.machine.install_record import HOME

ARCHIVE = f"{HOME}/replaced.tar"
# What deploys may place there by names that nobody knows before.
_NAMED_BY_SETTINGS = tuple(f"/etc/nginx/{each}/*" for each in (*LEVELS, FILES, "tls"))
# Whole, with the directory by which a machine is known to be deployed, or not at all.
_NEW = "/var/lib/.tandem.new"


def keep(footprints: Iterable[Footprint]) -> str:
    """Shell that keeps what is in the places of `footprints`, on a machine that was not deployed.

    It has to be carried out before anything of ours is there.
    """
    places = [
        path.lstrip("/")
        for footprint in footprints
        for path in (*footprint.all_files, *footprint.marked)
    ]
    patterns = " ".join((*places, *(path.lstrip("/") for path in _NAMED_BY_SETTINGS)))
    archive = f"{_NEW}{ARCHIVE.removeprefix('/var/lib/tandem')}"
    # There may be keys among them.
    pack = f'( umask 077; tar -cf {archive} -- "$@" ) && sync {archive}'
    return (
        f"{{ {IS_DEPLOYED} || ( cd / && set -- && "
        f'for it in {patterns}; do [ ! -f "$it" ] || set -- "$@" "$it"; done; '
        f"[ $# -eq 0 ] || {{ rm -rf {_NEW} && mkdir -p {archive.rpartition('/')[0]} && {pack} && "
        f"mv -T {_NEW} /var/lib/tandem; }} ); }}"
    )


class KeptFiles(LinesFact):
    """The paths of what a first deploy has kept."""

    def command(self) -> str:
        return f"[ ! -e {ARCHIVE} ] || tar -tf {ARCHIVE}"


@change("it has replaced nothing of anybody's")
def put_back() -> Iterator[str]:
    """Put back what a first deploy has kept, where nothing is now; nothing of it is started."""
    if rolling.get(KeptFiles):
        yield (
            f"tar -C / --numeric-owner --skip-old-files -xpf {ARCHIVE} && "
            "{ [ ! -d /run/systemd/system ] || systemctl daemon-reload; }"
        )
