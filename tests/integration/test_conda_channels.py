"""Channels and specs held against the real solver, in its worker."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from datetime import datetime
from pathlib import Path

import pytest

from channel import VERSION, ChannelServer, tensorflow_packages, text_package, write_channel
from conda_site import CondaSite, with_conda
from loopback import Faults
from tfprov.conda import channels as places
from tfprov.conda import client, specs
from tfprov.conda.client import ChannelAccess, Solve
from tfprov.errors import TfprovError
from tfprov.events import ignore
from tfprov.profile.records import CondaTable
from tfprov.times import moment
from tfprov.wants.conda_specs import read

pytestmark = with_conda


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two channels: `near` has the older `hello`."""
    root = tmp_path_factory.mktemp("channels")
    near = [
        text_package("hello", "1.0", depends=(), noarch="", files={"share/a": "a"}),
        text_package("hello", "1.1", depends=(), build="0", noarch="generic", files={"share/b": "b"}),
        text_package("hello", "1.1", depends=(), build="x_1", build_number=1, noarch="", files={"share/c": "c"}),
        text_package("hello", "1.10", depends=(), noarch="", files={"share/d": "d"}),
    ]
    far = [
        text_package("hello", "3.0", depends=(), noarch="generic", files={"share/e": "e"}),
        text_package("other", "1.0", depends=(), noarch="generic", files={"share/f": "f"}),
        text_package("needy", "1.0", depends=("hello >=3",), noarch="generic", files={"share/g": "g"}),
    ]
    write_channel(root / "near", near, with_python=False)
    write_channel(root / "far", far, with_python=False)
    return root


def solved(
    folder: Path,
    tmp_path: Path,
    *texts: str,
    channels: tuple[str, ...] = ("./near", "./far"),
    until: datetime | None = None,
) -> list[str]:
    """File names of the solution, a channel in front of each."""
    table = CondaTable.model_validate({"channels": channels, "packages": texts})
    known = places.channels(table, folder, str)
    asked, found = places.of_specs([read(text, where="conda.packages") for text in texts], known, folder, str)
    question = Solve(
        channels=found,
        subdir="linux-64",
        specs=tuple(map(str, asked)),
        relax=tuple(specs.relaxations(asked, (), found, cuda=False)),
        exclude_newer=until,
    )
    answer = client.solve(question, ChannelAccess(cache=tmp_path, environ=dict(os.environ)), emit=ignore)
    return [f"{package.channel.rpartition('/')[2]}/{package.subdir}/{package.stem}" for package in answer.packages]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hello", "near/linux-64/hello-1.10-0"),
        ("hello=1.1", "near/linux-64/hello-1.1-x_1"),
        ("hello==1.1", "near/linux-64/hello-1.1-x_1"),
        ("hello==1.0", "near/linux-64/hello-1.0-0"),
        ("hello 1.0", "near/linux-64/hello-1.0-0"),
        ("hello=1.1=0", "near/noarch/hello-1.1-0"),
        ("hello 1.1 0", "near/noarch/hello-1.1-0"),
        ("hello==1.1=0", "near/noarch/hello-1.1-0"),
        ("hello=*=x*", "near/linux-64/hello-1.1-x_1"),
        ("hello<1.10", "near/linux-64/hello-1.1-x_1"),
        ("hello 1.0|1.1=0", "near/noarch/hello-1.1-0"),
        ("hello[version='>=1,<2',build=x*]", "near/linux-64/hello-1.1-x_1"),
        ("hello[build_number='>=1']", "near/linux-64/hello-1.1-x_1"),
        ("near/noarch::hello", "near/noarch/hello-1.1-0"),
        ("near/linux-64::hello=1.1", "near/linux-64/hello-1.1-x_1"),
        ("far/noarch::hello>=2", "far/noarch/hello-3.0-0"),
        ("*/noarch::hello<2", "near/noarch/hello-1.1-0"),
        ("hello[subdir=noarch]", "near/noarch/hello-1.1-0"),
        ("far::hello", "far/noarch/hello-3.0-0"),
        ("./far::hello", "far/noarch/hello-3.0-0"),
        ("far::hello>=3", "far/noarch/hello-3.0-0"),
        ("near::hello", "near/linux-64/hello-1.10-0"),
        ("other", "far/noarch/other-1.0-0"),
    ],
)
def test_a_spec_gives_what_it_gives_with_conda(folder: Path, tmp_path: Path, text: str, found: str) -> None:
    assert solved(folder, tmp_path, text) == [found]


@pytest.mark.parametrize("text", ["hello>=3", "hello==3.0", "hello=3", "needy", "hello[version='>=3']"])
def test_the_first_channel_that_has_a_package_wins_with_every_spec(folder: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(TfprovError) as caught:
        solved(folder, tmp_path, text)
    assert caught.value.code.name == "conda-unsatisfiable"
    assert "far" in " ".join(caught.value.evidence)


@pytest.mark.parametrize(
    ("day", "is_there"), [("2023-11-13", False), ("2023-11-14", True), ("2023-11-14T22:00Z", False)]
)
def test_a_day_counts_to_its_end_as_for_wheels(folder: Path, tmp_path: Path, day: str, is_there: bool) -> None:
    # The packages of these channels are of 22:13 on that day.
    with contextlib.nullcontext() if is_there else pytest.raises(TfprovError, match="conflict"):
        assert solved(folder, tmp_path, "other", until=moment(day)) == ["far/noarch/other-1.0-0"]


def test_the_channel_that_would_give_it_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TfprovError) as caught:
        solved(folder, tmp_path, "hello>=3")
    far = (folder / "far").as_uri()
    assert (
        caught.value.what
        == f"the channel `{far}` has `hello >=3`, but a channel with higher priority has another `hello`"
    )
    assert caught.value.hint == f"write `{far}::hello>=3` to take it from there: that gives hello 3.0"
    assert solved(folder, tmp_path, f"{far}::hello>=3") == ["far/noarch/hello-3.0-0"]


def test_a_channel_that_only_a_spec_names_is_read_after_the_others(folder: Path, tmp_path: Path) -> None:
    found = solved(folder, tmp_path, "./far::other", "hello", channels=("./near",))
    assert sorted(found) == ["far/noarch/other-1.0-0", "near/linux-64/hello-1.10-0"]


def test_what_no_channel_has_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TfprovError) as caught:
        solved(folder, tmp_path, "hello==7")
    assert (caught.value.code.name, caught.value.what) == ("conda-package-missing", "the channels have no `hello ==7`")
    assert "without the version" in caught.value.hint


def test_a_platform_without_the_package_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TfprovError) as caught:
        solved(folder, tmp_path, "near/noarch::hello>=2")
    assert "hello >=2" in caught.value.what
    assert caught.value.code.name == "conda-package-missing"


@pytest.mark.parametrize("only", ["linux-64/repodata.json", "noarch/repodata.json"])
def test_a_good_index_is_not_replaced_by_a_cut_one(tmp_path: Path, only: str) -> None:
    site = CondaSite.ready(tmp_path)
    with ChannelServer(site.channel, only=only) as server:
        site.write(channels=f'["{server.channel}"]')
        assert site.run("lock", "train.toml").returncode == 0
        index = site.channel / only
        # Another text under another tag: the server has a new index, and it is cut off.
        index.write_bytes(index.read_bytes()[:-20] + b" " * 10)
        for _ in range(2):
            done = site.run("lock", "train.toml", "--upgrade")
            assert done.returncode == 0, done.stderr
            assert "the index read earlier is used" in done.stderr
            assert f"the index of a channel is damaged: `{server.channel}`" in " ".join(done.stderr.split())
    assert not list((site.home / "cache" / "conda").glob(".*"))


def test_the_channel_that_cannot_be_read_is_named_and_no_other(tmp_path: Path) -> None:
    site = CondaSite.ready(tmp_path)
    with ChannelServer(site.channel) as good, ChannelServer(site.channel, Faults(always_status=403)) as bad:
        site.write(channels=f'["{good.channel}", "{bad.channel}"]')
        done = site.run("lock", "train.toml")
        assert done.returncode == 12
        first = done.stderr[done.stderr.index("error[") :].splitlines()[0]
        assert bad.channel in first
        assert good.channel not in first


def test_kill_9_while_solving_leaves_no_secret_and_nothing_big(tmp_path: Path) -> None:
    site = CondaSite.ready(tmp_path)
    secret = "s3cr3t-p4ss"
    scratch = site.root / "tmp"
    scratch.mkdir()
    site.extra |= {"TOKEN": secret, "TMPDIR": str(scratch)}

    def holding() -> list[Path]:
        found = []
        for path in site.root.rglob("*"):
            # What a run deletes meanwhile has nothing any more.
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and not path.is_symlink() and secret.encode() in path.read_bytes():
                    found.append(path)
        return found

    killed, points = 0, int(os.environ.get("TFPROV_TEST_KILLS", "8"))
    early = points // 4
    with ChannelServer(site.channel, Faults(login=f"me:{secret}", header_delay=0.05)) as server:
        site.write(channels=f'["{server.channel.replace("http://", "http://me:${TOKEN}@")}"]')
        for point in range(points):
            before = len(server.seen)
            process = site.start("lock", "train.toml", "--upgrade")
            # In turn at the start, and when so many requests have come.
            deadline = time.monotonic() + (0.3 * point if point < early else 60)
            while process.poll() is None and time.monotonic() < deadline:
                if point >= early and len(server.seen) - before > (point - early) // 2:
                    break
                time.sleep(0.005)
            assert holding() == []
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
            killed += process.returncode == -signal.SIGKILL
            assert holding() == []
        assert killed >= points / 2
        done = site.run("lock", "train.toml", "--upgrade")
        assert done.returncode == 0, done.stderr
    assert holding() == []
    assert not [path for path in site.home.rglob("*") if path.name.endswith(".new")]
    assert sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file()) < 1_000_000


def test_a_release_of_the_channel_that_the_table_does_not_know_is_solved_and_proved(tmp_path: Path) -> None:
    site = CondaSite.ready(tmp_path)
    site.publish(tensorflow_packages("2.95.1"))
    site.write('[tensorflow]\nversion = "==2.95.1"\n', conda='tensorflow = "conda"')
    planned = site.run("plan", "train.toml")
    assert planned.returncode == 0, planned.stderr
    assert "the solver will show" in " ".join(planned.stdout.split())
    assert site.up()["tensorflow"]["version"] == "2.95.1"  # type: ignore[index] - a JSON document
    assert site.up()["already"] is True
    site.write('[tensorflow]\nversion = "==2.96.*"\n', conda='tensorflow = "conda"')
    failed = site.run("up", "train.toml")
    assert failed.returncode == 15
    assert "the channels have no `tensorflow 2.96.*" in failed.stderr
    assert site.imported() == "2.95.1"


def test_exact_pins_of_python_tensorflow_and_packages_hold(tmp_path: Path) -> None:
    site = CondaSite.ready(tmp_path)
    site.write(
        f'[python]\nversion = "=={VERSION}"\n[tensorflow]\nversion = "==2.19.1"\n',
        conda='tensorflow = "conda"\npackages = ["hello==1.0=0"]',
    )
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    locked = site.lock.read_text()
    assert f"/python-{VERSION}-" in locked
    assert "/tensorflow-2.19.1-cpu" in locked
    assert "/hello-1.0-0.conda" in locked
