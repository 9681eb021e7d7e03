"""What `adopt` writes is never written over a file that is there, and completed if a killed run left a part of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sham import make_environment
from tfprov.adopt.text import profile_text
from tfprov.errors import TfprovError
from tfprov.events import Emit
from tfprov.pipeline import adopting
from tfprov.pipeline.adopting import AdoptionSubject, Asking, Settled
from told import refusal


def test_what_exists_stays(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.touch()
    with pytest.raises(TfprovError) as caught:
        adopting.refuse_existing(path)
    error = caught.value
    assert (error.code.name, error.what) == ("path-not-ours", f"`{path}` already exists")
    assert error.hint == "choose another path with `--output`; existing files are not overwritten"


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """What it takes to adopt an environment without an index: one that resolves at once."""

    def settle(subject: AdoptionSubject, _: Emit) -> Settled:
        wanted = subject.wanted()
        text = profile_text(wanted, name=subject.name, place=str(subject.found.root))
        return Settled(wanted=wanted, text=text, document=b"lock", lock_name="pylock.train.toml", changes=())

    monkeypatch.setattr(adopting, "settle", settle)
    make_environment(tmp_path / ".venv")
    environ = {"HOME": str(tmp_path), "TFPROV_HOME": str(tmp_path / "home")}
    return Asking(path=tmp_path / ".venv", cwd=tmp_path, environ=environ, output=tmp_path / "train.toml")


def test_what_a_killed_adoption_left_is_completed_and_a_changed_profile_stays(asking: Asking) -> None:
    done = adopting.adopt(asking, print)
    written = done.profile.read_bytes()
    done.lock.unlink()  # as when it is killed between the two
    assert adopting.adopt(asking, print) == done
    assert (done.profile.read_bytes(), done.lock.read_bytes()) == (written, b"lock")

    done.lock.write_bytes(b"of `up`")  # as when it is killed at its very end, and somebody went on
    assert adopting.adopt(asking, print) == done
    assert (done.profile.read_bytes(), done.lock.read_bytes()) == (written, b"of `up`")

    done.profile.write_bytes(written + b"# mine\n")
    assert refusal(lambda: adopting.adopt(asking, print)) == (
        "path-not-ours",
        f"`{done.profile}` already exists",
        "choose another path with `--output`; existing files are not overwritten",
    )
    assert (done.profile.read_bytes(), done.lock.read_bytes()) == (written + b"# mine\n", b"of `up`")


def test_without_a_profile_a_lock_that_is_there_is_not_completed(asking: Asking, tmp_path: Path) -> None:
    (tmp_path / "pylock.train.toml").write_bytes(b"mine")
    assert refusal(lambda: adopting.adopt(asking, print))[0] == "path-not-ours"
    assert not (tmp_path / "train.toml").exists()
    assert (tmp_path / "pylock.train.toml").read_bytes() == b"mine"
