"""pyinfra's own command line on simulated machines: python -m tests.support.simulated.simulated_run
CLUSTER WORDS...

CLUSTER is a file with a `SimulatedCluster`, which is written again as the run leaves it.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from unittest import mock

import pyinfra_cli.main
from pyinfra.connectors.fake import FakeConnector

from controller import source
from tests.support import artifacts
from tests.support.simulated.simulated_cluster import SimulatedCluster


def main(file: Path) -> None:
    """Run pyinfra with the words in sys.argv."""
    cluster: SimulatedCluster = pickle.loads(file.read_bytes())
    with (
        cluster.answering(),
        mock.patch.object(source, "fetch", lambda node: file),
        mock.patch.object(FakeConnector, "get_file", artifacts.fetched),
    ):
        try:
            pyinfra_cli.main.main()
        finally:
            file.write_bytes(pickle.dumps(cluster))


if __name__ == "__main__":
    given = Path(sys.argv.pop(1))
    main(given)
