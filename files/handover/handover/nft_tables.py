"""Our tables of nftables: loaded, and again whenever somebody has flushed them."""

import re

from common.commands import run
from common.journal import say
from common.machine_files import read
from handover.moving_address import logged

NAME_PREFIX = "tandem_handover"


class NftTables:
    """Those of the hand-over, one for each address; and keepalived's, about who may speak VRRP.

    (keepalived's own unit loads the latter when it starts and is reloaded.)
    """

    def __init__(self, *paths):
        self.paths = [path for path in paths if path]
        self.listings = {}

    def load(self):
        """Replace the tables in one step; remove those that are not wanted any more."""
        files = self.files()
        wanted = [table for tables in files.values() for table in tables]
        loaded = logged("nft", "list", "tables") or ""
        for family, name in re.findall(r"^table (ip6?) (\S+)$", loaded, re.M):
            if name.startswith(NAME_PREFIX) and (family, name) not in wanted:
                logged("nft", "delete", "table", family, name)
        for path in files:
            self._load(path)

    def check(self):
        """Load again those that are not as they were."""
        for path, tables in self.files().items():
            if self._listed(tables) != self.listings.get(path):
                say(f"{path}: what it loads was changed or flushed")
                self._load(path)

    def files(self):
        """The files that are to be loaded, and the tables (family, name) that each defines."""
        pattern = r"^table (ip6?) (\S+) \{$"
        defined = {path: re.findall(pattern, read(path), re.M) for path in self.paths}
        return {path: tables for path, tables in defined.items() if tables}

    def _load(self, path):
        logged("nft", "-f", path)
        self.listings[path] = self._listed(self.files()[path])

    def _listed(self, tables):
        """The tables without their sets' elements, which come and go."""
        return [run("nft", "-t", "list", "table", *table).output for table in tables]
