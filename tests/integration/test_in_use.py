"""Jobs and shells go on working in the generation that they began in, however often the environment changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest

from crashes import Catalogue, Site
from loopback import Faults, Index

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the tiny wheels are tagged for Linux"),
    pytest.mark.skipif(not (3, 10) <= sys.version_info[:2] <= (3, 13), reason="TensorFlow 2.20 has no wheel for it"),
]

# Imports nothing of the environment before it is told to, so that nothing but its command line and variables shows it.
LATE = """
import sys
print("ready", flush=True)
sys.stdin.readline()
import payload.m7
print(payload.__version__, flush=True)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("made")
    catalogue = Catalogue(folder / "stock", modules=40, ballast=40_000)
    with Index(catalogue.files, Faults(metadata=True)) as index:
        yield Site(folder / "sité", catalogue, index)


@pytest.fixture
def site(made: Site) -> Iterator[Site]:
    with made.begun():
        yield made


def generations(site: Site) -> list[str]:
    return sorted(path.name for path in site.disk.glob("home/data/environments/*/generations/[0-9]*"))


def job(site: Site) -> subprocess.Popen[str]:
    (site.project / "job.py").write_text(LATE)
    return start(site, *site.command("run", "train.toml", "--", "python", "job.py"))


def by_the_stable_path(site: Site) -> subprocess.Popen[str]:
    (site.project / "job.py").write_text(LATE)
    return start(site, str(site.stable / "bin" / "python"), "job.py")


def from_a_shell(site: Site) -> subprocess.Popen[str]:
    (site.project / "job.py").write_text(LATE)
    # Neither its first word nor its variables name the generation.
    return start(site, "bash", "--norc", "-c", f". '{site.stable}/bin/activate'; exec python job.py")


def activated_bash(site: Site) -> subprocess.Popen[str]:
    # A shell that was there before, as a terminal is: the variables that it began with say nothing.
    return start(site, "bash", "--norc", "-c", f". '{site.stable}/bin/activate'; echo ready; read line")


def start(site: Site, *command: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        command, env=site.environ(), cwd=site.project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("begin", [job, by_the_stable_path, from_a_shell])
def test_what_began_in_a_generation_imports_from_it_after_five_changes(
    site: Site, begin: Callable[[Site], subprocess.Popen[str]]
) -> None:
    with begin(site) as process:
        said = site.change(5)
        (note,) = [line for line in said if "generation 1 is in use by" in line]
        assert f"pid {process.pid} (" in note
        # The third change asks for what generation 1 has, which is taken into use again.
        assert generations(site) == ["0001", "0003", "0004", "0005"]
        out, _ = process.communicate("go on\n", timeout=60)
        assert out == "1.0\n"
    assert site.run("up", "train.toml").returncode == 0
    assert generations(site) == ["0003", "0004", "0005"]


def test_what_is_no_longer_used_goes_with_a_prune(site: Site) -> None:
    with job(site) as process:
        site.change(4)
        site.run("cache", "prune")
        assert generations(site) == ["0001", "0002", "0003", "0004"]
        process.communicate("go on\n", timeout=60)
    site.run("cache", "prune")
    assert generations(site) == ["0002", "0003", "0004"]


def test_a_generation_in_use_is_not_taken_over(site: Site) -> None:
    with job(site) as process:
        for _ in range(5):
            assert site.run("up", "train.toml", "--recreate").returncode == 0
        assert generations(site)[0] == "0001"
        out, _ = process.communicate("go on\n", timeout=60)
        assert out == "1.0\n"


@pytest.mark.parametrize("begin", [job, by_the_stable_path, from_a_shell, activated_bash])
def test_an_environment_in_use_is_removed_by_force_only(
    site: Site, begin: Callable[[Site], subprocess.Popen[str]]
) -> None:
    with begin(site) as process:
        refused = site.run("remove", "train.toml", "--yes")
        assert refused.returncode == 2
        assert "error[environment-in-use]: `train` is in use and was not deleted" in refused.stderr
        assert f"generation 1 is in use by pid {process.pid} (" in refused.stderr
        assert "hint: stop what uses it, or delete it anyway: `tfprov remove train.toml --force`" in refused.stderr
        assert site.wrong(site.state) == []
        removed = site.run("remove", "train.toml", "--yes", "--force", "--json")
        assert removed.returncode == 0
        assert f"pid {process.pid} (" in json.loads(removed.stdout)["removed"]["in_use"][0]
        assert generations(site) == []
        process.kill()
        process.communicate()


def test_a_shell_that_left_the_environment_does_not_hold_it(site: Site) -> None:
    script = (site.stable / "bin" / "activate").resolve()
    with start(site, "bash", "--norc", "-c", f"set -C; . '{script}'; . '{script}'; deactivate; echo ready; read line"):
        assert site.run("remove", "train.toml", "--yes").returncode == 0
        assert not os.path.lexists(site.stable)


def test_workers_that_start_late_are_of_the_generation_of_their_parent(site: Site) -> None:
    lines = """
        import multiprocessing, sys

        def tell():
            import payload.m7
            print(payload.__version__, flush=True)

        if __name__ == "__main__":
            print("ready", flush=True)
            sys.stdin.readline()
            worker = multiprocessing.get_context("spawn").Process(target=tell)
            worker.start()
            worker.join()
    """
    (site.project / "workers.py").write_text(textwrap.dedent(lines))
    with start(site, str(site.stable / "bin" / "python"), "workers.py") as process:
        site.change(1)
        out, _ = process.communicate("go on\n", timeout=60)
        assert out == "1.0\n"


def test_a_program_that_starts_slowly_has_its_generation_from_the_first_moment(site: Site) -> None:
    slow = site.project / "slow"
    slow.write_text(f"#!/bin/sh\necho ready\nread line\nexec '{os.path.realpath(site.stable)}/bin/python' job.py\n")
    slow.chmod(0o755)
    (site.project / "job.py").write_text(LATE)
    with start(site, *site.command("run", "train.toml", "--", str(slow))) as process:
        site.change(4)
        out, _ = process.communicate("go on\ngo on\n", timeout=60)
        assert out == "ready\n1.0\n"


def test_a_run_that_has_nothing_to_delete_looks_at_no_process(site: Site) -> None:
    # All that `keep` allows are there, and none more.
    code = (
        "import sys, psutil\n"
        "psutil.process_iter = None\n"
        "sys.argv = ['tfprov', *sys.argv[1:]]\n"
        "from tfprov.cli import main\n"
        "main()\n"
    )
    site.change(2)
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, "up", "train.toml", "--json"],
        env=site.environ(),
        cwd=site.project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["already"] is True
