"""files/machine/package-manager below a directory, with a pretended apt-get and dnf."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.support import fakes

PROGRAM = (fakes.ROOT / "files" / "machine" / "package-manager").read_text()


class Ran(NamedTuple):
    """How a run ended, what it printed, and what the package managers were asked."""

    code: int
    said: str
    asked: list[str]


def run(
    directory: Path,
    words: str,
    answers: dict[str, list[str]],
    *,
    installed: str = "",
    well: str = "",
    archives: str = "",
    at_work: str = "true",
    report_s: float = 3,
) -> Ran:
    """Run the program below `directory`.

    + answers: by a word of what a package manager is asked, what it says the first times that it
      is, each time failing; after them it succeeds.
    + installed: names of packages that are there once apt-get was asked to install.
    + well: what is said with exit code 0 to "update", each time.
    + archives: what apt-config says of them.
    + at_work: shell that is carried out while packages are installed.
    + report_s: how often is looked whether it goes on.
    """
    programs, state, log = directory / "bin", directory / "tandem", directory / "asked"
    programs.mkdir(exist_ok=True)
    log.touch()
    cases = ""
    for word, lines in answers.items():
        for place, line in enumerate(lines):
            (directory / f"{word}.{place}").write_text(line)
        cases += f'*" {word} "*) key={word} ;; '
    answer = f"""#!/bin/sh
echo "${{0##*/}} $*" >>{log}
case " $* " in *" update "*) printf '%s' '{well}' ;; *" install "*) {at_work} ;; esac
case " $* " in {cases}*) exit 0 ;; esac
count=$(cat {directory}/$key.count 2>/dev/null || echo 0)
echo $((count + 1)) >{directory}/$key.count
[ -e {directory}/$key.$count ] || exit 0
cat {directory}/$key.$count
exit 100
"""
    for name in ("apt-get", "apt-mark", "dnf", "dpkg", "rpm"):
        (programs / name).write_text(answer)
    (programs / "dpkg-query").write_text(
        f"#!/bin/sh\ngrep -q ' install ' {log} || exit 1\n"
        f"case ' {installed} ' in *\" $4 \"*) echo 'ii ' ;; *) exit 1 ;; esac\n"
    )
    (programs / "apt-config").write_text(f"#!/bin/sh\nprintf '%s' \"{archives}\"\n")
    (programs / "sleep").write_text(
        "#!/bin/sh\n[ $1 != 2 ] || exec /bin/sleep 0.05\nexec /bin/sleep $1\n"
    )
    for path in programs.iterdir():
        path.chmod(0o755)
    text = PROGRAM.replace("/var/lib/tandem", str(state))
    text = text.replace("sleep 3 ", f"sleep {report_s} ")
    for root in ("/var/lib/dpkg", "/var/cache/apt"):
        text = text.replace(root, f"{directory}{root}")
    done = subprocess.run(
        ["sh", "-c", text, "package-manager", *words.split()],
        env={"PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout + done.stderr, log.read_text().splitlines())
