"""Conda environments end to end: a channel with a real Python, the real worker, uv and probes; TensorFlow is a sham."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from channel import MINOR, SUBDIR, VERSION, ChannelServer, archive, text_package, write_channel
from conda_site import CondaSite, with_conda
from loopback import Faults
from site_under_test import OLDER, RELEASE, sham_wheel
from snapshots import Snapshot
from tfprov.conda import client
from tfprov.conda.records import Package
from tfprov.events import ignore
from wheels import build_wheel

pytestmark = with_conda


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> CondaSite:
    """An environment that many tests look at and none changes."""
    return brought_up(tmp_path_factory.mktemp("made"))


@pytest.fixture
def site(tmp_path: Path) -> CondaSite:
    return CondaSite.ready(tmp_path)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Snapshot[CondaSite]:
    return Snapshot(brought_up(tmp_path_factory.mktemp("first")))


@pytest.fixture
def own(first: Snapshot[CondaSite]) -> CondaSite:
    """As `made`, for a test that changes it."""
    return first.restore()


def brought_up(folder: Path) -> CondaSite:
    site = CondaSite.ready(folder)
    site.up()
    return site


def error_of(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode != 0, done.stdout
    found: dict[str, object] = json.loads(done.stdout)["error"]
    return found


# --- the good day ---------------------------------------------------------------------------------------------------


def test_a_conda_profile_becomes_a_verified_environment_without_any_conda(made: CondaSite) -> None:
    assert shutil.which("conda") is None or "conda" not in made.environ()["PATH"]
    again = made.up()
    assert again["already"] is True
    assert again["environment"]["kind"] == "conda"  # type: ignore[index] - a JSON document
    shown = made.run(
        "run", "train.toml", "--", "python", "-c", "import hello, sys, tensorflow; print(sys.prefix, sys.version)"
    )
    assert shown.returncode == 0, shown.stderr
    assert str(made.prefix) in shown.stdout
    assert VERSION in shown.stdout
    assert made.imported() == RELEASE


def test_the_history_names_what_was_asked_for(made: CondaSite) -> None:
    history = (made.prefix / "conda-meta" / "history").read_text()
    assert history.rstrip().splitlines()[-1].startswith("# update specs: ['python=")
    assert "'hello'" in history
    assert f"::python-{VERSION}-h0_0_cpython" in history


def test_the_records_name_the_channel_and_not_where_the_packages_were_linked_from(made: CondaSite) -> None:
    for path in (made.prefix / "conda-meta").glob("*.json"):
        record = json.loads(path.read_text())
        assert record["url"].startswith(made.channel.as_uri())
        assert record["channel"] == made.channel.as_uri()


def test_text_files_name_the_environment_and_not_where_they_were_packed(made: CondaSite) -> None:
    done = subprocess.run(
        [made.prefix / "bin" / "python", "-I", "-c", "import sysconfig; print(sysconfig.get_config_var('prefix'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(made.prefix)


def test_every_file_is_as_its_package_has_it(made: CondaSite) -> None:
    done = made.run("doctor", "train.toml")
    assert done.returncode == 0, done.stdout


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")  # of what it carries
def test_the_lock_is_read_by_conda_lock_and_by_rattler_alike(made: CondaSite) -> None:
    from conda_lock.lockfile import parse_conda_lock_file
    from rattler import LockFile

    ours = {(each.name, each.hash.sha256) for each in parse_conda_lock_file(made.lock).package}
    assert {name for name, _ in ours} == {"python", "pip", "hello", "tensorflow-cpu"}
    lock = LockFile.from_path(made.lock)
    ((_, environment),) = lock.environments()
    (platform,) = lock.platforms()
    packages = environment.packages(platform)
    assert packages is not None
    theirs = {(each.name, bytes(each.hashes.sha256).hex()) for each in packages if each.hashes and each.hashes.sha256}
    assert theirs == ours


def test_the_worker_that_writes_a_lock_reads_it_too_and_finds_what_others_find(made: CondaSite) -> None:
    (kept,) = made.home.glob("cache/conda/locks/*.json")
    # Nothing read the lock after it was there.
    assert kept.stat().st_mtime_ns <= made.lock.stat().st_mtime_ns
    answer = kept.read_bytes()
    kept.unlink()
    assert made.run("doctor", "train.toml").returncode == 0
    assert kept.read_bytes() == answer


def test_the_lock_can_be_rendered_for_other_tools(made: CondaSite) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "conda_lock", "render", "--kind", "explicit", "--platform", SUBDIR, str(made.lock)],
        cwd=made.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    explicit = (made.root / f"conda-{SUBDIR}.lock").read_text()
    assert explicit.count(".conda#") == 3
    # pip needs a Python to be there first.
    assert explicit.index("/python-") < explicit.index("/pip-")


def test_a_recreated_environment_is_linked_without_an_install(own: CondaSite) -> None:
    again = own.up("--recreate")
    stages = [stage["name"] for stage in again["stages"]]  # type: ignore[attr-defined] - a JSON document
    assert "install" not in stages
    assert again["bytes_fetched"] == 0
    # The one that it displaced has the same packages, and is not kept beside it.
    assert own.prefix.name == "0002"
    assert own.run("doctor", "train.toml").returncode == 0
    assert own.run("rollback", "train.toml").returncode == 2


def test_a_second_environment_with_the_same_packages_shares_them(own: CondaSite) -> None:
    other = own.root / "other.toml"
    other.write_text(own.profile.read_text().replace('name = "train"', 'name = "other"'))
    done = own.run("up", "other.toml", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bytes_fetched"] == 0
    first, second = (path / "bin" / f"python{MINOR}" for path in own.home.glob("data/environments/*/generations/0001"))
    assert first.stat().st_ino == second.stat().st_ino


# --- TensorFlow from the channel ------------------------------------------------------------------------------------


def test_the_channel_s_own_tensorflow_is_used_with_its_activation_scripts(site: CondaSite) -> None:
    site.write(conda='tensorflow = "conda"')
    document = site.up()
    assert document["tensorflow"]["version"] == "2.19.1"  # type: ignore[index] - a JSON document
    assert "cpu_py" in site.lock.read_text()
    assert not (site.packages / f"tensorflow_cpu-{RELEASE}.dist-info").exists()
    shown = site.run("run", "train.toml", "--", "sh", "-c", "echo $SHAM_ACTIVATED:$CONDA_PREFIX")
    current = site.prefix.parents[1] / "current"
    assert shown.stdout.strip() == f"{current}:{current}"


def test_a_smoke_test_sees_the_activation_scripts_and_not_the_user_site(site: CondaSite) -> None:
    script = """import os, site, sys
assert os.environ["SHAM_ACTIVATED"] == sys.prefix
assert not site.ENABLE_USER_SITE
import hello
assert hello.__version__ == "1.0"
"""
    (site.root / "check.py").write_text(script)
    user = site.root / ".local" / "lib" / f"python{MINOR}" / "site-packages"
    user.mkdir(parents=True)
    (user / "hello.py").write_text("__version__ = 'from the user site'\n")
    site.write(conda='tensorflow = "conda"\npackages = ["hello"]', smoke='level = "quick"\nscripts = ["check.py"]')
    assert site.up()["ok"] is True


def test_a_gpu_environment_is_locked_on_a_machine_without_one(site: CondaSite) -> None:
    site.write('[tensorflow]\naccelerator = "cuda"\n', conda='tensorflow = "conda"', smoke='gpu = "later"')
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    text = site.lock.read_text()
    assert "cuda128" in text
    assert '"name":"__cuda","version":"12.8"' in text


def test_an_old_driver_is_an_error_and_never_a_cpu_build(site: CondaSite) -> None:
    site.write(
        '[tensorflow]\naccelerator = "cuda"\n',
        conda='tensorflow = "conda"\ncuda = "11.4"',
        smoke='gpu = "later"',
    )
    error = error_of(site.run("lock", "train.toml", "--json"))
    assert error["code"] == "gpu-driver-too-old"
    assert "newer CUDA than 11.4" in str(error["hint"])
    assert not site.lock.exists()


def test_an_absent_driver_is_an_error_and_never_a_cpu_build(site: CondaSite) -> None:
    site.write('[tensorflow]\naccelerator = "cuda"\n', conda='tensorflow = "conda"')
    error = error_of(site.run("up", "train.toml", "--json"))
    assert error["code"] in ("gpu-no-driver", "docker-no-gpu", "gpu-no-device")


# --- never both -----------------------------------------------------------------------------------------------------


def test_tensorflow_among_the_conda_packages_is_refused(site: CondaSite) -> None:
    site.write(conda='packages = ["tensorflow"]')
    assert error_of(site.run("up", "train.toml", "--json"))["code"] == "several-tensorflows"


def test_a_conda_package_that_brings_tensorflow_beside_the_wheel_is_refused(site: CondaSite) -> None:
    site.publish([text_package("sonnet", "2.0", depends=("python", "tensorflow"))])
    site.write(conda='packages = ["sonnet"]')
    error = error_of(site.run("up", "train.toml", "--json"))
    assert error["code"] == "several-tensorflows"
    assert error["evidence"] == ["`sonnet-2.0-0` needs `tensorflow`"]


def test_a_project_that_conda_brings_is_not_installed_again_as_a_wheel(site: CondaSite) -> None:
    site.publish([text_package("wheely", "1.0", dist="wheely")])
    site.offer(build_wheel(site.root / "built", "helper", "1.0", requires=["wheely"]))
    site.write('[packages]\nrequirements = ["helper"]\n', conda='packages = ["wheely"]')
    site.up()
    names = {each["name"] for each in json.loads(site.run("lock", "train.toml", "--json").stdout)["files"]}
    assert {"wheely", "helper"} <= names
    assert "wheely-1.0-py3" not in site.lock.read_text()


def test_a_project_hidden_in_a_conda_package_of_another_name_is_not_overwritten(site: CondaSite) -> None:
    site.publish([text_package("py-wheely", "1.0", {"site-packages/wheely.py": ""}, dist="wheely")])
    site.write('[packages]\nrequirements = ["wheely"]\n', conda='packages = ["py-wheely"]')
    error = error_of(site.run("up", "train.toml", "--json"))
    assert error["code"] == "conda-pip-mix"
    assert site.generations() == ["0001"]
    assert not list(site.home.glob("data/environments/*/current"))


def test_a_plan_names_what_changes_and_what_is_moved(site: CondaSite) -> None:
    site.publish(
        [text_package("hello", "1.0"), text_package("py-other", "3.1", {"site-packages/other.py": ""}, dist="other")]
    )
    site.write()
    assert json.loads(site.run("plan", "train.toml", "--json").stdout)["changes"] is None
    site.up()
    nothing = json.loads(site.run("plan", "train.toml", "--json").stdout)
    assert (nothing["changes"], nothing["fetch_bytes"]) == ([], 0)
    site.write(conda='packages = ["py-other"]')
    before = site.lock.read_bytes()
    update = json.loads(site.run("plan", "train.toml", "--json").stdout)
    assert update["changes"] == ["- hello 1.0", "+ py-other 3.1"]
    assert update["fetch_bytes"] == sum(path.stat().st_size for path in site.channel.glob("*/py-other-*"))
    assert site.lock.read_bytes() == before
    site.write('[packages]\nrequirements = ["wheely"]\n', conda='packages = ["py-other"]')
    assert site.up()["changes"] == [*update["changes"], "+ wheely 1.0"]


# --- what cannot be solved ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conda", "code", "what", "hint"),
    [
        ('packages = ["ffmpeg"]', "conda-package-missing", "no `ffmpeg`", "without `ffmpeg` (`conda.packages`)"),
        ('packages = ["hello>=2"]', "conda-package-missing", "no `hello >=2`", "that gives hello 1.0"),
        (
            'packages = ["left", "right"]',
            "conda-unsatisfiable",
            "the conda packages conflict",
            "without the version of",
        ),
    ],
)
def test_what_cannot_be_had_is_said_in_one_line_with_the_smallest_change(
    site: CondaSite, conda: str, code: str, what: str, hint: str
) -> None:
    site.publish(
        [
            text_package("left", "1.0", depends=("python", "hello 1.*")),
            text_package("right", "1.0", depends=("python", "hello 2.*")),
        ]
    )
    site.write(conda=conda)
    error = error_of(site.run("up", "train.toml", "--json"))
    assert error["code"] == code
    assert what in str(error["what"])
    if code != "conda-unsatisfiable":
        assert hint in str(error["hint"])
    else:
        assert "without `right` (`conda.packages`)" in str(error["hint"])


def test_a_python_that_the_channel_does_not_have_is_named(site: CondaSite) -> None:
    site.write('[python]\nversion = "==3.10.99"\n')
    error = error_of(site.run("up", "train.toml", "--json"))
    assert error["code"] in ("conda-package-missing", "version-not-available", "python-unsupported")


# --- damage and repair ----------------------------------------------------------------------------------------------


def test_what_was_written_into_linked_files_is_found_and_put_right(own: CondaSite) -> None:
    (own.prefix / "lib" / f"python{MINOR}" / "ssl.py").unlink()
    # In place: the unpacked package shares these bytes.
    (own.packages / "hello.py").write_text("__version__ = 'damaged'\n")
    done = own.run("doctor", "train.toml", "--json")
    assert done.returncode == 16
    found = {(one["code"], Path(one["path"]).name) for one in json.loads(done.stdout)["findings"]}
    assert found == {("file-damaged", "ssl.py"), ("file-damaged", "hello.py")}
    assert own.run("repair", "train.toml").returncode == 0
    assert own.run("doctor", "train.toml").returncode == 0
    assert "1.0" in (own.packages / "hello.py").read_text()


def test_a_package_that_was_added_by_hand_is_drift(own: CondaSite) -> None:
    meta = own.prefix / "conda-meta"
    record = json.loads((meta / "hello-1.0-0.json").read_text()) | {"name": "stranger", "files": [], "paths_data": {}}
    (meta / "stranger-1.0-0.json").write_text(json.dumps(record))
    done = own.run("doctor", "train.toml", "--json")
    assert [one["code"] for one in json.loads(done.stdout)["findings"]] == ["package-drift"]


def test_a_damaged_archive_in_the_store_is_fetched_again(own: CondaSite) -> None:
    (archive,) = own.home.glob("cache/store/sha256/*/*/hello-1.0-0.conda")
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    shutil.rmtree(own.home / "cache" / "conda" / "packages")
    done = own.run("up", "train.toml", "--recreate", "--json")
    assert done.returncode == 0, done.stderr
    assert own.run("doctor", "train.toml").returncode == 0


# --- the lock -------------------------------------------------------------------------------------------------------


def test_locked_refuses_to_make_or_change_a_lock(site: CondaSite) -> None:
    assert error_of(site.run("up", "train.toml", "--locked", "--json"))["code"] == "lock-missing"
    site.up()
    assert site.up("--locked")["already"] is True
    site.write(conda="")
    assert error_of(site.run("up", "train.toml", "--locked", "--json"))["code"] == "lock-unfit"


def test_versions_that_still_fit_are_kept_until_an_upgrade(own: CondaSite) -> None:
    own.publish([text_package("hello", "1.1", dist="hello"), text_package("more", "1.0")])
    own.write(conda='packages = ["hello", "more"]')
    own.up()
    assert "hello-1.0-0.conda" in own.lock.read_text()
    assert own.run("lock", "train.toml", "--upgrade").returncode == 0
    assert "hello-1.1-0.conda" in own.lock.read_text()


def test_a_lock_of_another_tool_is_never_overwritten(own: CondaSite) -> None:
    foreign = own.lock.read_text().replace("created_by: tfprov", "created_by: other").replace("tfprov:", "other:")
    own.lock.write_text(foreign)
    assert error_of(own.run("up", "train.toml", "--json"))["code"] == "lock-invalid"
    assert error_of(own.run("lock", "train.toml", "--upgrade", "--json"))["code"] == "path-not-ours"
    assert own.lock.read_text() == foreign


@pytest.mark.parametrize("text", ["", "version: 1\n", "version: 1\npackage: [", "\x00", "version: 9\n"])
def test_a_lock_that_is_none_is_said_to_be_none(site: CondaSite, text: str) -> None:
    site.lock.write_text(text)
    assert error_of(site.run("up", "train.toml", "--json"))["code"] == "lock-invalid"


def test_a_conflict_of_git_in_a_lock_is_called_one(own: CondaSite) -> None:
    own.lock.write_text(f"<<<<<<< HEAD\n{own.lock.read_text()}=======\n>>>>>>> theirs\n")
    assert "unresolved git conflict" in str(error_of(own.run("up", "train.toml", "--json"))["what"])


# --- channels over the network --------------------------------------------------------------------------------------


def test_a_channel_is_served_and_comes_whole(site: CondaSite) -> None:
    with ChannelServer(site.channel) as server:
        site.write(channels=f'["{server.channel}"]')
        document = site.up()
        assert int(str(document["bytes_fetched"])) > 1_000_000
        assert server.channel in site.lock.read_text()


FAULTS = {
    "a package that is cut every megabyte": (Faults(cut_every=1 << 20), ".conda"),
    "a package that comes damaged once": (
        Faults(flips=(5_000_000,), flip_times=1),
        f"python-{VERSION}-h0_0_cpython.conda",
    ),
    "packages after two refusals": (Faults(statuses=(503, 503)), ".conda"),
    "an index after two refusals": (Faults(statuses=(503, 503)), "repodata.json"),
    "an index that is cut short once": (Faults(dead_first=1), ""),
    "indexes that answer 503 five times each": (Faults(each=(503,) * 5), "repodata.json"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_on_the_way_are_overcome(site: CondaSite, name: str) -> None:
    faults, only = FAULTS[name]
    with ChannelServer(site.channel, faults, only=only) as server:
        site.write(channels=f'["{server.channel}"]', conda="")
        assert site.up()["ok"] is True


def test_a_cut_package_is_resumed_and_not_paid_for_twice(site: CondaSite) -> None:
    with ChannelServer(site.channel, Faults(cut_every=2 << 20), only=".conda") as server:
        site.write(channels=f'["{server.channel}"]', conda="")
        site.up()
        whole = sum(path.stat().st_size for path in site.channel.rglob("*.conda") if "tensorflow" not in path.name)
        assert server.sent < whole * 1.3


HOPELESS = {
    "a channel that is not there": (Faults(always_status=404), "", "conda-http"),
    "a channel that refuses": (Faults(always_status=403), "", "mirror-http-error"),
    "an index that is no index": (Faults(flips=tuple(range(40, 400))), "repodata.json", "cache-corrupt"),
    "a package that is gone": (Faults(always_status=404), "hello-1.0-0.conda", "mirror-http-error"),
    "a package that is another one": (Faults(flips=(60,)), "hello-1.0-0.conda", "hash-mismatch"),
}


@pytest.fixture(scope="module")
def without_hello(tmp_path_factory: pytest.TempPathFactory) -> Snapshot[CondaSite]:
    site = CondaSite.ready(tmp_path_factory.mktemp("without"))
    site.write(conda="")
    site.up()
    return Snapshot(site)


@pytest.mark.parametrize("name", HOPELESS)
def test_faults_that_stay_have_their_code_and_leave_the_old_environment(
    without_hello: Snapshot[CondaSite], name: str
) -> None:
    faults, only, code = HOPELESS[name]
    site = without_hello.restore()
    before = site.prefix
    with ChannelServer(site.channel, faults, only=only) as server:
        site.write(channels=f'["{server.channel}"]')
        # Nothing of the first run may help.
        shutil.rmtree(site.home / "cache")
        assert error_of(site.run("up", "train.toml", "--json"))["code"] == code
    assert site.prefix == before
    assert site.imported() == RELEASE


def test_a_file_that_was_swapped_in_a_folder_is_never_linked(site: CondaSite) -> None:
    # The library checks no hash of what it reads from a file:// address.
    assert site.run("lock", "train.toml").returncode == 0
    (archive,) = site.channel.glob("noarch/hello-1.0-0.conda")
    index = (site.channel / "noarch" / "repodata.json").read_bytes()
    write_channel(site.channel, [text_package("hello", "1.0", {"site-packages/hello.py": "evil = 1\n"})])
    (site.channel / "noarch" / "repodata.json").write_bytes(index)
    assert archive.is_file()
    assert error_of(site.run("up", "train.toml", "--json"))["code"] == "hash-mismatch"
    assert not list(site.home.glob("cache/conda/packages/hello*"))


def test_a_mirror_stands_in_for_a_dead_channel_and_the_lock_names_the_channel(site: CondaSite) -> None:
    with ChannelServer(site.channel) as mirror, ChannelServer(site.channel, Faults(always_status=503)) as dead:
        site.write(channels=f'["{dead.channel}"]', conda=f'[conda.mirrors]\n"{dead.channel}" = ["{mirror.channel}"]\n')
        assert site.up()["ok"] is True
        assert mirror.channel not in site.lock.read_text()
        assert dead.channel in site.lock.read_text()


def test_a_folder_stands_in_for_a_dead_channel(site: CondaSite) -> None:
    with ChannelServer(site.channel, Faults(always_status=503)) as dead:
        site.write(channels=f'["{dead.channel}"]', conda=f'[conda.mirrors]\n"{dead.channel}" = ["./channel"]\n')
        assert site.up()["ok"] is True


def test_a_channel_that_was_read_before_is_solved_from_without_it(site: CondaSite) -> None:
    with ChannelServer(site.channel) as server:
        site.write(channels=f'["{server.channel}"]')
        site.up()
        address = server.channel
    site.write(channels=f'["{address}"]', conda='packages = ["hello<2"]')
    # One that refuses connections would be waited for.
    done = site.run("up", "train.toml", "--json", "--set", 'strategies.skip=["patient"]')
    assert done.returncode == 0, done.stderr
    assert "the index read earlier is used" in done.stderr


SECRET = "s3cr3t-t0k3n"


@pytest.mark.parametrize("way", ["token", "password"])
def test_credentials_reach_the_channel_and_no_file(site: CondaSite, way: str) -> None:
    faults = Faults() if way == "token" else Faults(login=f"me:{SECRET}")
    with ChannelServer(site.channel, faults, token=SECRET if way == "token" else None) as server:
        written = (
            f"{server.origin}/t/${{TOKEN}}/channel"
            if way == "token"
            else server.channel.replace("http://", "http://me:${TOKEN}@")
        )
        site.extra["TOKEN"] = SECRET
        site.write(channels=f'["{written}"]')
        done = site.run("up", "train.toml", "--json", "--verbose")
        assert done.returncode == 0, done.stderr
        assert SECRET not in done.stdout + done.stderr
        site.extra["TOKEN"] = f"wrong-{SECRET}"
        site.write(channels=f'["{written}"]', conda="")
        failed = site.run("up", "train.toml", "--upgrade", "--json", "--verbose")
        assert error_of(failed)["code"] == "mirror-http-error"
        assert SECRET not in failed.stdout + failed.stderr
    holding = [
        path
        for path in site.root.rglob("*")
        if path.is_file() and not path.is_symlink() and SECRET.encode() in path.read_bytes()
    ]
    assert holding == []


# --- other engines, other kinds -------------------------------------------------------------------------------------

STAND_IN = """#!{python} -I
# A stand-in for micromamba: links what an explicit file names, through the library, and notes how it was called.
import json, os, subprocess, sys
open({called!r}, "a").write(json.dumps(sys.argv[1:]) + "\\n")
if "--version" in sys.argv:
    print("2.0.5")
    raise SystemExit(0)
prefix, listed = (sys.argv[sys.argv.index(name) + 1] for name in ("--prefix", "--file"))
import hashlib, urllib.request, urllib.parse
packages = []
for line in open(listed):
    if line.startswith("file://"):
        path = urllib.request.url2pathname(urllib.parse.urlsplit(line.split("#")[0].strip()).path)
        name = os.path.basename(path)
        content = open(path, "rb").read()
        packages.append({{"stem": name[:-6], "filename": name, "path": path, "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(), "md5": line.split("#")[1].strip()}})
os.makedirs(prefix)
request = {{"operation": "link", "prefix": prefix, "cache": os.environ["CONDA_PKGS_DIRS"], "packages": packages}}
argv = [{python!r}, "-I", "-m", "tfprov.conda.worker"]
done = subprocess.run(argv, input=json.dumps(request), text=True, capture_output=True)
sys.stderr.write(done.stdout[-500:])
raise SystemExit({status})
"""


def stand_in(site: CondaSite, *, status: int = 0) -> Path:
    path = site.root / "micromamba"
    text = STAND_IN.format(python=sys.executable, called=str(site.root / "called"), status=status)
    # The kernel takes one argument behind the interpreter, and no blank in its path.
    path.write_text(
        text.replace(f"#!{sys.executable} -I", f"#!/bin/sh\n'''exec' '{sys.executable}' -I \"$0\" \"$@\" #'''")
    )
    path.chmod(0o755)
    return path


def test_an_installed_program_links_the_locked_packages_and_never_solves(site: CondaSite) -> None:
    stand_in(site)
    site.write(conda='packages = ["hello"]\nengine = "executable"\nexecutable = "micromamba"')
    assert site.up()["ok"] is True
    calls = [json.loads(line) for line in (site.root / "called").read_text().splitlines()]
    assert [call[0] for call in calls] == ["--version", "create"]
    assert "--offline" in calls[1]
    assert "--file" in calls[1]
    assert site.run("doctor", "train.toml").returncode == 0


def test_an_installed_program_that_fails_is_told_with_its_words(site: CondaSite) -> None:
    stand_in(site, status=3)
    site.write(conda='engine = "executable"\nexecutable = "micromamba"')
    error = error_of(site.run("up", "train.toml", "--json"))
    assert error["code"] == "install-failed"
    assert "status 3" in str(error["what"])


def test_without_such_a_program_the_profile_is_told_what_to_do(site: CondaSite) -> None:
    site.write(conda='engine = "executable"\nexecutable = "nothing-here"')
    error = error_of(site.run("up", "train.toml", "--json"))
    assert error["code"] == "not-supported"
    assert 'conda.engine = "library"' in str(error["hint"])


def test_an_upgrade_that_fails_its_smoke_test_leaves_the_old_environment(own: CondaSite) -> None:
    own.offer(sham_wheel(own.root / "bad", OLDER, sabotage="\ndef matmul(left, right):\n    return left\n"))
    own.write('[tensorflow]\nversion = "<2.21"\n')
    assert error_of(own.run("up", "train.toml", "--json"))["code"] == "wrong-number"
    assert own.imported() == RELEASE


def test_the_old_archive_format_is_taken_as_well(tmp_path: Path) -> None:
    site = CondaSite.make(tmp_path)
    site.offer(sham_wheel(site.root / "built", RELEASE))
    write_channel(site.channel, [text_package("hello", "1.0", dist="hello")], kind=".tar.bz2")
    write_channel(site.channel, [])
    with ChannelServer(site.channel, Faults(flips=(200,), flip_times=1), only="hello-1.0-0.tar.bz2") as server:
        site.write(channels=f'["{server.channel}"]')
        site.up()
    assert site.run("doctor", "train.toml").returncode == 0


def test_two_runs_at_once_make_one_environment(site: CondaSite) -> None:
    runs = [site.start("up", "train.toml", "--json") for _ in range(2)]
    assert [run.wait(300) for run in runs] == [0, 0]
    for run in runs:
        run.communicate()
    assert site.generations() == ["0001"]
    assert site.run("doctor", "train.toml").returncode == 0


def test_a_home_that_cannot_be_written_is_said_to_be_so(site: CondaSite) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    shutil.rmtree(site.home)
    site.home.mkdir()
    site.home.chmod(0o500)
    assert error_of(site.run("up", "train.toml", "--json"))["code"] == "permission-denied"


def test_an_interpreter_for_a_virtual_environment_comes_from_a_channel(site: CondaSite) -> None:
    from tfprov.events import ignore
    from tfprov.host.facts import gather
    from tfprov.pipeline.backends.conda.linking import bring_python
    from tfprov.pipeline.context import Context, Request
    from tfprov.pipeline.machine import Machine

    context = Context(Request(profile=str(site.profile), cwd=site.root, environ=site.environ()), ignore)
    machine = Machine(context, gather(site.environ()))
    python = bring_python(context, machine, MINOR, None)
    # A half linked one, as a killed run leaves it, is begun anew.
    (python.parents[1] / "conda-meta" / "tfprov-complete").unlink()
    (python.parents[1] / "lib" / f"python{MINOR}" / "os.py").unlink()
    assert bring_python(context, machine, MINOR, None) == python
    assert bring_python(context, machine, MINOR, f">={MINOR}") == python
    done = subprocess.run(
        [python, "-I", "-c", "import ssl, sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(python.parents[1])
    site.write(conda="")
    site.profile.write_text(site.profile.read_text().replace('kind = "conda"', 'kind = "venv"'))
    site.profile.write_text(site.profile.read_text() + f'[python]\npath = "{python}"\n')
    assert site.up()["environment"]["kind"] == "venv"  # type: ignore[index] - a JSON document


def test_two_runs_that_bring_the_same_interpreter_link_it_once(
    site: CondaSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tfprov.events import ignore
    from tfprov.host.facts import gather
    from tfprov.pipeline.backends.conda import linking
    from tfprov.pipeline.context import Context, Request
    from tfprov.pipeline.machine import Machine

    linked, link = [], linking.client.link

    def counting(prefix: Path, *arguments: Any, **more: Any) -> None:
        linked.append(prefix)
        link(prefix, *arguments, **more)

    monkeypatch.setattr(linking.client, "link", counting)

    def bring(_: int) -> Path:
        context = Context(Request(profile=str(site.profile), cwd=site.root, environ=site.environ()), ignore)
        return linking.bring_python(context, Machine(context, gather(site.environ())), MINOR, None)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(bring, range(2))
    assert first == second
    assert linked == [first.parents[1]]
    assert subprocess.run([first, "-I", "-c", "import ssl"], check=False).returncode == 0


def test_a_lock_is_made_for_another_machine(site: CondaSite) -> None:
    facts = json.loads(site.run("facts", "--json").stdout)
    facts["libc"]["value"] = {"kind": "glibc", "version": "2.40"}
    facts["driver"] = {"value": {"version": "560.35.03", "cuda": "12.6"}, "source": "test"}
    gpu = {"index": 0, "name": "NVIDIA H100 80GB HBM3", "compute_capability": "9.0"}
    facts["gpus"] = {"value": [gpu], "source": "test"}
    facts["gpu_problem"] = {"value": None, "source": "test"}
    (site.root / "host.json").write_text(json.dumps(facts))
    site.write('[tensorflow]\naccelerator = "cuda"\n', conda='tensorflow = "conda"')
    done = site.run("lock", "train.toml", "--host", "host.json", "--json")
    assert done.returncode == 0, done.stderr
    text = site.lock.read_text()
    assert "cuda128" in text
    assert '"name":"__cuda","version":"12.6"' in text
    assert '"name":"__glibc","version":"2.40"' in text


MOMENTS = {
    "while a package is unpacked": "home/cache/conda/packages/.python-*.new",
    "while packages are linked": "home/data/environments/*/generations/0002/lib/*",
    "before the wheels": "home/data/environments/*/generations/0002/conda-meta/history",
    "while the wheels go in": f"home/data/environments/*/generations/0002/lib/python{MINOR}/site-packages/tensorflow",
    "before the seal": "home/data/environments/*/generations/0002/tfprov.manifest",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_the_environment_in_use_stays_and_the_next_run_succeeds(
    own: CondaSite, moment: str
) -> None:
    # Everything is to be done again, so that there is something to be killed in.
    shutil.rmtree(own.home / "cache" / "conda" / "packages")
    shutil.rmtree(own.home / "data" / "images")
    run = own.start("up", "train.toml", "--recreate")
    deadline = time.monotonic() + 120
    while not list(own.root.glob(MOMENTS[moment])) and run.poll() is None:
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.001)
    run.kill()
    run.communicate()
    # The environment may have been finished just before; it is verified then.
    assert own.prefix.name in ("0001", "0002")
    assert own.imported() == RELEASE
    assert own.up("--recreate")["ok"] is True
    assert own.run("doctor", "train.toml").returncode == 0
    # What the killed worker left half unpacked goes at the latest when its process is known to be dead.
    own.up("--recreate")
    assert not list((own.home / "cache" / "conda" / "packages").glob(".*.new"))


def test_packages_of_one_name_and_another_content_are_never_taken_for_each_other(tmp_path: Path) -> None:
    """Two channels may have the same name, version and build."""

    def linked(content: str) -> str:
        given = text_package("hello", "1.0", {"share/hello": content}, depends=(), noarch="generic")
        packed = archive(given)
        path = tmp_path / f"{content}.conda"
        path.write_bytes(packed)
        package = Package(
            name="hello",
            version="1.0",
            build="0",
            subdir="noarch",
            channel=f"https://{content}.invalid",
            url=f"https://{content}.invalid/noarch/hello-1.0-0.conda",
            sha256=hashlib.sha256(packed).hexdigest(),
            md5=hashlib.md5(packed).hexdigest(),
            size=len(packed),
        )
        prefix = tmp_path / "prefix"
        shutil.rmtree(prefix, ignore_errors=True)
        prefix.mkdir()
        client.link(
            prefix,
            (client.LinkPackage(package=package, path=path),),
            cache=tmp_path / "cache",
            environ=dict(os.environ),
            emit=ignore,
            seconds=60,
        )
        return (prefix / "share" / "hello").read_text()

    for content in ("one", "two", "two", "one"):
        assert linked(content) == content
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.suffix in (".new", ".tmp")] == []


def test_what_is_said_at_the_end_can_be_typed(site: CondaSite) -> None:
    done = site.run("up", "train.toml")
    assert done.returncode == 0, done.stderr
    assert "tfprov shell train.toml" in done.stdout
    assert "bin/activate" not in done.stdout


# --- one that somebody else made ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Snapshot[CondaSite]:
    """A conda environment with wheels among its packages, at a path of its own, as conda and pip leave one."""
    site = CondaSite.ready(tmp_path_factory.mktemp("foreign"))
    site.write('[packages]\nrequirements = ["wheely"]\n')
    site.up()
    root = of_others(site)
    shutil.copytree(site.prefix, root, symlinks=True)
    for path in (*root.glob("tfprov*"), *root.glob("lib/python*/site-packages/*tfprov*")):
        path.unlink() if path.is_file() or path.is_symlink() else shutil.rmtree(path)
    for path in root.rglob("*.dist-info/INSTALLER"):
        path.write_text("pip\n")
    assert site.run("remove", "train.toml", "--yes", "--force").returncode == 0
    return Snapshot(site)


def of_others(site: CondaSite) -> Path:
    return site.root / "envs" / "tf"


STATES = ("whole", "a conda file gone", "history gone", "python gone", "pip over conda", "shadowed by the user site")


@pytest.mark.parametrize("state", STATES)
def test_a_conda_environment_of_others_is_recreated_in_its_place(foreign: Snapshot[CondaSite], state: str) -> None:
    site = foreign.restore()
    root = of_others(site)
    if state == "a conda file gone":
        (root / "lib" / f"python{MINOR}" / "site-packages" / "hello.py").unlink()
    if state == "history gone":
        (root / "conda-meta" / "history").unlink()
    if state == "python gone":
        for path in (root / "bin").glob("python*"):
            path.unlink()
    library = root / "lib" / f"python{MINOR}" / "site-packages"
    if state == "pip over conda":
        newer = build_wheel(site.root / "built", "hello", "2.0", files={"hello.py": "__version__ = '2.0'\n"})
        site.offer(newer)
        shutil.rmtree(library / "hello-1.0.dist-info")
        with zipfile.ZipFile(newer) as archive:
            archive.extractall(library)
        (library / "hello-2.0.dist-info" / "INSTALLER").write_text("pip\n")
    if state == "shadowed by the user site":
        shadow = site.root / ".local" / "lib" / f"python{MINOR}" / "site-packages"
        shutil.copytree(library / "hello-1.0.dist-info", shadow / "hello-0.1.dist-info")
        (shadow / "hello.py").write_text("raise ImportError('the one of the user site')\n")
    before = sorted(str(path) for path in root.rglob("*"))
    index = f"index.url={(site.root / 'index').as_uri()}"
    options = ("--in-place", "--output", "tf.toml", "--set", "smoke.level=quick", "--set", index, "--json")
    done = site.run("adopt", str(root), *options)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["found"]["kind"], document["environment"]["kind"]) == ("conda", "conda")
    if state == "a conda file gone":
        damaged = [one["path"] for one in document["findings"] if one["code"] == "file-damaged"]
        assert damaged == [f"lib/python{MINOR}/site-packages/hello.py"]
    assert (root / "conda-meta").is_dir()
    modules = "tensorflow, wheely" if state == "history gone" else "hello, tensorflow, wheely"
    shown = subprocess.run([root / "bin" / "python", "-c", f"import {modules}"], capture_output=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert site.run("rollback", "tf.toml").returncode == 0
    there = root.resolve()
    assert sorted(str(root / path.relative_to(there)) for path in there.rglob("*")) == before


def test_the_base_of_a_conda_is_never_replaced(foreign: Snapshot[CondaSite]) -> None:
    site = foreign.restore()
    root = of_others(site)
    (root / "condabin").mkdir()
    done = site.run("adopt", str(root), "--in-place", "--output", "tf.toml", "--json")
    assert error_of(done)["code"] == "not-supported"
    assert not root.is_symlink()
