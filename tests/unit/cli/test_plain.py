from __future__ import annotations

import subprocess
import sys

import pytest

from tfprov.cli import plain
from tfprov.cli.plain import is_plain
from tfprov.pipeline.context import Request


@pytest.mark.parametrize(
    "line",
    [
        *(
            "up cpu",
            "up train.toml --json",
            "up -q cpu",
            "up --verbose --json ./a.toml",
            "up -v cpu -q",
            "up",
            "up --json",
            "up cpu --recreate",
            "up --recreate -q",
        ),
        *("status", "status cpu", "status --all", "status --json --all", "status a.toml --json"),
        *("rollback cpu", "rollback train.toml 3", "rollback --json cpu 12", "rollback"),
    ],
)
def test_these_command_lines_need_no_parser(line: str) -> None:
    assert is_plain(line.split())


@pytest.mark.parametrize(
    "line",
    [
        *("", "up cpu --upgrade", "up cpu -vq", "up cpu --set a=b", "up a b", "up -- cpu"),
        *("status cpu --watch 5", "status --prometheus x", "status a b", "status --help"),
        *("plan cpu", "up --help", "up -x", "up cpu 3"),
        *("rollback cpu x", "rollback cpu 1 2", "rollback cpu -1", "rollback cpu -q", f"rollback cpu {10**20}"),
    ],
)
def test_all_others_do(line: str) -> None:
    assert not is_plain(line.split())


def test_recreate_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []
    monkeypatch.setattr(plain, "bring_up", lambda _output, request: asked.append(request()))
    plain.run_plain(["up", "cpu", "--recreate"])
    plain.run_plain(["up", "cpu"])
    assert [(request.profile, request.recreate) for request in asked] == [("cpu", True), ("cpu", False)]


def test_to_see_that_nothing_is_to_do_needs_little_of_the_standard_library() -> None:
    heavy = (
        "concurrent.futures",
        "logging",
        "tempfile",
        "importlib.resources",
        "configparser",
        "asyncio",
        "subprocess",
    )
    code = (
        "import sys, tfprov.cli.plain, tfprov.pipeline.up, tfprov.report.text, tfprov.report.documents; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_plain_command_line_loads_neither_parser_nor_models() -> None:
    heavy = ("typer", "rich", "pydantic", "packaging", "tenacity", "httpx", "virtualenv", "platformdirs", "filelock")
    heavy += ("installer", "email", "html")
    code = (
        "import sys, tfprov.cli.plain, tfprov.pipeline.up, tfprov.report.text, tfprov.report.documents; "
        "import tfprov.pipeline.environments, tfprov.pipeline.status, tfprov.report.status; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_run_that_links_an_image_loads_no_room_for_failures_bundles_or_conda() -> None:
    heavy = ("build", "typer", "rich", "httpx")
    rooms = ("adopt", "bundle", "conda", "diagnose", "export", "inventory", "pipeline.likely", "pipeline.installing")
    code = (
        "import sys, tfprov.cli.plain, tfprov.pipeline.up, tfprov.profile.load; "
        "from tfprov.pipeline import drift, images, prove, reckoning, reuse, sources, stages; "
        "from tfprov.pipeline.backends.venv import backend, candidates, interpreter, locking; "
        f"print([name for name in sys.modules if name.startswith({tuple(f'tfprov.{room}' for room in rooms)!r})]"
        f" + [name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
