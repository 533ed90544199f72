"""Whatever README and docs/ name is there: files, links, settings, options, checks, commands."""

from __future__ import annotations

import fnmatch
import os.path
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import click
import pytest
from pyinfra_cli.main import cli as pyinfra_cli
from typer.main import get_command

from drills.scenarios import catalogues
from lab.cli import app as lab_app
from settings.mistakes import name_mistakes
from settings.run_options import COMMANDS
from tests.support import reading_documents as reading
from tests.support.reading_documents import Said
from verify.api import every_check

SETTINGS = name_mistakes.SETTINGS | name_mistakes.of_pyinfra()
KNOWN = SETTINGS | name_mistakes.OPTIONS
# Typed wrong on purpose, to show what is said of it.
WRONG_ON_PURPOSE = {"nginx_versoin", "deploy.py --data only=…"}
# A person's own, below the root of the repository, or a name of theirs.
OWN_FILES = (
    *(f"files/nginx/{level}/" for level in ("conf.d", "http.d", "server.d", "files")),
    *("files/shop", "files/htpasswd", "files/maps/", "sites/", "my_inventory.py", "releases.lock"),
)
OWN_NAMES = {"skew", "silence", "web"}
# Others' names: of the kernel, nginx, pyinfra and Prometheus.
FOREIGN = {
    *("arp_ignore", "arp_announce", "rp_filter", "limit_conn", "proxy_store", "fastcgi_pass"),
    *("get_operation_order_from_stack", "get_caller_frameinfo", "by", "to"),
}
CHECKS = {check.id for check in every_check()}
LAB = get_command(lab_app).commands  # type: ignore[attr-defined]
TARGETS = set(re.findall(r"^([a-z][\w-]*(?: [a-z][\w-]*)*):", reading.text("Makefile"), re.M))
TARGETS = {target for line in TARGETS for target in line.split()}
VARIABLES = set(re.findall(r"^([A-Z_]+) +\?=", reading.text("Makefile"), re.M))
ROOMS = {name for name in reading.tracked() if "/" not in name}
BASE_NAMES = {PurePosixPath(name).name for name in reading.tracked()}

every_document = pytest.mark.parametrize("name", reading.documents())


def refuse(wrong: Iterator[str]) -> None:
    """Fail with all that is wrong, a line each."""
    if told := "\n".join(dict.fromkeys(wrong)):
        pytest.fail(told, pytrace=False)


def flags_of(command: click.Command) -> frozenset[str]:
    options = (each for each in command.params if isinstance(each, click.Option))
    return frozenset(flag for each in options for flag in (*each.opts, *each.secondary_opts))


def unknown(said: Said, what: str, name: str) -> str:
    return f"{said.document}:{said.line}: there is no {what} {name}: {said.text.strip()}"


@every_document
def test_every_link_leads_somewhere(name: str) -> None:
    def wrong() -> Iterator[str]:
        for line, target in reading.links(name):
            path, _, anchor = target.partition("#")
            if re.match(r"\w+:", target):
                continue
            file = os.path.normpath(PurePosixPath(name).parent / path) if path else name
            if file not in reading.tracked():
                yield f"{name}:{line}: there is no {file}"
            elif anchor and anchor not in reading.headings(file):
                there = ", ".join(reading.headings(file))
                yield f"{name}:{line}: {file} has no #{anchor}; it has {there}"

    refuse(wrong())


def test_every_document_that_a_text_names_is_there_with_that_section() -> None:
    """`docs/proxy.md, Sites` in a message of a program, as well as in a document."""

    def wrong() -> Iterator[str]:
        for name in (*reading.documents(), *reading.sources()):
            flat = re.sub(r'"\s*\n\s*f?"|\s*\n[#\s]*', " ", reading.text(name)).replace("  ", " ")
            pattern = r"(?<![\w/.])((?:docs|files)/[\w/.-]+\.md)\b(?:#([\w-]+)|, ([A-Z][\w ]+)\))?"
            for file, anchor, section in re.findall(pattern, flat):
                if file not in reading.tracked():
                    yield f"{name} names {file}, which is not there"
                elif anchor and anchor not in reading.headings(file):
                    yield f"{name}: {file} has no #{anchor}"
                elif section and section not in reading.headings(file).values():
                    yield f"{name}: {file} has no section {section!r}"

    refuse(wrong())


def _words(said: Said, pattern: str) -> Iterator[tuple[str, ...]]:
    yield from (match.groups() for match in re.finditer(pattern, said.text))


def _checks(said: Said) -> Iterator[str]:
    areas = "|".join({check.area for check in every_check()})
    for (found,) in _words(said, rf"\b((?:{areas})-\d+)\b"):
        if found not in CHECKS:
            yield unknown(said, "check", found)


def _targets(said: Said) -> Iterator[str]:
    if match := re.match(r"\s*(?:\$ )?make ((?:[A-Za-z]\S*(?: |$))+)", said.text):
        for word in match[1].split():
            found, _, value = word.partition("=")
            if found not in (VARIABLES if value else TARGETS):
                yield unknown(said, "variable of make's" if value else "target of make's", found)


def _lab(said: Said) -> Iterator[str]:
    for (found,) in _words(said, r"^\s*(?:sudo )?(?:\.venv/bin/)?lab ([\w-]+)"):
        if found not in LAB:
            yield unknown(said, "subcommand of lab", found)


def _options(said: Said) -> Iterator[str]:
    """`--data NAME=…` of a setting, or of an option that the command before it has."""
    if said.text in WRONG_ON_PURPOSE:
        return
    command = ""
    pattern = r"(?:\b(\w+\.py)\b)|--data ([a-z_]\w*)=|--data ([a-z_]\w*)"
    for file, named, bare in _words(said, pattern):
        command = file if file in COMMANDS else command
        found = named or bare
        if not found or found in SETTINGS | WRONG_ON_PURPOSE:
            continue
        if found not in KNOWN:
            yield unknown(said, "setting or option", found)
        elif command and found not in COMMANDS[command]:
            yield unknown(said, f"option of {command}", found)


def _settings(said: Said) -> Iterator[str]:
    """`name = value`, as in an inventory; and `name=value`, as in --data."""
    pattern = r"^([a-z_]\w*) ?= ?\S" if said.span else r"^ {4}([a-z_]\w*) += \S"
    for (found,) in _words(said, pattern):
        if found not in KNOWN | FOREIGN | OWN_NAMES:
            yield unknown(said, "setting or option", found)


def _drills(said: Said) -> Iterator[str]:
    for (named,) in _words(said, r"\bdrills=([\w,-]+)"):
        for found in named.split(","):
            if found not in {*catalogues.VRRP.names, *catalogues.ROUTED.names}:
                yield unknown(said, "drill", found)


def _flags(said: Said) -> Iterator[str]:
    """Options of pyinfra's command line, where it or one of the commands is typed; elsewhere of any
    command line of the repository's."""
    typed = said.text.partition(" exec -- ")[0].partition("  #")[0]
    known = flags_of(pyinfra_cli)
    if not (re.search(r"\bpyinfra\b", typed) or any(file in typed for file in COMMANDS)):
        if not (said.span and typed.startswith("--")):
            return
        known = known.union(*map(flags_of, LAB.values()))
    for (found,) in _words(said._replace(text=typed), r"(?<!\S)(--?[a-z][\w-]*)"):
        # (nginx's configure has flags in pages on builds.)
        own = said.span and f'"{found}"' in reading.programs()
        if found not in known and not own and not found.startswith("--with"):
            yield unknown(said, "such option", found)


def _paths(said: Said) -> Iterator[str]:
    """Paths below the root of the repository; `*` and words in capitals stand for something."""
    for (found,) in _words(said, r"(?<![\w/.~-])((?:\.ci|[a-z]\w*)(?:/[\w.*-]+)+)"):
        path = found.rstrip(".")
        if path.startswith(OWN_FILES):
            continue
        if PurePosixPath(path).parts[0] not in ROOMS or re.search(r"[A-Z]{3}", path):
            continue
        if not fnmatch.filter(reading.tracked(), path):
            yield unknown(said, "file", path)


def _modules(said: Said) -> Iterator[str]:
    for (found,) in _words(said, r"python -m ((?:bench|drills|lab|tests|verify)[\w.]*)"):
        path = found.replace(".", "/")
        if not {f"{path}.py", f"{path}/__main__.py"} & reading.tracked():
            yield unknown(said, "module", found)


def _python_files(said: Said) -> Iterator[str]:
    for (found,) in _words(said, r"(?<![\w/.~-])(\w+\.(?:py|lock|j2))\b"):
        if said.span and found not in {*BASE_NAMES, *OWN_FILES}:
            yield unknown(said, "file", found)


def _identifiers(said: Said) -> Iterator[str]:
    """A name in backticks is one that a program of the repository has, too."""
    if said.span and re.fullmatch(r"[a-z]\w*_\w+(?:\(\))?", said.text):
        name = said.text.removesuffix("()")
        if name not in FOREIGN | KNOWN | reading.words():
            yield unknown(said, "such name in any program:", name)


def _on_machines(said: Said) -> Iterator[str]:
    """Tandem's own places on the machines are places that a program of the repository knows."""
    places = r"/(?:usr/lib|var/lib|var/log|run|etc)/tandem[\w./-]*"
    for (found,) in _words(said, rf"({places}|/etc/s\w+/[\w./-]*tandem[\w.-]*)"):
        name = PurePosixPath(found.rstrip(".")).name
        # Capitals stand for something; a site's own name and versions are a person's.
        a_persons = re.search("[A-Z]{3}|^/var/lib/tandem/sites/.", found)
        if not a_persons and name not in reading.programs():
            yield unknown(said, "such place in any program:", found)


JUDGES = (
    *(_targets, _lab, _options, _settings, _drills, _flags, _paths, _modules),
    *(_python_files, _identifiers, _on_machines),
)


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.__name__.strip("_"))
def test_what_documents_name_is_there(judge: Callable[[Said], Iterator[str]]) -> None:
    refuse(told for said in reading.all_code() for told in judge(said))


def test_checks_and_files_that_prose_names_are_there() -> None:
    # In prose a stroke may part two words, and no file has a name without a dot.
    files = (
        line._replace(text=" ".join(re.findall(r"\S+\.\w+", line.text)))
        for line in reading.every_line()
    )
    refuse(
        told
        for judge, lines in ((_checks, reading.every_line()), (_paths, files))
        for said in lines
        for told in judge(said)
    )
