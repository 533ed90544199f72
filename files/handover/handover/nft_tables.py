"""Our tables of nftables: loaded, and again whenever somebody has flushed them."""

import re

from common.commands import run
from common.journal import say, say_once
from common.machine_files import read
from handover.moving_address import logged

NAME_PREFIX = "tandem_handover"
CLIENTS = "tandem_clients"


class NftTables:
    """Those of the hand-over, one for each address; and keepalived's, about who may speak VRRP and
    how often a client may connect.

    (keepalived's own unit loads the latter when it starts and is reloaded. A routed node has none:
    with `clients` those about clients are this program's own, which it takes away as well.)
    """

    def __init__(self, *paths, clients=False):
        self.paths = [path for path in paths if path]
        self.own = (NAME_PREFIX, CLIENTS) if clients else (NAME_PREFIX,)
        self.listings = {}  # by path; None: it could not be loaded

    def load(self):
        """Replace the tables in one step; remove those that are not wanted any more."""
        files = self.files()
        wanted = [table for tables in files.values() for table in tables]
        loaded = logged("nft", "list", "tables") or ""
        for family, name in re.findall(r"^table (ip6?) (\S+)$", loaded, re.M):
            if name.startswith(self.own) and (family, name) not in wanted:
                logged("nft", "delete", "table", family, name)
        for path in files:
            self._load(path)

    @property
    def incomplete(self):
        """Whether something could not be loaded yet."""
        return any(listing is None for listing in self.listings.values())

    def check(self):
        """Load again those that are not as they were, and those that could not be loaded yet."""
        for path, tables in self.files().items():
            loaded = self.listings.get(path)
            if loaded is None or self._listed(tables) != loaded:
                if loaded is not None:
                    say(f"{path}: what it loads was changed or flushed")
                self._load(path)

    def files(self):
        """The files that are to be loaded, and the tables (family, name) that each defines."""
        pattern = r"^table (ip6?) (\S+) \{$"
        defined = {path: re.findall(pattern, read(path), re.M) for path in self.paths}
        return {path: tables for path, tables in defined.items() if tables}

    def _load(self, path):
        # It is refused while an interface that it names is away; and what it says of one that was
        # made anew is about the one before, though it reads the same.
        done = run("nft", "-f", path, timeout_s=10)
        say_once(f"nft -f {path}", done.errors if done.code else "")
        self.listings[path] = None if done.code else self._listed(self.files()[path])

    def _listed(self, tables):
        """The tables without their sets' elements, which come and go."""
        return [run("nft", "-t", "list", "table", *table, timeout_s=10).output for table in tables]
