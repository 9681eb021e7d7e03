"""One environment takes the place of another: at every moment a whole one is there, whatever ends the work."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from broken import state
from seals import SEAL, seal
from tfprov.envs import takeover
from tfprov.envs.generations import Environment
from tfprov.envs.records import Generation, Owner
from tfprov.errors import TfprovError
from told import refusal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the folders of these tests hold links")

# Ends itself before every single line of the switch, in a child each; says what stood at the path then, and what the
# next run made of it. `how`: the system can exchange names, has the folders on two file systems, or cannot exchange.
_KILLED = """
import errno, json, os, shutil, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from broken import state
from test_takeover import ADOPTED, environment_in, old_in
from tfprov.envs import generations, links, takeover
from tfprov import paths, trash, trees, writing

work, how = Path(sys.argv[1]), sys.argv[2]
traced = {module.__file__ for module in (takeover, links, paths, trash, trees, writing)}
if how == "apart":
    takeover._same_device = lambda one, other: False
if how == "unable":
    def exchange(one, other):
        raise OSError(errno.ENOSYS, "no such call")
    takeover.exchange = exchange

def stands(environment, link, before):
    if link.is_symlink():
        return "new" if (link / "bin" / "python").read_text() == "new" else "broken"
    if not link.exists():
        return "nothing"
    return "old" if state(link) == before else "broken"

told = []
for nth in range(1, 1000):
    root = work / str(nth)
    environment, link = environment_in(root), old_in(root)
    before = state(link)
    child = os.fork()
    if child == 0:
        left = [nth]
        def trace(frame, event, argument):
            if frame.f_code.co_filename not in traced:
                return None
            if event == "line":
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace
        sys.settrace(trace)
        takeover.take_over(environment, link, ADOPTED)
        sys.settrace(None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    after_kill = stands(environment, link, before)
    # What must not happen to what was kept: `up` sweeps whatever is unfinished.
    environment.sweep()
    if after_kill == "old":
        takeover.take_over(environment, link, ADOPTED)
    environment.check_link()
    environment.activate(environment.active())
    environment.sweep()
    kept = state(takeover.adopted_folder(environment)) == before
    # What a switch of any link leaves that is killed between its two steps is not looked at here.
    left = (path.name for path in root.iterdir() if path.name not in ("home", ".venv"))
    trash = sorted(name for name in left if not name.endswith(".tmp"))
    told.append((after_kill, stands(environment, link, before), kept, trash))
    shutil.rmtree(root)
    if status == 0:
        break
print(json.dumps(told))
"""
ADOPTED = seal(profile_digest="", lock_digest="", level="", smoke_digest="", adopted="/somewhere/.venv")


def environment_in(folder: Path) -> Environment:
    """An environment with one verified generation, for the path `.venv`."""
    root = folder / "home" / "environments" / "train-0"
    link = folder / ".venv"
    before = Environment(root, owner=Owner(name="train", profile=str(folder / "train.toml")))
    before.claim()
    generation = before.begin()
    (generation.path / "bin").mkdir()
    (generation.path / "bin" / "python").write_text("new")
    before.activate(before.seal(generation, SEAL))
    return Environment(root, owner=Owner(name="train", profile=str(folder / "train.toml"), link=str(link)))


def old_in(folder: Path) -> Path:
    """Somebody else's environment at that path."""
    old = folder / ".venv"
    (old / "bin").mkdir(parents=True)
    (old / "bin" / "python").symlink_to("/usr/bin/python3")
    for number in range(5):
        (old / "lib" / f"p{number}").mkdir(parents=True)
        (old / "lib" / f"p{number}" / "module.py").write_text(f"number = {number}\n")
    (old / "lib" / "p0" / "module.py").chmod(0o444)
    return old


@pytest.mark.parametrize("how", ["exchange", "apart", "unable"])
def test_whoever_is_killed_leaves_a_whole_environment_at_the_path_and_the_next_run_goes_on(
    tmp_path: Path, how: str
) -> None:
    here = str(Path(__file__).parent)
    tests = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path), how, here],
        env={**os.environ, "PYTHONPATH": tests},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told) > 60
    seen = [stood for stood, _, _, _ in told]
    allowed = {"old", "new", "nothing"} if how == "unable" else {"old", "new"}
    assert set(seen) == allowed
    # First the old one, then the new one, and never back.
    assert seen == sorted(seen, key=["old", "nothing", "new"].index)
    assert [each for each in told if each[1:] != ["new", True, []]] == []


def test_the_old_one_is_generation_0_and_nothing_in_it_is_touched(tmp_path: Path) -> None:
    environment, old = environment_in(tmp_path), old_in(tmp_path)
    before = state(old)
    kept = takeover.take_over(environment, old, ADOPTED)
    assert old.is_symlink()
    assert (old / "bin" / "python").read_text() == "new"
    assert [one.number for one in environment.generations()] == [0, 1]
    assert kept == environment.generations()[0]
    assert state(kept.path) == before
    assert environment.flaw(kept) is None
    environment.activate(kept)
    assert state(old.resolve()) == before
    assert not environment.unfinished()


def test_it_is_kept_however_many_generations_follow(tmp_path: Path) -> None:
    environment, old = environment_in(tmp_path), old_in(tmp_path)
    takeover.take_over(environment, old, ADOPTED)
    for _ in range(5):
        generation = environment.begin()
        (generation.path / "bin").mkdir()
        environment.activate(environment.seal(generation, SEAL))
        environment.prune(2)
    assert [one.number for one in environment.generations()] == [0, 5, 6]


def test_another_that_was_adopted_is_not_overwritten(tmp_path: Path) -> None:
    environment, old = environment_in(tmp_path), old_in(tmp_path)
    takeover.take_over(environment, old, ADOPTED)
    old.unlink()
    old_in(tmp_path)
    assert refusal(lambda: takeover.check(environment, old)) == (
        *("path-not-ours", "`train` already keeps another adopted environment"),
        f"it is in `{takeover.adopted_folder(environment)}`",
        "`tfprov remove --old` deletes it, or name another profile with `--output`",
    )
    assert takeover.give_up(environment)
    assert not takeover.give_up(environment)
    takeover.check(environment, old)
    takeover.take_over(environment, old, ADOPTED)
    assert [one.number for one in environment.generations()] == [0, 1]


@pytest.mark.skipif(sys.platform != "linux", reason="no exchange of two names")
@pytest.mark.parametrize("exchanged", [False, True])
def test_what_a_killed_run_copied_is_only_given_up_while_the_original_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanged: bool
) -> None:
    environment, old = environment_in(tmp_path), old_in(tmp_path)
    exchange = takeover._exchange_for_link

    def killed(*paths: Path) -> None:
        if exchanged:
            exchange(*paths)
        raise KeyboardInterrupt

    monkeypatch.setattr(takeover, "_same_device", lambda _one, _other: False)
    monkeypatch.setattr(takeover, "_exchange_for_link", killed)
    with pytest.raises(KeyboardInterrupt):
        takeover.take_over(environment, old, ADOPTED)
    if not exchanged:
        takeover.check(environment, old)
        return
    old.unlink()
    old_in(tmp_path)
    with pytest.raises(TfprovError, match="already keeps another adopted environment"):
        takeover.check(environment, old)


def test_the_one_that_is_in_use_is_not_deleted(tmp_path: Path) -> None:
    environment, old = environment_in(tmp_path), old_in(tmp_path)
    environment.activate(takeover.take_over(environment, old, ADOPTED))
    assert refusal(lambda: takeover.give_up(environment)) == (
        *("environment-in-use", f"`{environment.stable}` leads to the adopted environment"),
        "`tfprov up --no-keep-rollback` puts the verified one in its place",
    )
    assert (old / "lib" / "p4" / "module.py").is_file()


def test_across_file_systems_it_is_a_copy_with_its_modes_and_times(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    apart = shared / f"tfprov-test-{os.getpid()}"
    apart.mkdir()
    try:
        environment, old = environment_in(tmp_path), old_in(apart)
        before = state(old)
        kept: Generation = takeover.take_over(environment, old, ADOPTED)
        assert old.is_symlink()
        assert (old / "bin" / "python").read_text() == "new"
        assert state(kept.path) == before
        assert sorted(path.name for path in apart.iterdir()) == [".venv"]
    finally:
        subprocess.run(["rm", "-rf", str(apart)], check=True)


def test_a_copy_that_fails_is_not_left_on_the_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment, old = environment_in(tmp_path), old_in(tmp_path)
    before = state(old)
    monkeypatch.setattr(takeover, "_same_device", lambda _one, _other: False)

    def full(*_given: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        takeover.take_over(environment, old, ADOPTED)
    assert state(old) == before
    names = {path.name for path in takeover.adopted_folder(environment).parent.iterdir()}
    assert not {name for name in names if "unfinished" in name or "copying" in name or "trash" in name}


def test_a_folder_that_nobody_may_write_to_is_refused_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment, old = environment_in(tmp_path), old_in(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != tmp_path)  # root may write everywhere
    assert refusal(lambda: takeover.check(environment, old)) == (
        *("permission-denied", f"`{old}` cannot be replaced by another environment"),
        f"no files can be created in `{tmp_path}`",
        "run it as the user who owns that folder; without `--in-place` the environment stays where it is",
    )


def test_a_mount_point_is_refused_before_anything_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment, old = environment_in(tmp_path), old_in(tmp_path)
    monkeypatch.setattr("os.path.ismount", lambda path: Path(path) == old)
    assert refusal(lambda: takeover.check(environment, old)) == (
        *("not-supported", f"`{old}` cannot be replaced by another environment"),
        "it is a mount point, which cannot be renamed",
        "without `--in-place`, and with another `environment.path`, it stays where it is",
    )
