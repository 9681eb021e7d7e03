"""The whole pipeline on tiny wheels: real index, uv, virtualenv, interpreter and probes; only TensorFlow is a sham."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from site_under_test import LIBRARY, OLDER, RELEASE, WINDOWS, Site, needs_shell, needs_signals, only_here, sham_wheel
from snapshots import Snapshot
from tfprov.envs import layout
from tfprov.unpack.members import ArchiveBytes, Written
from tfprov.unpack.records import ArchiveMember
from wheels import build_wheel

pytestmark = only_here


def with_a_release(folder: Path) -> Site:
    found = Site.make(folder)
    found.offer(sham_wheel(found.root / "built", RELEASE))
    found.write()
    return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return with_a_release(tmp_path)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Snapshot[Site]:
    found = with_a_release(tmp_path_factory.mktemp("made"))
    found.up()
    return Snapshot(found)


@pytest.fixture
def made(first: Snapshot[Site]) -> Site:
    """The same project after its first `up`."""
    return first.restore()


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.02)


def sleeping(site: Site) -> Path:
    """A release whose import never ends, so that a run can be stopped in its smoke test; a file says that it began."""
    began = site.root / "began"
    sabotage = f"\nopen({str(began)!r}, 'w').close()\ntime.sleep(600)\n"
    site.offer(sham_wheel(site.root / "stuck", OLDER, sabotage=sabotage))
    return began


def test_a_profile_becomes_a_verified_environment_and_a_second_run_does_nothing(site: Site) -> None:
    shutil.rmtree(site.home)  # it has never run here
    first = site.up()
    assert first["already"] is False
    assert stages(first) == [
        *("profile", "facts", "plan", "interpreter", "lock"),
        *("fetch", "build", "install", "smoke", "activate"),
    ]
    assert {device["name"]: device["ok"] for device in first["devices"]} == {"environment": True, "CPU:0": True}  # type: ignore[index, attr-defined] - a JSON document
    assert site.imported() == RELEASE
    second = site.up()
    assert second["already"] is True
    assert second["bytes_fetched"] == 0
    assert site.generations() == ["0001"]


def test_the_report_of_the_folders_profile_has_its_name(site: Site) -> None:
    site.profile.rename(site.root / "tfprov.toml")
    for command in (["up"], ["smoke", "--html", "page.html", "--attest", "statement.json"]):
        done = site.run(*command)
        assert done.returncode == 0, done.stderr
    assert "<title>train: verified</title>" in (site.root / "page.html").read_text()
    statement = base64.b64decode(json.loads((site.root / "statement.json").read_text())["payload"])
    assert [each["name"] for each in json.loads(statement)["subject"]] == ["lock of train"]


def test_what_came_over_no_network_counts_as_reused_in_a_new_environment(made: Site) -> None:
    again = made.up("--recreate")
    assert again["already"] is False
    assert again["bytes_fetched"] == 0
    assert again["environment"]["generation"] == 2  # type: ignore[index] - a JSON document


def test_a_changed_profile_is_resolved_again_and_says_what_changed(made: Site) -> None:
    made.offer(build_wheel(made.root / "built", "helper", "1.0"))
    made.write('[packages]\nrequirements = ["helper"]\n')
    done = made.run("up", "train.toml", "--verbose")
    assert done.returncode == 0, done.stderr
    assert "`requirements` was unset, is `helper`" in done.stderr
    assert made.generations() == ["0001", "0002"]
    assert made.run("run", "train.toml", "--", "python", "-c", "import helper").returncode == 0


def test_a_comment_in_the_profile_builds_nothing(made: Site) -> None:
    made.profile.write_text(made.profile.read_text() + "# a comment\n")
    assert made.up()["already"] is True
    assert made.generations() == ["0001"]


def test_another_smoke_level_proves_the_same_generation_again(made: Site) -> None:
    (made.root / "check.py").write_text("import tensorflow\n")
    made.write(smoke='level = "quick"\nscripts = ["check.py"]')
    document = made.up()
    assert document["already"] is False
    assert made.generations() == ["0001"]
    assert made.up()["already"] is True


def test_rollback_goes_back_and_forth(site: Site) -> None:
    site.offer(sham_wheel(site.root / "old", OLDER))
    site.write('[tensorflow]\nversion = "<2.21"\n')
    site.up()
    site.write()
    site.up()
    assert site.imported() == RELEASE
    assert site.run("rollback", "train.toml").returncode == 0
    assert site.imported() == OLDER
    assert site.run("rollback", "train.toml", "2").returncode == 0
    assert site.imported() == RELEASE
    assert site.run("rollback", "train.toml", "7").returncode == 2


def test_an_upgrade_that_fails_its_smoke_test_leaves_the_old_environment_in_use(made: Site) -> None:
    made.offer(sham_wheel(made.root / "bad", OLDER, sabotage="\ndef matmul(left, right):\n    return left\n"))
    made.write('[tensorflow]\nversion = "<2.21"\n')
    failed = made.run("up", "train.toml", "--json")
    assert failed.returncode == 18
    document = json.loads(failed.stdout)
    assert document["error"]["code"] == "wrong-number"
    assert "hint" in document["error"]
    assert made.imported() == RELEASE
    assert list(made.home.glob("data/images/*.new")) == []


def test_locked_refuses_to_make_a_lock_and_to_change_one(site: Site) -> None:
    missing = site.run("up", "train.toml", "--locked", "--json")
    assert missing.returncode == 2
    assert json.loads(missing.stdout)["error"]["code"] == "lock-missing"
    assert not site.lock.exists()
    assert site.run("lock", "train.toml").returncode == 0
    assert site.up("--locked")["ok"] is True
    before = site.lock.read_bytes()
    site.write('[packages]\nconstraints = ["helper<2"]\n')
    changed = site.run("up", "train.toml", "--locked", "--json")
    assert changed.returncode == 2
    error = json.loads(changed.stdout)["error"]
    assert error["code"] == "lock-unfit"
    assert any("`constraints` was unset" in line for line in error["evidence"])
    assert site.lock.read_bytes() == before


def test_a_lock_for_another_platform_is_refused_with_both_named(made: Site) -> None:
    own = "windows-x86_64" if WINDOWS else "linux-x86_64-glibc"
    made.lock.write_text(made.lock.read_text().replace(own, "macos-arm64"))
    done = made.run("up", "train.toml", "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "lock-unfit"
    assert "macos-arm64" in error["evidence"][0]
    assert own in error["evidence"][0]


def test_a_lock_of_another_tool_is_never_overwritten(site: Site) -> None:
    foreign = 'lock-version = "1.0"\ncreated-by = "other"\npackages = []\n'
    site.lock.write_text(foreign)
    assert site.run("up", "train.toml").returncode == 2
    assert site.run("lock", "train.toml", "--upgrade").returncode == 2
    assert site.lock.read_text() == foreign


def test_the_lock_holds_no_credentials(made: Site) -> None:
    assert "@" not in made.lock.read_text().split("[tool.tfprov", 1)[0].replace("created-by", "")


def test_a_foreign_folder_at_the_stable_path_is_refused_and_untouched(site: Site) -> None:
    foreign = site.root / ".venv"
    foreign.mkdir()
    (foreign / "precious").write_text("mine")
    site.write('[environment]\npath = ".venv"\n')
    done = site.run("up", "train.toml", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "path-not-ours"
    assert (foreign / "precious").read_text() == "mine"
    assert site.generations() == []


def test_the_stable_path_is_a_link_that_works(site: Site) -> None:
    site.write('[environment]\npath = "envs/.venv"\n')
    site.up()
    python = layout.python_in(site.root / "envs" / ".venv")
    shown = subprocess.run(
        [python, "-I", "-c", "import tensorflow; print(tensorflow.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == RELEASE
    assert site.run("remove", "train.toml", "--yes").returncode == 0
    assert not os.path.lexists(site.root / "envs" / ".venv")
    assert site.generations() == []


def test_another_stable_path_takes_over_and_the_old_link_goes(site: Site) -> None:
    site.write('[environment]\npath = "first"\n')
    site.up()
    site.write('[environment]\npath = "second"\n')
    assert site.up()["already"] is True
    assert layout.python_in(site.root / "second").exists()
    assert not os.path.lexists(site.root / "first")
    assert site.generations() == ["0001"]


def test_a_lock_made_with_a_later_patch_release_of_python_fits_an_earlier_one(made: Site) -> None:
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert f'requires-python = ">={minor}"' in made.lock.read_text()


def test_a_deleted_file_is_noticed_and_the_environment_is_built_again(made: Site) -> None:
    (module,) = made.home.glob(f"data/environments/*/generations/0001/{LIBRARY}/tensorflow/__init__.py")
    module.unlink()
    done = made.run("up", "train.toml")
    assert done.returncode == 0, done.stderr
    assert "the environment is damaged: 1 missing" in done.stderr
    assert made.imported() == RELEASE


def installed(site: Site, generation: str, name: str) -> Path:
    (found,) = site.home.glob(f"data/environments/*/generations/{generation}*/{LIBRARY}/{name}")
    return found


def stages(document: dict[str, object]) -> list[str]:
    return [stage["name"] for stage in document["stages"]]  # type: ignore[index, attr-defined] - a JSON document


def test_a_verified_environment_is_told_while_another_run_works_on_it(made: Site) -> None:
    (environment,) = (path for path in made.home.glob("data/environments/*") if path.name != ".locks")
    with FileLock(environment.parent / ".locks" / environment.name):
        assert made.up()["already"] is True
        # What has something to do waits for its turn.
        waiting = made.start("up", "train.toml", "--recreate")
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(2)
    assert waiting.wait(120) == 0
    waiting.communicate()


def test_another_run_is_not_waited_for_beyond_the_deadline(made: Site) -> None:
    made.write("[network]\ndeadline = 2\n")
    (environment,) = (path for path in made.home.glob("data/environments/*") if path.name != ".locks")
    with FileLock(environment.parent / ".locks" / environment.name):
        done = made.run("up", "train.toml", "--recreate")
    assert "another tfprov is working on `train`: waiting for it" in done.stderr
    assert "error[lock-timeout]: another tfprov is working on `train`" in done.stderr


def test_what_a_new_generation_displaces_is_deleted_by_the_next_run_at_the_latest(site: Site) -> None:
    site.write("[environment]\nkeep = 2\n")
    site.up()
    site.up("--recreate")
    assert site.generations() == ["0001.aside", "0002"]
    site.up("--recreate")
    assert site.generations() == ["0002.aside", "0003"]
    assert site.imported() == RELEASE
    assert site.run("doctor", "train.toml").returncode == 0
    assert site.run("cache", "prune", "--max", "10GB").returncode == 0
    assert site.generations() == ["0003"]


def test_the_same_environment_is_made_again_from_its_image(made: Site) -> None:
    again = made.up("--recreate")
    assert "install" not in stages(again)
    assert "fetch" not in stages(again)
    assert made.imported() == RELEASE
    assert installed(made, "0001", "tensorflow/__init__.py").samefile(installed(made, "0002", "tensorflow/__init__.py"))


def test_a_second_profile_with_the_same_files_uses_the_image_of_the_first(made: Site) -> None:
    other = made.root / "other.toml"
    other.write_text(made.profile.read_text().replace('"train"', '"other"'))
    done = made.run("up", "other.toml", "--json")
    assert done.returncode == 0, done.stderr
    assert "install" not in stages(json.loads(done.stdout))


def test_a_file_written_to_in_place_does_not_spoil_the_next_environment(made: Site) -> None:
    # The same inode as in the image and in uv's cache where the file system has no clones.
    with installed(made, "0001", "tensorflow/__init__.py").open("a") as stream:
        stream.write("\n__version__ = 'spoilt'\n")
    done = made.run("up", "train.toml")
    assert done.returncode == 0, done.stderr
    assert "the image has " in done.stderr or "damaged: 1 altered" not in done.stderr
    assert made.imported() == RELEASE


def test_a_spoilt_cache_of_the_installer_is_noticed_and_left_out(made: Site) -> None:
    with installed(made, "0001", "tensorflow/__init__.py").open("a") as stream:
        stream.write("\n__version__ = 'spoilt'\n")
    for folder in ("images", "environments"):
        shutil.rmtree(made.home / "data" / folder)
    done = made.run("up", "train.toml")
    assert done.returncode == 0, done.stderr
    assert made.imported() == RELEASE


def test_an_image_that_cannot_be_healed_gives_way_to_an_install(made: Site) -> None:
    (pip,) = made.home.glob(f"data/images/*/tree/{LIBRARY}/pip/__init__.py")
    pip.unlink()
    document = made.up("--recreate")
    assert "install" in stages(document)
    assert made.imported() == RELEASE


def test_another_lock_with_the_same_wheels_shares_their_files_and_what_is_compiled(made: Site) -> None:
    made.offer(build_wheel(made.root / "built", "helper", "1.0"))
    (made.root / "other.toml").write_text(
        (made.root / "train.toml").read_text() + '[packages]\nrequirements = ["helper"]\n'
    )
    done = made.run("up", "other.toml", "--json")
    assert done.returncode == 0, done.stderr
    assert "install" in stages(json.loads(done.stdout))
    for name in ("tensorflow/__init__.py", "tensorflow/__pycache__/*.pyc"):
        one, two = made.home.glob(f"data/environments/*/generations/0001/{LIBRARY}/{name}")
        # A file that was made twice has two times, however it was brought.
        assert one.stat().st_mtime_ns == two.stat().st_mtime_ns, name
    (tree,) = made.home.glob("data/unpacked/*/tree/tensorflow/__init__.py")
    assert (one.parent.parent / "__init__.py").stat().st_mtime_ns == tree.stat().st_mtime_ns


def test_an_image_that_no_generation_needs_any_more_is_deleted(site: Site) -> None:
    site.write("[environment]\nkeep = 1\n")
    site.up()
    site.offer(build_wheel(site.root / "built", "helper", "1.0"))
    site.write('[environment]\nkeep = 1\n[packages]\nrequirements = ["helper"]\n')
    site.up()
    assert len(list(site.home.glob("data/images/*"))) == 1


@needs_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_the_old_environment_and_says_so(made: Site, number: signal.Signals) -> None:
    began = sleeping(made)
    made.write('[tensorflow]\nversion = "<2.21"\n')
    process = made.start("up", "train.toml")
    wait_for(began.exists, process)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "error[interrupted]" in said
    assert made.imported() == RELEASE
    made.write()
    made.up()
    assert made.imported() == RELEASE


def test_a_killed_run_leaves_the_old_environment_and_the_next_one_sweeps(made: Site) -> None:
    began = sleeping(made)
    made.write('[tensorflow]\nversion = "<2.21"\n')
    process = made.start("up", "train.toml")
    wait_for(began.exists, process)
    process.kill()
    process.communicate(timeout=60)
    assert made.imported() == RELEASE
    made.offer(build_wheel(made.root / "built", "helper", "1.0"))
    made.write('[packages]\nrequirements = ["helper"]\n')
    made.up()
    assert made.imported() == RELEASE
    assert made.generations() == ["0001", "0002"]


def test_two_runs_at_once_make_one_environment(site: Site) -> None:
    runs = [site.start("up", "train.toml", "--json") for _ in range(2)]
    documents = [json.loads(process.communicate(timeout=120)[0]) for process in runs]
    assert [process.returncode for process in runs] == [0, 0]
    assert sorted(document["already"] for document in documents) == [False, True]
    assert site.generations() == ["0001"]


def test_hostile_variables_change_nothing(site: Site) -> None:
    site.extra = {
        "PYTHONPATH": str(site.root / "evil"),
        "PYTHONHOME": "/nonexistent",
        "PIP_TARGET": str(site.root / "elsewhere"),
        "PIP_USER": "1",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_NO_BINARY": ":all:",
        "UV_TARGET": str(site.root / "elsewhere"),
        "UV_PYTHON": "2.7",
        "UV_OFFLINE": "1",
        "VIRTUALENV_DOWNLOAD": "1",
        "VIRTUAL_ENV": "/nonexistent",
        "TF_CPP_MIN_LOG_LEVEL": "9",
    }
    evil = site.root / "evil"
    evil.mkdir()
    (evil / "tensorflow.py").write_text("raise SystemExit('the wrong tensorflow')\n")
    site.up()
    assert not (site.root / "elsewhere").exists()


def test_a_requirement_that_needs_tensorflow_by_name_gets_one_tensorflow(site: Site) -> None:
    site.offer(
        sham_wheel(site.root / "built", RELEASE, package="tensorflow"),
        build_wheel(site.root / "built", "hub", "1.0", requires=["tensorflow>=2"]),
    )
    site.write('[tensorflow]\naccelerator = "cpu"\n[packages]\nrequirements = ["hub"]\n')
    document = site.up()
    assert document["tensorflow"]["package"] == "tensorflow"  # type: ignore[index] - a JSON document
    assert site.up()["already"] is True
    assert site.up("--recreate")["already"] is False


def test_a_conflict_between_the_users_own_pins_is_named(site: Site) -> None:
    site.offer(
        build_wheel(site.root / "built", "left", "1.0", requires=["shared<2"]),
        build_wheel(site.root / "built", "shared", "1.0"),
        build_wheel(site.root / "built", "shared", "2.0"),
    )
    site.write('[packages]\nrequirements = ["left", "shared>=2"]\n')
    done = site.run("up", "train.toml", "--json")
    assert done.returncode == 15
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "resolver-conflict"
    assert "shared" in " ".join(error["evidence"])
    assert site.generations() == []


def test_output_off_a_terminal_is_plain(site: Site) -> None:
    done = site.run("up", "train.toml")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr


@pytest.mark.parametrize("last", ["uv", pytest.param("pip", marks=needs_shell)])
def test_an_installer_that_fails_gives_way_to_the_next(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    from tfprov.events import Attempt, Event
    from tfprov.install import place as placing
    from tfprov.install.installers import Uv
    from tfprov.pipeline import installing, uv
    from tfprov.pipeline.context import Request
    from tfprov.pipeline.up import up

    real = uv.uv_executable()
    broken = tmp_path / "uv"
    broken.write_text(
        f'#!/bin/sh\n[ "$2" = install ] && {{ echo "error: links are not possible" >&2; exit 2; }}\nexec {real} "$@"\n'
    )
    broken.chmod(0o755)
    if last == "pip":
        monkeypatch.setattr(installing, "Uv", lambda *, cache, **_: Uv(uv=broken, cache=cache))

    def place(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSYS, "no such thing here")

    monkeypatch.setattr(placing, "place", place)
    seen: list[Event] = []
    request = Request(profile="train.toml", cwd=site.root, environ=site.environ())
    outcome = up(request, seen.append)
    assert outcome.generation.seal is not None
    assert outcome.generation.seal.installer == last
    rungs = [event.rung for event in seen if isinstance(event, Attempt) and event.stage == "install"]
    assert rungs[:2] == ["normal", "fresh"]
    assert rungs[2:] == ["other-installer"] * (1 if last == "uv" else 2)
    assert site.imported() == RELEASE


def test_a_second_try_does_not_wait_for_what_the_first_is_still_unpacking(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tfprov.errors import TfprovError
    from tfprov.events import Event, Note
    from tfprov.pipeline.context import Request
    from tfprov.pipeline.up import up
    from tfprov.unpack import workers

    site.offer(build_wheel(site.root / "built", "slow", "1.0"), build_wheel(site.root / "built", "broken", "1.0"))
    site.write('[packages]\nrequirements = ["slow", "broken"]\n')
    # Threads, not processes: what is replaced here has to do the work.
    monkeypatch.delattr(socket, "send_fds", raising=False)
    real, begun, failed = workers.extract, threading.Event(), threading.Event()

    def extract(source: ArchiveBytes, member: ArchiveMember, target: str, *, going: Callable[[int], None]) -> Written:
        if member.name.startswith("slow") and not begun.is_set():
            begun.set()
            end = time.monotonic() + 10
            while time.monotonic() < end:
                going(0)  # raises once it is to stop
                time.sleep(0.01)
        if member.name.startswith("broken") and not failed.is_set():
            begun.wait(10)
            failed.set()
            raise TfprovError("hash-mismatch", "`broken` no longer matches its hash in the lock")
        return real(source, member, target, going=going)

    monkeypatch.setattr(workers, "extract", extract)
    seen: list[Event] = []
    outcome = up(Request(profile="train.toml", cwd=site.root, environ=site.environ()), seen.append)
    assert failed.is_set()
    assert outcome.generation.seal is not None
    assert outcome.generation.seal.installer == "tfprov"
    assert [event.text for event in seen if isinstance(event, Note) and "another tfprov" in event.text] == []


def test_the_journal_tells_the_story_of_a_failure(site: Site) -> None:
    site.write('[packages]\nrequirements = ["no-such-package"]\n')
    failed = site.run("up", "train.toml")
    assert failed.returncode == 15
    lines = [json.loads(line) for line in site.run("log", "train.toml").stdout.splitlines()]
    assert lines[0]["event"] == "StageStarted"
    assert lines[-1]["event"] == "End"
    assert lines[-1]["code"] == "package-name-wrong"


def test_the_folder_of_a_project_is_enough(site: Site) -> None:
    site.offer(build_wheel(site.root / "built", "helper", "1.0"), build_wheel(site.root / "built", "extra", "1.0"))
    inner = site.root / "src"
    inner.mkdir()
    site.profile.unlink()
    python, index = Path(sys.executable).as_posix(), (site.root / "index").as_uri()
    (site.root / "pyproject.toml").write_text(
        '[project]\nname = "mine"\ndependencies = ["helper"]\noptional-dependencies.more = ["extra"]\n'
        f'[tool.tfprov]\npython.path = "{python}"\nindex.url = "{index}"\n'
        'smoke.level = "quick"\npackages.extras = ["more"]\n'
        'environment.variables = { GREETING = "hello", SECRET = "${OUTER}" }\n'
    )
    refused = site.run("up", "--json", cwd=inner)
    assert json.loads(refused.stdout)["error"]["what"] == "`${OUTER}` needs the variable `OUTER`, which is not set"
    site.extra["OUTER"] = "hunter2"
    for already in (False, True):
        done = site.run("up", "--json", cwd=inner)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["already"] is already
    asked = "import helper, extra, os; print(os.environ['GREETING'], os.environ['SECRET'])"
    done = site.run("run", "--", "python", "-c", asked, cwd=inner)
    assert done.stdout == "hello hunter2\n", done.stderr
    kept = [path for path in site.home.rglob("*") if path.is_file() and path.suffix in (".json", ".toml", ".jsonl")]
    assert kept
    assert not any(b"hunter2" in path.read_bytes() for path in (*kept, *site.root.glob("*.toml")))


def test_hashes_of_a_requirements_file_decide_what_is_locked(site: Site) -> None:
    one = build_wheel(site.root / "built", "helper", "1.0")
    site.offer(one)
    listed = site.root / "requirements.txt"
    site.write('[packages]\nfiles = ["requirements.txt"]\n')
    listed.write_text(f"helper==1.0 --hash=sha256:{'0' * 64}\n")
    refused = site.run("lock", "train.toml")
    assert refused.returncode != 0
    assert "no file of `helper` 1.0 has a hash that the requirements allow" in refused.stderr
    right = f"helper==1.0 --hash=sha256:{hashlib.sha256(one.read_bytes()).hexdigest()}\n"
    listed.write_text(f"{right}tensorflow --hash=sha256:{'0' * 64}\n")
    done = site.run("up", "train.toml")
    assert done.returncode == 0, done.stderr
    assert "the hashes of `tensorflow` were not compared: `tensorflow-cpu` is taken in its place" in done.stderr
    listed.write_text(f"helper==1.0 --hash=sha256:{'0' * 64}\n")
    refused = site.run("up", "train.toml", "--locked")
    assert "the requirements do not allow the locked hash of `helper`" in refused.stderr


def test_a_wheel_beside_the_profile_comes_from_there(site: Site) -> None:
    wheel = build_wheel(site.root / "built", "helper", "1.0")
    (site.root / "more").mkdir()
    wheel.rename(site.root / "more" / wheel.name)
    (site.root / "requirements.txt").write_text(f"./more/{wheel.name}\n")
    site.write('[packages]\nfiles = ["requirements.txt"]\n')
    site.up()
    assert site.run("run", "train.toml", "--", "python", "-c", "import helper").returncode == 0


def test_overrides_and_exclusions_are_kept_in_the_lock(site: Site) -> None:
    site.offer(
        build_wheel(site.root / "built", "helper", "1.0", requires=["low<2", "jax"]),
        build_wheel(site.root / "built", "low", "1.0"),
        build_wheel(site.root / "built", "low", "2.0"),
    )
    site.write('[packages]\nrequirements = ["helper"]\noverrides = ["low>=2"]\nexclude = ["jax"]\n')
    site.up()
    lock = site.lock.read_text()
    assert 'name = "low"\nversion = "2.0"' in lock
    assert 'name = "jax"' not in lock
    assert site.up()["already"] is True


@pytest.mark.parametrize("more", ["", '[packages]\nrequirements = ["helper"]\n'], ids=["alone", "with others"])
def test_a_release_that_does_not_work_is_followed_by_the_next_where_that_is_allowed(tmp_path: Path, more: str) -> None:
    site = Site.make(tmp_path)
    built = site.root / "built"
    broken = sham_wheel(built, RELEASE, sabotage="\nraise ImportError('this build is broken')\n")
    site.offer(broken, sham_wheel(built, OLDER), build_wheel(built, "helper", "1.0"))
    site.write(f"[tensorflow]\nallow-fallback = true\n{more}")
    document = site.up()
    assert site.imported() == OLDER
    assert document["decision"]["tensorflow"]["version"] == OLDER  # type: ignore[index]  # a JSON document
    assert f'version = "{OLDER}"' in site.lock.read_text()
    assert site.up()["already"] is True
    assert len([name for name in site.generations() if name.isdecimal()]) == 1


def test_a_lock_decides_which_release_it_is_also_where_another_would_be_allowed(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(site.root / "built", RELEASE, sabotage="\nraise ImportError('this build is broken')\n"))
    site.write("[tensorflow]\nallow-fallback = true\n")
    assert "error[import-failed]" in site.run("up", "train.toml").stderr
    site.offer(sham_wheel(site.root / "built", OLDER))
    done = site.run("up", "train.toml")
    assert "error[import-failed]" in done.stderr
    assert "instead" not in done.stderr
    site.up("--upgrade")
    assert site.imported() == OLDER


def test_where_no_release_works_the_lock_is_that_of_the_first(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    broken = "\nraise ImportError('this build is broken')\n"
    site.offer(*(sham_wheel(site.root / "built", version, sabotage=broken) for version in (RELEASE, OLDER)))
    site.write("[tensorflow]\nallow-fallback = true\n")
    done = site.run("up", "train.toml")
    assert "error[import-failed]" in done.stderr
    assert f"trying tensorflow-cpu {OLDER} (cpu) instead" in done.stderr
    assert f'version = "{RELEASE}"' in site.lock.read_text()
