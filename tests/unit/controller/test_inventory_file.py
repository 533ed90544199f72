"""The inventory's text: what Python, or pyinfra, would make of it is said by file and line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import State
from pyinfra.context import ctx_state

from controller.given import inventory_file
from settings.mistakes.name_mistakes import OPTIONS, SETTINGS, of_pyinfra
from tests.support import fakes
from tests.unit.controller.test_preflight import INVENTORY, pyinfra

MACHINES = '[("host1", {"priority": 2}), ("host2", {"priority": 1})]'
# The text of an inventory, the line that is named (0: none is), and the words.
TEXTS: dict[str, tuple[str, int, str]] = {
    "between machines": (
        'web = [\n  ("a", {"priority": 1})\n  ("b", {}),\n]',
        2,
        "a comma missing",
    ),
    "between strings and dicts": ('web = [\n  ("a" {"priority": 1}),\n]', 2, "forgot a comma"),
    "between settings": ('web = [\n  ("a", {"page": "x" "priority": 1}),\n]', 2, "invalid syntax"),
    "after the machines": (f'web = (\n  {MACHINES}\n  {{"vip": "x"}})', 2, "forgot a comma"),
    "after a list in a tuple": (f"web = {MACHINES}\n[0, 1]\nx = [1][0, 1]", 3, "indices must be"),
    "a bracket that is open": ('web = [\n  ("a", {}),\n', 1, "was never closed"),
    "a bracket too many": ("web = []]\n", 1, "unmatched ']'"),
    "a quote that is open": ('web = [\n  ("a, {}),\n]', 2, "unterminated string"),
    "an indentation": ("web = []\n  x = 1\n", 2, "unexpected indent"),
    "a name that is not there": ('web = [\n  ("a", {"priority": first}),\n]', 2, "NameError"),
    "a variable that is not there": ('import os\nx = os.environ["NOPE"]', 2, "KeyError: 'NOPE'"),
    "a module that is not there": ("\nimport no_such_module\n", 2, "No module named"),
    "a file that is not there": ('\nx = open("/nowhere").read()', 2, "No such file"),
    "a call that fails inside": ("import json\n\nx = json.loads('{')\n", 3, "JSONDecodeError"),
    "an end of Python": ("import sys\nsys.exit(3)\n", 0, "ends Python"),
    "settings of nobody": ('vip = "10.0.0.1/24"\nweb = ["a"]', 0, "vip is set for nobody here"),
    "pyinfra's of nobody": ('_sudo = True\nweb = ["a"]', 0, "_sudo is set for nobody here"),
    "sites of nobody": ('sites = [{"page": "x"}]\nweb = ["a"]', 0, "sites is set for nobody"),
    "a machine that is none": ("web = [1]", 0, "web[0] = 1. A group is"),
    "a machine with too much": ('web = [("a", {}, {})]', 0, "web[0] = ('a', …, …). A group is"),
    "machines without a list": ('web = ("a", {}), ("b", {})', 0, "A group is"),
    "a group without settings": ('web = (["a"], "vip")', 0, "web[1] = 'vip'. A group is"),
    "a machine twice": ('web = ["a", ("a", {})]', 0, "names the machine a 2 times"),
    "a setting without quotes": ('vip = 1\nweb = [("a", {vip: 1})]', 0, "no name in quotes"),
}


@pytest.fixture(autouse=True)
def pyinfra_state() -> Iterator[None]:
    """As pyinfra's command line has it, when it reads an inventory."""
    found = State()
    found.cwd = str(fakes.ROOT)
    with ctx_state.use(found):
        yield


def read(path: Path, text: str) -> list[str]:
    path.write_text(text)
    _, found = inventory_file.read(str(path), {}, ())
    return [str(mistake) for mistake in found]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("text", "line", "said"), TEXTS.values(), ids=TEXTS)
def test_what_is_wrong_with_the_text_is_told(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    path = tmp_path / "machines.py"
    found = [each for each in read(path, text) if said in each]
    assert len(found) == 1, read(path, text)
    assert found[0].startswith(str(path))
    assert not line or f"line {line}:" in found[0] or f"lines {line} to" in found[0]


def test_everything_is_told_at_once_and_group_data_with_it(tmp_path: Path) -> None:
    """And every file of group_data, by its own name and line."""
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data" / "web.py").write_text("a = 1\nb = (\n")
    (tmp_path / "group_data" / "db.py").write_text("\n\nb = nothing\n")
    found = "\n".join(read(tmp_path / "machines.py", "web = [1, (2, {})]\n_sudo = True\n"))
    for said in (
        f"{tmp_path}/group_data/web.py, line 2: '(' was never closed",
        f"{tmp_path}/group_data/db.py, line 3: NameError",
        "web[0] = 1.",
        "web[1] = (…, …).",
        "_sudo is set for nobody",
    ):
        assert said in found, found


@pytest.mark.parametrize("name", sorted(SETTINGS | OPTIONS | of_pyinfra()))
def test_no_setting_may_stand_beside_the_groups(tmp_path: Path, name: str) -> None:
    (found,) = read(tmp_path / "machines.py", f"{name} = 'x'\nweb = {MACHINES}\n")
    assert f"{name} is set for nobody here" in found


@pytest.mark.parametrize(
    "more",
    [
        "_names = [1, 2]\n",
        "domain = 'example.org'\n",
        "import os\nfrom pathlib import Path\n",
        "def page(number):\n    return str(number)\n",
        "cache = ['host1']\n",  # a group may be called so
        "db = ([], {})\n",
    ],
)
def test_what_is_meant_is_left_alone(tmp_path: Path, more: str) -> None:
    assert read(tmp_path / "machines.py", f"{more}web = ({MACHINES}, {{}})\n") == []


@pytest.mark.parametrize("command", ["deploy.py", "verify.py", "teardown.py"])
def test_pyinfra_shows_no_traceback(tmp_path: Path, command: str) -> None:
    path = tmp_path / "machines.py"
    path.write_text(INVENTORY.replace('"one"}),', '"one"})'))
    done = pyinfra(path, command, "--serial")
    assert done.returncode == 1
    assert f"{path}, line 4: TypeError: 'tuple' object is not callable. Is a comma" in done.stdout
    assert "Leave out --no-wait and --serial" in done.stdout
    assert "Traceback" not in done.stdout and "bug report" not in done.stdout


def test_the_shipped_inventory_has_nothing_wrong() -> None:
    inventory, found = inventory_file.read("inventory.py", {}, ())
    assert inventory is not None and not found
    told: Any = [host.name for host in inventory]
    assert told == ["host1", "host2"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("deploy.py", "deploy.py is a command, and the inventory comes before it: pyinfra inve"),
        ("./verify.py", "comes before it: pyinfra inventory.py verify.py"),
        ("hosts.yaml", "hosts.yaml is no inventory: that is a Python file"),
        ("inventry.py", "There is no inventory inventry.py"),
        ("inventory.py", ""),
        ("web1.example.org", ""),
        ("web1,web2", ""),
    ],
)
def test_a_name_that_is_no_inventorys_is_told(name: str, said: str) -> None:
    told = inventory_file.misnamed(name, {"deploy.py", "verify.py"})
    assert told.startswith(said) or (said and said in told)
    assert bool(told) == bool(said)
