"""The conversation: what is asked, what is asked again, and that nothing is written too early."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controller.output import conversation
from first_inventory.findings import MachineProblem, NetworkServices
from first_inventory.given_answers import GivenAnswers
from first_inventory.person import Gone, Person
from first_inventory.questionnaire import InventoryRequest, Questionnaire
from settings import Refused
from tests.support.found_machines import GATEWAY, PretendedNetwork, found, pair

NOTHING = GivenAnswers()
GIVEN = GivenAnswers(hosts=("10.20.0.11", "10.20.0.12"), vip="10.20.0.10")


def conduct(
    directory: Path,
    network: PretendedNetwork,
    answers: GivenAnswers = NOTHING,
    *,
    attended: bool = False,
    replaces: bool = False,
) -> str:
    """What is written."""
    path = directory / "mine.py"
    request = InventoryRequest(answers, path, "mine.py", replaces, 0.0)
    Questionnaire(Person(attended=attended), network, lambda name: "root").conduct(request)
    return path.read_text()


class Terminal:
    """Types lines as they are asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.lines: list[str] = []
        monkeypatch.setattr(conversation, "typed_line", self._typed)

    def types(self, *lines: str) -> None:
        self.lines = list(lines)

    def _typed(self) -> str:
        return f"{self.lines.pop(0)}\n" if self.lines else ""


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(monkeypatch)


def test_with_everything_given_nobody_is_asked(tmp_path: Path) -> None:
    text = conduct(tmp_path, PretendedNetwork(pair()), GIVEN)
    assert '"vip": "10.20.0.10/24"' in text
    assert '"virtual_router_id": 10' in text
    assert f'"ntp_server": "{GATEWAY}"' in text


def test_enter_takes_what_is_proposed(tmp_path: Path, terminal: Terminal) -> None:
    terminal.types("10.20.0.11, 10.20.0.12", *[""] * 6)
    text = conduct(tmp_path, PretendedNetwork(pair()), attended=True)
    assert '"vip": "10.20.0.254/24"' in text
    assert '"ssh_user": "root"' in text
    assert "web = (" in text
    assert terminal.lines == []


def test_an_answer_that_cannot_be_is_asked_again(
    tmp_path: Path, terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.types(
        *("10.20.0.11", "ann@10.20.0.11 10.20.0.12", "10.20.0.11 10.20.0.12"),
        *("", "10.20.0.254", "10.9.9.9", "10.20.0.12", "10.20.0.20"),
        *("none", "x", "ann@example.org", "", "3", "front", "what", "y"),
    )
    network = PretendedNetwork(pair(), taken={"10.20.0.254": "aa:bb"})
    text = conduct(tmp_path, network, attended=True)
    said = capsys.readouterr().err
    for each in (
        "a cluster needs two machines",
        "give 10.20.0.11 alone",
        "aa:bb answers for it",
        "in no network of all machines",
        "own address",
        "give addresses like",
        "the first a letter",
        "type y or n",
    ):
        assert each in said
    assert "VIP [10.20.0.253]" in said  # .254 is taken
    assert '"vip": "10.20.0.20/24"' in text
    assert "front = (" in text
    assert f'"smtp_server": "{GATEWAY}"' in text
    assert '"ntp_server": ""' in text


def test_who_is_not_root_becomes_it_by_sudo(tmp_path: Path, terminal: Terminal) -> None:
    terminal.types("10.20.0.11 10.20.0.12", "ann", *[""] * 6)
    network = PretendedNetwork(pair())
    assert '"_sudo": True' in conduct(tmp_path, network, attended=True)
    assert network.login == {"ssh_user": "ann", "_sudo": True}


def test_or_is_refused_before_any_machine_is_asked(tmp_path: Path, terminal: Terminal) -> None:
    terminal.types("10.20.0.11 10.20.0.12", "ann", "n")
    network = PretendedNetwork(pair())
    with pytest.raises(Refused, match="ann is not root"):
        conduct(tmp_path, network, attended=True)
    assert network.login == {}


REFUSED: dict[str, tuple[PretendedNetwork, GivenAnswers, list[str]]] = {
    "unreachable": (
        PretendedNetwork(
            pair(),
            refuses=[
                MachineProblem.saying("10.20.0.11", "there is no route: is it on?"),
                MachineProblem.saying("10.20.0.11", "it is not known"),
                MachineProblem.saying("10.20.0.12", "it is not known"),
            ],
        ),
        GIVEN,
        [
            "- 10.20.0.11: there is no route: is it on?\n",
            "- 10.20.0.11, 10.20.0.12: it is not known.\n",
            "init.py mine.py --hosts 10.20.0.11,10.20.0.12",
        ],
    ),
    "no common network": (
        PretendedNetwork([found("10.20.0.11"), found("10.20.0.12", "ens18 10.20.0.12/16")]),
        GIVEN,
        ["one network, two prefixes"],
    ),
    "a taken VIP": (
        PretendedNetwork(pair(), taken={"10.20.0.10": "aa:bb"}),
        GIVEN,
        ["--vip: 10.20.0.10 is taken: aa:bb", "Nobody answers for 10.20.0.254"],
    ),
    "a VIP elsewhere": (
        PretendedNetwork(pair()),
        GivenAnswers(hosts=GIVEN.hosts, vip="10.9.9.9"),
        ["--vip: 10.9.9.9 is in no network"],
    ),
    "no mail server": (
        PretendedNetwork(pair(), services=NetworkServices()),
        GivenAnswers(hosts=GIVEN.hosts, vip=GIVEN.vip, email=("a@b.c",)),
        ["--smtp-server: name the server"],
    ),
    "a name twice": (
        PretendedNetwork([found("10.20.0.11", hostname="b"), found("b", "ens18 10.20.0.12/24")]),
        GivenAnswers(hosts=("10.20.0.11", "b"), vip=GIVEN.vip),
        ["names the machine b 2 times"],
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_is_refused_and_nothing_is_written(why: str, tmp_path: Path) -> None:
    network, answers, said = REFUSED[why]
    with pytest.raises(Refused) as refused:
        conduct(tmp_path, network, answers)
    for each in said:
        assert each in str(refused.value)
    assert "Nothing was written" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_the_input_may_end_at_every_question(tmp_path: Path, terminal: Terminal) -> None:
    every = ["10.20.0.11 10.20.0.12", "ann", "", "", "", "ann@example.org", "", "", ""]
    for count in range(len(every)):
        terminal.types(*every[:count])
        with pytest.raises(Gone):
            conduct(tmp_path, PretendedNetwork(pair()), attended=True)
        assert list(tmp_path.iterdir()) == []
    terminal.types(*every)
    conduct(tmp_path, PretendedNetwork(pair()), attended=True)


def test_no_at_the_end_writes_nothing(tmp_path: Path, terminal: Terminal) -> None:
    terminal.types("10.20.0.11 10.20.0.12", *[""] * 5, "n")
    with pytest.raises(Refused, match="Not confirmed"):
        conduct(tmp_path, PretendedNetwork(pair()), attended=True)
    assert list(tmp_path.iterdir()) == []


# --- a file that is there -------------------------------------------------------------------------


def test_a_file_that_is_there_is_kept_beside_another(tmp_path: Path, terminal: Terminal) -> None:
    (tmp_path / "mine.py").write_text("old")
    terminal.types("", "10.20.0.11 10.20.0.12", *[""] * 6)
    assert conduct(tmp_path, PretendedNetwork(pair()), attended=True) == "old"
    assert "mine_2.py deploy.py" in (tmp_path / "mine_2.py").read_text()


def test_or_replaced_where_its_name_is_typed(tmp_path: Path, terminal: Terminal) -> None:
    (tmp_path / "mine.py").write_text("old")
    terminal.types("mine.py", "10.20.0.11 10.20.0.12", *[""] * 6)
    assert "10.20.0.254/24" in conduct(tmp_path, PretendedNetwork(pair()), attended=True)
    assert (tmp_path / "mine.py.bak").read_text() == "old"


def test_unattended_it_is_replaced_only_where_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("old")
    with pytest.raises(Refused, match="is there already"):
        conduct(tmp_path, PretendedNetwork(pair()), GIVEN)
    assert "10.20.0.10" in conduct(tmp_path, PretendedNetwork(pair()), GIVEN, replaces=True)


# --- what is told ---------------------------------------------------------------------------------


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_what_is_next_is_told_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conduct(tmp_path, PretendedNetwork(pair()), GIVEN)
    last = told(capsys).splitlines()[-1]
    assert last == "--> Written: mine.py. Next: .venv/bin/pyinfra mine.py deploy.py --dry"


def test_what_bars_a_deploy_is_told_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machines = [found("10.20.0.11", port_80="apache2"), found("10.20.0.12", foreign_nginx=True)]
    conduct(tmp_path, PretendedNetwork(machines), GIVEN)
    said = told(capsys)
    assert "apache2 has that port" in said
    assert "another nginx is installed there" in said
    assert "Next: mend what is named above, then .venv/bin/pyinfra" in said


def test_a_given_time_server_is_asked_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = vars(GIVEN) | {"ntp_server": "chime", "smtp_server": "mx"}
    text = conduct(tmp_path, PretendedNetwork(pair()), GivenAnswers(**given))
    assert "'chime': as a time server it does not answer" in told(capsys)
    assert '"smtp_server": "mx"' in text
