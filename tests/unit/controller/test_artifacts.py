"""One machine compiles, all others get its artifact; what is not whole or not wanted is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pyinfra.connectors.fake import FakeConnector

import settings
from controller import artifact, rendering, source
from controller.artifact import BuildManifest, BuildSpec, Damaged
from settings import Node
from tasks.machine.survey import SurveyedMachine, parse_survey
from tasks.nginx import source_build
from tasks.nginx.source_build import BuildSteps
from tests.support import artifacts, fakes

WANTED = BuildSpec(
    build="9.9.9-abc",
    version="9.9.9",
    platform="debian-12-x86_64",
    flags=("--with-pcre",),
    source_sha256="0" * 64,
)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TANDEM_LAB", raising=False)
    return tmp_path / "tandem" / "artifacts"


# --- what lies in the cache --------------------------------------------------------------------


def test_a_download_that_is_whole_is_kept_and_found_again() -> None:
    fresh = artifact.download_path()
    artifacts.make(fresh, WANTED)
    artifact.keep(fresh, WANTED)
    assert artifact.check(artifact.path(WANTED), WANTED).packages == tuple(artifacts.PACKAGES)
    assert [path.name for path in artifact.cache().iterdir()] == [artifact.path(WANTED).name]


def test_nobody_else_may_write_into_the_cache(cache: Path) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    assert artifact.cache() == cache
    assert cache.stat().st_mode & 0o777 == 0o700


def test_a_cache_that_cannot_be_written_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(settings.Refused, match=r"cannot be written: .*XDG_CACHE_HOME"):
        artifact.cache()
    # Without it all else goes on.
    rendering.environment.cache_clear()
    assert rendering.environment().bytecode_cache is None
    rendering.environment.cache_clear()


def test_a_lab_has_a_cache_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TANDEM_LAB", str(tmp_path / "lab"))
    assert artifact.cache() == tmp_path / "lab" / "artifacts"


def spoil_bit(path: Path, _: BuildSpec) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path, _: BuildSpec) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def other_binary(path: Path, wanted: BuildSpec) -> None:
    truth = artifacts.manifest(wanted).encode()
    artifacts.write(path, artifacts.CONTENT | {"nginx": b"other", "MANIFEST.json": truth})


def one_file_more(path: Path, wanted: BuildSpec) -> None:
    truth = artifacts.manifest(wanted).encode()
    artifacts.write(path, artifacts.CONTENT | {"MANIFEST.json": truth, "../../etc/x": b""})


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_bit,
        cut,
        other_binary,
        one_file_more,
        lambda path, _: path.write_bytes(b""),
        lambda path, _: path.unlink(),
        lambda path, wanted: artifacts.write(path, artifacts.CONTENT),
        lambda path, wanted: artifacts.make(path, wanted, files=None),
        lambda path, wanted: artifacts.make(path, wanted, build="9.9.9-abd"),
        lambda path, wanted: artifacts.make(path, wanted, version="9.9.8"),
        lambda path, wanted: artifacts.make(path, wanted, platform="debian-13-x86_64"),
        lambda path, wanted: artifacts.make(path, wanted, flags=[]),
        lambda path, wanted: artifacts.make(path, wanted, source_sha256="1" * 64),
    ],
)
def test_what_is_not_whole_or_not_what_is_wanted_is_refused_and_not_kept(
    spoil: Any, cache: Path
) -> None:
    fresh = artifact.download_path()
    artifacts.make(fresh, WANTED)
    spoil(fresh, WANTED)
    with pytest.raises(Damaged):
        artifact.check(fresh, WANTED)
    with pytest.raises(Damaged):
        artifact.keep(fresh, WANTED)
    assert list(cache.iterdir()) == []


def test_what_stands_in_its_place_in_the_cache_is_no_artifact_and_is_replaced() -> None:
    place = artifact.path(WANTED)
    place.mkdir()
    (place / "nginx").touch()
    with pytest.raises(Damaged):
        artifact.check(place, WANTED)
    fresh = artifact.download_path()
    artifacts.make(fresh, WANTED)
    artifact.keep(fresh, WANTED)
    assert artifact.check(place, WANTED)


# --- who compiles ------------------------------------------------------------------------------


def pair(**each: Any) -> list[tuple[Node, SurveyedMachine]]:
    """Two nodes, bare, with `each` for both, or lists with one for each."""
    nodes = settings.load(fakes.inventory())[0].nodes
    return [
        (
            node.model_copy(update={"build_on": each.get("build_on", "one")}),
            parse_survey(
                fakes.survey(
                    each.get("distribution", ["debian12"] * 2)[number],
                    holds=each.get("holds", [""] * 2)[number],
                    compiler=each.get("compiler", [False] * 2)[number],
                    builds=each.get("builds", [[]] * 2)[number],
                )
            ),
        )
        for number, node in enumerate(nodes)
    ]


def having() -> tuple[BuildSpec, str]:
    """The pair's build, and what a machine that has it answers."""
    wanted = source_build.wanted_build(*pair()[0])
    return wanted, f"{wanted.build} {artifacts.manifest(wanted)}"


def nothing(wanted: BuildSpec) -> BuildManifest | None:
    return None


def everything(wanted: BuildSpec) -> BuildManifest | None:
    return BuildManifest.model_validate_json(artifacts.manifest(wanted))


def roles(
    pairs: list[tuple[Node, SurveyedMachine]], kept: source_build.CacheLookup = nothing
) -> list[str]:
    names = ("compiles", "fetched", "receives")
    steps: dict[str, BuildSteps] = source_build.assign(pairs, kept)
    found = [steps[node.name] for node, _ in pairs]
    return [" ".join(name for name in names if getattr(part, name)) for part in found]


def test_the_last_in_line_compiles_for_all() -> None:
    assert roles(pair()) == ["receives", "compiles fetched"]


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("compiler", [[False, False], [True, False], [False, True]])
def test_a_standby_compiles_whoever_has_a_compiler(place: int, compiler: list[bool]) -> None:
    """Who answers clients meanwhile would answer more slowly."""
    expected = ["compiles fetched"] * 2
    expected[place] = "receives"
    holds = ["", ""]
    holds[place] = "172.16.12.254"
    assert roles(pair(holds=holds, compiler=compiler)) == expected


def test_where_all_hold_a_vip_one_with_a_compiler_is_preferred() -> None:
    both = ["172.16.12.254", "172.16.12.254"]
    assert roles(pair(holds=both, compiler=[True, False])) == ["compiles fetched", "receives"]


def test_one_that_has_a_compiler_already_is_preferred() -> None:
    assert roles(pair(compiler=[True, False])) == ["compiles fetched", "receives"]


def test_one_that_has_the_build_already_gives_it_and_nobody_compiles() -> None:
    _, there = having()
    assert roles(pair(builds=[[], [there]])) == ["receives", "fetched"]


def test_what_the_controller_has_is_taken_and_nobody_compiles_or_gives() -> None:
    _, there = having()
    assert roles(pair(), everything) == ["receives", "receives"]
    assert roles(pair(builds=[[there], []]), everything) == ["", "receives"]


def test_where_all_have_it_the_cache_is_not_even_asked() -> None:
    def asked(wanted: BuildSpec) -> BuildManifest | None:
        raise AssertionError("it was")

    _, there = having()
    assert roles(pair(builds=[[there], [there]]), asked) == ["", ""]


def test_each_platform_has_its_own_that_compiles() -> None:
    assert roles(pair(distribution=["debian12", "rocky9"])) == ["compiles fetched"] * 2


def test_the_recipes_way_compiles_on_each_whatever_there_is() -> None:
    assert roles(pair(build_on="each"), everything) == ["compiles", "compiles"]


def test_what_the_build_needs_to_run_is_known_wherever_its_manifest_is() -> None:
    _, there = having()
    has = source_build.assign(pair(builds=[[there], []]), nothing)
    assert [part.packages for part in has.values()] == [tuple(artifacts.PACKAGES)] * 2
    bare = source_build.assign(pair(), nothing)
    assert [part.packages for part in bare.values()] == [(), ()]


def test_a_directory_that_is_not_what_its_name_says_is_no_build() -> None:
    wanted, there = having()
    for line in (there.replace(wanted.build, "1.0.0-old", 1), f"{wanted.build} {{", wanted.build):
        assert roles(pair(builds=[[line], []])) == ["receives", "compiles fetched"]


# --- what a deploy asks ------------------------------------------------------------------------


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Machines whose artifacts can be fetched, and a controller that has the source."""
    tarball = tmp_path / "nginx.tar.gz"
    tarball.write_bytes(b"source")
    monkeypatch.setattr(source, "fetch", lambda node: tarball)
    monkeypatch.setattr(FakeConnector, "get_file", artifacts.fetched)


def deploy(**data: Any) -> list[str]:
    return ["\n".join(asked) for asked in fakes.run("deploy.py", fakes.inventory(**data)).values()]


def test_one_compiles_and_the_other_gets_the_result_and_no_compiler(connected: None) -> None:
    other, one = deploy()  # the last in line compiles
    assert "libssl-dev" in one and "build-nginx compile" in one and "tar -czf" in one
    assert "libssl-dev" not in other and "build-nginx compile" not in other
    assert re.search(rf"build-nginx install \S*{having()[0].build}\.tar\.gz ", other)


def test_from_the_cache_nobody_compiles_and_nobody_gets_a_compiler(connected: None) -> None:
    artifacts.make(artifact.path(having()[0]), having()[0])
    for asked in deploy():
        assert "build-nginx install" in asked
        assert "libpcre2-8-0" in asked
        assert "build-nginx compile" not in asked
        assert "gcc" not in asked.replace("command -v gcc", "")


def test_what_is_damaged_in_the_cache_is_not_used_and_made_again(connected: None) -> None:
    path = artifact.path(having()[0])
    artifacts.make(path, having()[0])
    spoil_bit(path, having()[0])
    other, one = deploy()  # the last in line compiles
    assert "build-nginx compile" in one
    assert "build-nginx install" in other
    artifact.check(path, having()[0])


def test_the_recipes_way_is_a_compiler_on_each(connected: None, cache: Path) -> None:
    for asked in deploy(build_on="each"):
        assert "libssl-dev" in asked and "build-nginx compile" in asked
        assert "build-nginx install" not in asked
    assert not cache.exists()


def test_a_manifest_is_read_as_the_script_writes_it() -> None:
    """Both sides agree about the names; the lab shows that the values are right."""
    script = (fakes.ROOT / "files" / "nginx" / "build-nginx").read_text()
    for name in json.loads(artifacts.manifest(WANTED)):
        assert f'"  \\"{name}\\": ' in script
