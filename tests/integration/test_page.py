"""The page of a verdict in a real browser: what is seen on a screen, on a telephone and on paper."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

import pytest

import browser
from tfprov.report import fleet
from tfprov.report.html import render
from tfprov.smoke.records import Device, Leg, ShellHazard, Verdict

pytestmark = pytest.mark.skipif(
    browser.found() is None, reason=f"none of {', '.join(browser.NAMES)} is on PATH: the page cannot be looked at"
)

NOW = datetime(2031, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
LONG = "/a/path/that/has/no/place/to/break/" + "x" * 300
GREEN, RED = b"\x1a\x7f\x37", b"\xcf\x22\x2e"


def device(number: int, kind: str = "gpu") -> Device:
    legs = [
        Leg(leg="matmul", ok=True, seconds=0.4, evidence=f"seen {LONG}", started=3.0 + number),
        Leg(leg="memory", ok=True, seconds=0.0, evidence=f"it is not there: {LONG}", skipped=True),
    ]
    if number == 2:
        legs.append(Leg(leg="convolution", ok=False, seconds=9.0, code="cudnn-mismatch", evidence=LONG, started=5.0))
    return Device(
        name=f"{kind.upper()}:{number}",
        kind="gpu" if kind == "gpu" else "cpu",
        description="NVIDIA H100 80GB HBM3, compute capability 9.0" if kind == "gpu" else "",
        legs=tuple(legs),
    )


VERDICT = Verdict(
    level="standard",
    seconds=20.0,
    tensorflow="2.21.0",
    python="3.12.1",
    packages=(("numpy", "2.4.1"),),
    build=(("compute_capabilities", str([f"sm_{number}" for number in range(60, 99)])),),
    findings=(ShellHazard(code="path-leak", evidence=f"PYTHONPATH brings in `{LONG}`"),),
    cures=(f"gpu-libs-missing: opened before those of `{LONG}`",),
    devices=(
        Device(
            name="environment",
            kind="environment",
            legs=(Leg(leg="import", ok=True, seconds=2.0, evidence=LONG, started=0.2),),
        ),
        device(0, "cpu"),
        *(device(number) for number in range(9)),
    ),
)


@pytest.fixture
def chromium(tmp_path: Path) -> browser.Browser:
    return browser.Browser(browser.found() or "", tmp_path)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "smöke test.html"
    path.write_text(render(VERDICT, title="train", made=NOW), encoding="utf-8")
    return path


def test_the_browser_shows_every_device_and_every_check(chromium: browser.Browser, page: Path) -> None:
    shown = re.sub(r"<style>.*?</style>", "", chromium.text(page), flags=re.DOTALL)
    words = html.unescape(re.sub(r"<[^>]+>", " ", shown))
    for one in VERDICT.devices:
        assert one.name in words
        for leg in one.legs:
            assert leg.leg in words
    for part in ("train: failed", "✗ cudnn-mismatch", "skipped", "gpu-libs-missing", "path-leak"):
        assert part in words, part


def test_a_screenshot_is_no_blank_sheet(chromium: browser.Browser, page: Path) -> None:
    picture = chromium.screenshot(page, width=640, height=800)
    assert (picture.width, picture.height) == (640, 800)
    colours = Counter(picture.pixels)
    # Letters have soft edges: a page with text has many shades; the verdict is red, good devices are green.
    assert len(colours) > 50
    assert colours[RED] > 200
    assert colours[GREEN] > 200
    # Something stands in each eighth from top to bottom.
    lines = [picture.pixels[start : start + 640] for start in range(0, len(picture.pixels), 640)]
    paper = colours.most_common(1)[0][0]
    for part in range(8):
        assert any(set(line) != {paper} for line in lines[100 * part : 100 * (part + 1)]), f"part {part} is empty"


def test_a_good_verdict_has_nothing_red(chromium: browser.Browser, tmp_path: Path) -> None:
    path = tmp_path / "good.html"
    good = Verdict(level="quick", devices=(device(0),), tensorflow="2.21.0", seconds=4.0)
    path.write_text(render(good, title="train", made=NOW), encoding="utf-8")
    colours = Counter(chromium.screenshot(path, width=640, height=600).pixels)
    assert colours[RED] == 0
    assert colours[GREEN] > 200


def seen(chromium: browser.Browser, page: Path, widths: tuple[int, ...], look: str) -> list[list[int]]:
    """What an expression of JavaScript finds in the page at each width; `one` is the root element."""
    source = html.escape(page.read_text(encoding="utf-8"))
    frames = "".join(f'<iframe width="{width}" height="900" srcdoc="{source}"></iframe>' for width in widths)
    script = (
        "addEventListener('load', () => { document.title = JSON.stringify([...document.querySelectorAll('iframe')]"
        f".map(one => one.contentDocument.documentElement).map(one => {look})) }})"
    )
    wrapper = page.with_name("wrapper.html")
    wrapper.write_text(
        f"<!doctype html><meta charset=utf-8><title>none</title><style>iframe {{ border: 0 }}</style>"
        f"{frames}<script>{script}</script>",
        encoding="utf-8",
    )
    title = re.search(r"<title>(.*?)</title>", chromium.text(wrapper))
    assert title is not None
    found: list[list[int]] = json.loads(html.unescape(title[1]))
    return found


WIDTHS = (360, 400, 768, 1280)


def test_nothing_sticks_out_to_the_side(chromium: browser.Browser, page: Path) -> None:
    measured = seen(chromium, page, WIDTHS, "[one.clientWidth, one.scrollWidth]")
    assert measured == [[width, width] for width in WIDTHS]


def test_the_state_of_a_host_with_a_long_name_is_seen_on_a_telephone(chromium: browser.Browser, tmp_path: Path) -> None:
    name = "a-host-with-a-rather-long-name-in-rack-17.teaching.example.org"
    legs = [{"leg": f"package number-{each}", "ok": True, "skipped": False} for each in range(40)]
    rollout = {"command": "rollout", "state": "failed", "devices": [{"name": "CPU:0", "legs": legs}]}
    (tmp_path / f"{name}.json").write_text(json.dumps({"schema": 1, **rollout}), encoding="utf-8")
    page = tmp_path / "fleet.html"
    page.write_text(fleet.html(fleet.gather([tmp_path / f"{name}.json"]), title="train", made=NOW), encoding="utf-8")
    look = (
        "{ const [hosts, checks] = one.querySelectorAll('table'); checks.parentElement.scrollLeft = 2000;"
        " const state = hosts.querySelector('td').getBoundingClientRect();"
        " const host = checks.querySelector('tbody th').getBoundingClientRect();"
        " return [one.scrollWidth, Math.round(state.right), Math.round(host.left)] }"
    )
    for width, (whole, state, host) in zip(WIDTHS, seen(chromium, page, WIDTHS, look), strict=True):
        assert (whole, state <= width, 0 <= host < width) == (width, True, True), width


def test_it_can_be_printed(chromium: browser.Browser, page: Path) -> None:
    pdf = chromium.printed(page)
    assert pdf.startswith(b"%PDF")
    pages = re.findall(rb"/Type\s*/Page\b", pdf)
    assert 1 <= len(pages) <= 30
