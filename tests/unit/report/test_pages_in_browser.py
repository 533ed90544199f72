"""The pages in a real browser: it has nothing to complain about, and something is drawn."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from drills.report import drills_page, picture
from tests.support.drilling import drill_plans, drill_reports
from tests.support.snapshots import BARE, Spoiled
from verify.report import verifier_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "chromium"
pytestmark = pytest.mark.browser
# It is to look at one file, and to call nobody.
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr", "--v=0"),
    *("--window-size=1200,2000", "--host-resolver-rules=MAP * ~NOTFOUND"),
)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["verifier.html", "drills.html", "drill.svg"])
def test_a_browser_shows_it_without_a_complaint(tmp_path: Path, name: str, dark: bool) -> None:
    report = drill_reports.report(drill_plans.PLANS[:4], 2)
    content = {
        "verifier.html": lambda: verifier_page.page(Spoiled(BARE).judge()),
        "drills.html": lambda: drills_page.page(report),
        "drill.svg": lambda: picture.drill_svg(report.drills[0]),
    }[name]()
    (tmp_path / name).write_text(content, encoding="utf-8")
    image = tmp_path / "seen.png"
    theme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    log = tmp_path / "net.json"
    done = subprocess.run(
        [
            *(CHROMIUM, *OPTIONS, *theme),
            *(f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={image}"),
            *(f"--log-net-log={log}", f"file://{tmp_path / name}"),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    assert image.stat().st_size > 20_000
    # Chromium has questions of its own to its maker, whatever is shown; they get no answer.
    asked = [line for line in log.read_text().splitlines() if '"url":"http' in line]
    assert not [line for line in asked if "google" not in line and "gvt1" not in line], asked
