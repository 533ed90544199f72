"""README and docs/ as a newcomer reads them: where to begin, for whom each page is, and what they
may not leave out.

`test_documents.py` sees that what they name is there; this, that what is there is told.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import settings
from lab.cli import app as lab_app
from settings.mistakes import name_mistakes
from settings.run_options import COMMANDS
from tasks import handover, keepalived, machine, metrics, nginx, watch
from tests.support import reading_documents as reading
from tests.unit.settings.test_settings import inventory

README_LINES_MAX = 250
# Of messages: what is put together when they are printed, and what nginx says.
OTHERS_WORDS = r": |\[emerg\]|Refused|Stopped| in the settings"
DOCUMENTS = [name for name in reading.documents() if name.startswith("docs/")]
WAITING_LINES = reading.text("group_data/web.py")


def section(name: str, heading: str) -> str:
    """The text below a heading of a document, to the next one of its rank."""
    rank = heading.partition(" ")[0]
    _, found, after = f"\n{reading.text(name)}".partition(f"\n{heading}\n")
    assert found, f"{name} has no {heading}"
    return re.split(rf"^{rank} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def test_readme_is_short_and_its_first_commands_are_whole() -> None:
    readme = reading.text("README.md")
    assert len(readme.splitlines()) <= README_LINES_MAX
    for command in (
        "make demo",
        "make test",
        "make setup",
        ".venv/bin/pyinfra inventory.py deploy.py --dry",
        ".venv/bin/pyinfra inventory.py deploy.py",
        ".venv/bin/pyinfra inventory.py verify.py",
    ):
        assert re.search(rf"^ +{re.escape(command)}(  .*)?$|`{command}`", readme, re.MULTILINE)


def test_a_refusal_that_readme_shows_is_what_is_said(tmp_path: Path) -> None:
    """On machines that pyinfra pretends, whatever else comes of it."""
    told = section("README.md", "## From the lab to your own machines, in five steps")
    command, shown = re.findall(r"^ +\$ \S+ inventory\.py (.+)\n((?: +-.+\n)+)", told, re.M)[0]
    machines = [
        (f"@fake/host{n}", {"priority": 102 - n, "page": "p", "address": f"172.16.12.6{n}"})
        for n in (1, 2)
    ]
    given = tmp_path / "inventory.py"
    given.write_text(f"web = ({machines!r}, {{'vip': '172.16.12.254/16'}})\n")
    words = (sys.executable, "-m", "pyinfra", given, *command.split())
    done = subprocess.run(words, cwd=reading.CHECKOUT, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).replace("@fake/", "")
    assert done.returncode == 1
    wanted = [line.strip() for line in shown.splitlines()]
    assert [line.strip() for line in said.splitlines()][-len(wanted) :] == wanted


def test_readme_says_where_to_read_on_for_every_document() -> None:
    table = section("README.md", "## Where to read on")
    missing = [name for name in DOCUMENTS if f"]({name})" not in table]
    assert not missing


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_document_begins_with_for_whom_it_is(name: str) -> None:
    title, _, rest = reading.text(name).partition("\n\n")
    assert title.startswith("# ") and rest.startswith("For who"), rest[:60]


def test_the_figures_of_readme_are_those_of_the_benches() -> None:
    """And each row says what has measured it."""
    measured = reading.text("docs/side-by-side.md")
    table = section("README.md", "## How fast it is, beside what others use")
    rows = [line.strip("| ").split("|") for line in table.splitlines() if line.endswith("` |")]
    assert len(rows) >= 8
    for _, ours, theirs, by in rows:
        bench = by.strip(" `")
        assert f"`{bench}" in measured, bench
        for figure in re.findall(r"\d[\d,.]*(?: m?s\b)?", f"{ours} | {theirs}"):
            assert re.search(rf"(?<![\d.]){re.escape(figure)}", measured), (bench, figure)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_first_lines_of_a_command_tell_its_options(command: str) -> None:
    """An unknown `--data` is answered with these lines (name_mistakes)."""
    told = ast.get_docstring(ast.parse(reading.text(command))) or ""
    assert set(re.findall(r"(?:--data )(\w+)=", told)) == COMMANDS[command]


def test_every_option_is_explained_in_a_document() -> None:
    told = "\n".join(map(reading.text, reading.documents()))
    assert not [name for name in name_mistakes.OPTIONS if not re.search(rf"\b{name}=", told)]


def test_every_subcommand_of_the_lab_is_explained() -> None:
    told = re.findall(r"`lab ([a-z-]+)", reading.text("docs/lab.md"))
    assert set(told) >= set(get_command(lab_app).commands)  # type: ignore[attr-defined]


def test_whatever_a_deploy_leaves_on_a_machine_is_told() -> None:
    """With systemd; docs/sysv.md has what is there instead."""
    told = reading.text("docs/on-a-machine.md")
    node = settings.load(inventory())[0].preferred
    for footprint in (
        *(keepalived.FOOTPRINT, handover.FOOTPRINT, watch.FOOTPRINT, nginx.footprint(node)),
        *(metrics.FOOTPRINT, machine.FOOTPRINT, machine.RECORD),
    ):
        for place in (*footprint.files, *footprint.links, *footprint.trees):
            # What is there while something is at work needs no page.
            passing = place.startswith(("/run/", "/var/lib/tandem-")) or place.endswith(".new")
            name = place.removeprefix("/usr/lib/tandem/") if "tandem/" in place else place
            assert passing or name in told, (footprint.concern, place)
        for unit in footprint.units:
            assert f"/{unit}.service" in told, unit
        for table in footprint.tables:
            assert table.rstrip("*") in told, table


def test_the_lines_that_wait_in_group_data_can_be_used() -> None:
    """Without its `#`, each is a setting."""
    given: dict[str, Any] = {}
    exec(re.sub(r"^# (?=\w+ = )", "", WAITING_LINES, flags=re.MULTILINE), given)
    names = {name for name in given if not name.startswith("__")}
    assert len(names) >= 10
    assert names <= name_mistakes.SETTINGS | name_mistakes.of_pyinfra()
    for paths in ("tls_certificate", "tls_key", "sites"):  # which are a person's
        given[paths] = type(given[paths])()
    known = {name: given[name] for name in names & name_mistakes.SETTINGS}
    assert settings.load(inventory(**known))[0].preferred.ntp_server == given["ntp_server"]


def test_what_the_last_table_quotes_is_what_programs_say() -> None:
    table = section("docs/operations.md", "## At three in the morning")
    quoted = re.findall(r'"([^"]+)"', "\n".join(re.findall(r"^\| ([^|]+)", table, re.MULTILINE)))
    assert len(quoted) >= 12
    said = re.sub(r'"\s+(?:f?")', "", reading.programs())
    for message in quoted:
        for part in re.split(rf"…|host\d|\b\d+\b|/[/\w]+|{OTHERS_WORDS}", message):
            words = part.strip(" :")
            assert words in said, message
