"""Bundles from end to end on tiny wheels: made where there is an index, used where there is none."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from uv import find_uv_bin

from site_under_test import HOME, OLDER, RELEASE, TAG, WINDOWS, Site, of_the_system, only_here, sham_wheel
from tfprov.bundle.records import MANIFEST, identity
from wheels import build_wheel

pytestmark = only_here


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A project whose bundles were made: `old` and `new` as folders, `new.tar`, and `delta` from old to new."""
    site = Site.make(tmp_path_factory.mktemp("made"))
    site.offer(sham_wheel(site.root / "built", OLDER), build_wheel(site.root / "built", "helper", "1.0"))
    (site.root / "check.py").write_text("import helper\n")
    (site.root / "more.txt").write_text("helper\n")
    body = '[packages]\nfiles = ["more.txt"]\n'
    smoke = 'level = "quick"\nscripts = ["check.py"]'
    site.write(body, smoke=smoke)
    bundle(site, "train.toml", "-o", "old")
    site.offer(sham_wheel(site.root / "built", RELEASE))
    assert site.run("lock", "train.toml", "--upgrade").returncode == 0
    bundle(site, "train.toml", "-o", "new")
    bundle(site, "train.toml", "-o", "new.tar")
    bundle(site, "train.toml", "-o", "delta", "--delta", "old")
    return site


def bundle(site: Site, *arguments: str) -> dict[str, object]:
    done = site.run("bundle", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, object] = json.loads(done.stdout)["bundle"]
    return document


@pytest.fixture
def target(made: Site, tmp_path: Path) -> Site:
    """Another machine: a home of its own, no project, and nothing at the address of the index."""
    site = Site.make(tmp_path)
    for name in ("old", "new", "delta"):
        shutil.copytree(made.root / name, site.root / name, copy_function=linked_if_big)
    os.link(made.root / "new.tar", site.root / "new.tar")
    return site


def linked_if_big(source: str, target: str) -> None:
    """Copy a file; a wheel of one of tfprov's dependencies, which no test changes, gets a further name instead."""
    name = Path(source).name
    if os.stat(source).st_size > 1 << 20 and not name.startswith(("tfprov-", "tensorflow")):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


@pytest.fixture(autouse=True)
def hidden_index(made: Site) -> Iterator[None]:
    """While a target works, the index of the project is not there: who asks it fails."""
    index = made.root / "index"
    index.rename(made.root / "index hidden")
    yield
    (made.root / "index hidden").rename(index)


def up(site: Site, *arguments: str) -> dict[str, object]:
    done = site.run("up", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, object] = json.loads(done.stdout)
    return document


def failed(site: Site, *arguments: str) -> dict[str, object]:
    done = site.run(*arguments, "--json")
    assert done.returncode != 0, done.stdout
    error: dict[str, object] = json.loads(done.stdout)["error"]
    assert error["exit_code"] == done.returncode
    return error


def version(site: Site) -> str:
    done = site.run("run", "train", "--", "python", "-c", "import helper, tensorflow; print(tensorflow.__version__)")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("source", ["new", "new.tar", "new/bundle.json"])
def test_a_bundle_becomes_a_verified_environment_without_index(target: Site, source: str) -> None:
    document = up(target, "--bundle", source)
    assert (document["already"], document["bytes_fetched"]) == (False, 0)
    assert {device["name"]: device["ok"] for device in document["devices"]} == {"environment": True, "CPU:0": True}  # type: ignore[attr-defined]  # a JSON document
    assert version(target) == RELEASE
    assert up(target, "--bundle", source)["already"] is True


def test_the_next_bundle_of_a_name_updates_the_same_environment_and_can_be_rolled_back(target: Site) -> None:
    assert up(target, "--bundle", "old")["environment"]["generation"] == 1  # type: ignore[index]  # a JSON document
    assert version(target) == OLDER
    assert up(target, "--bundle", "new")["environment"]["generation"] == 2  # type: ignore[index]  # a JSON document
    assert version(target) == RELEASE
    assert target.run("rollback", "train").returncode == 0
    assert version(target) == OLDER


def test_a_delta_needs_the_older_bundle_until_its_wheels_are_in_the_store(target: Site) -> None:
    error = failed(target, "up", "--bundle", "delta")
    assert error["code"] == "bundle-incomplete"
    assert up(target, "--bundle", "delta", "--bundle", "old")["ok"] is True
    assert version(target) == RELEASE
    shutil.rmtree(target.home)
    up(target, "--bundle", "old")
    shutil.rmtree(target.root / "old")
    assert up(target, "--bundle", "delta")["already"] is False
    assert version(target) == RELEASE


def test_a_delta_after_its_older_bundle_is_the_wrong_order(target: Site) -> None:
    shutil.rmtree(target.home)
    error = failed(target, "up", "--bundle", "old", "--bundle", "delta")
    assert error["code"] == "usage"
    assert error["hint"] == "write `--bundle delta --bundle old`"
    assert not target.home.exists()


def test_another_bundle_than_the_one_that_is_meant_is_refused(target: Site) -> None:
    shutil.rmtree(target.home)
    meant = identity((target.root / "new" / MANIFEST).read_bytes())
    assert failed(target, "up", "--bundle", f"old#sha256={meant}")["code"] == "hash-mismatch"
    assert not target.home.exists()
    assert up(target, "--bundle", f"new#sha256={meant}")["ok"] is True


def test_what_a_bundle_brought_is_called_by_its_name(target: Site) -> None:
    up(target, "--bundle", "old")
    made = up(target, "--bundle", "new")
    number, name = made["environment"]["generation"], "train"  # type: ignore[index] - a JSON document
    (listed,) = json.loads(target.run("list", "--json").stdout)["environments"]
    assert listed["bundle"] == identity((target.root / "new" / MANIFEST).read_bytes())
    assert made["environment"]["id"] == listed["id"]  # type: ignore[index] - a JSON document
    assert target.run("rollback", name, "1").returncode == 0
    assert target.run("rollback", name, str(number)).returncode == 0
    (target.root / "train.toml").unlink(missing_ok=True)
    for called in (name, str(listed["id"])):
        done = target.run("up", called, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["already"] is True
        assert target.run("plan", called).returncode == 0
        assert target.run("doctor", called).returncode == 0
    broken = target.installed("tensorflow/__init__.py")
    broken.unlink()
    assert target.run("doctor", name).returncode != 0
    fixed = target.run("doctor", name, "--fix")
    assert fixed.returncode == 0, fixed.stderr
    repaired = target.run("repair", name, "--json")
    assert repaired.returncode == 0, repaired.stderr
    assert json.loads(repaired.stdout)["environment"]["generation"] == number + 1


def test_the_name_of_a_bundle_means_its_own_profile_beside_it(target: Site) -> None:
    assert up(target, "train", "--bundle", "old")["already"] is False
    assert version(target) == OLDER
    # Not the profile that the older one brought.
    assert up(target, "train", "--bundle", "new")["already"] is False
    assert version(target) == RELEASE
    assert failed(target, "up", "other", "--bundle", "new")["code"] == "profile-missing"
    (target.root / "train").write_text("a file of that name is meant before")
    assert failed(target, "up", "train", "--bundle", "new")["code"] == "profile-invalid"


def test_what_only_a_bundle_has_is_asked_for_by_naming_it(target: Site) -> None:
    up(target, "--bundle", "new")
    shutil.rmtree(target.home / "cache" / "store")
    shutil.rmtree(target.home / "data" / "images")
    broken = target.installed("tensorflow/__init__.py")
    broken.unlink()
    for command, code in (
        (("repair", "train"), "lock-unfit"),
        (("up", "train", "--recreate", "--offline"), "offline-missing"),
    ):
        error = failed(target, *command)
        assert error["code"] == code
        assert error["hint"] == "the environment came from a bundle, which has them: `tfprov up --bundle PLACE`"
    assert up(target, "train", "--recreate", "--bundle", "new")["already"] is False
    assert version(target) == RELEASE


def test_a_delta_holds_only_what_is_new_and_merges_into_the_very_bundle(target: Site) -> None:
    wheels = {path.name.split("-")[0] for path in (target.root / "delta" / "wheels").glob("*.whl")}
    assert wheels == {"tensorflow_cpu"}
    whole = bundle(target, "--merge", "delta", "--merge", "old", "-o", "merged.tar")
    assert (target.root / "merged.tar").read_bytes() == (target.root / "new.tar").read_bytes()
    assert whole["id"] == identity((target.root / "new" / MANIFEST).read_bytes())


def test_the_same_input_gives_the_same_archive(made: Site) -> None:
    (made.root / "index hidden").rename(made.root / "index")
    try:
        bundle(made, "train.toml", "-o", "again.tar")
    finally:
        (made.root / "index").rename(made.root / "index hidden")
    assert (made.root / "again.tar").read_bytes() == (made.root / "new.tar").read_bytes()


def test_a_changed_wheel_is_found_before_anything_is_installed(target: Site) -> None:
    (wheel,) = (target.root / "new" / "wheels").glob("tensorflow_cpu*.whl")
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 1
    wheel.write_bytes(data)
    error = failed(target, "up", "--bundle", "new")
    assert (error["code"], error["exit_code"]) == ("bundle-invalid", 13)
    assert wheel.name in str(error["what"])
    assert not list(target.home.glob("cache/store/sha256/*/*/tensorflow*"))
    assert failed(target, "bundle", "--check", "new")["code"] == "bundle-invalid"
    assert target.run("bundle", "--check", "old").returncode == 0


@pytest.mark.parametrize("part", ["profile/train.toml", "profile/pylock.train.toml", "profile/checks/1-check.py"])
def test_a_changed_profile_lock_or_check_is_not_believed(target: Site, part: str) -> None:
    path = target.root / "new" / part
    path.write_bytes(path.read_bytes()[:-1] + b"#")
    error = failed(target, "up", "--bundle", "new")
    assert error["code"] == "bundle-invalid"
    assert part in str(error["what"])
    assert not (target.home / "data" / "environments").exists()


def test_an_archive_that_was_cut_off_is_not_used(target: Site) -> None:
    archive = target.root / "new.tar"
    content = archive.read_bytes()
    archive.unlink()
    archive.write_bytes(content[: len(content) // 2])
    assert failed(target, "up", "--bundle", "new.tar")["code"] == "bundle-invalid"
    archive.write_bytes(b"no archive at all")
    assert failed(target, "up", "--bundle", "new.tar")["code"] == "bundle-invalid"


def test_a_missing_file_a_later_format_and_another_platform_are_told_apart(target: Site) -> None:
    manifest = target.root / "new" / MANIFEST
    document = json.loads(manifest.read_bytes())
    platform = document["served"][0]["platform"]
    manifest.write_text(json.dumps({**document, "format": 2, "tfprov": "9.0"}))
    error = failed(target, "up", "--bundle", "new")
    assert error["code"] == "bundle-too-new"
    assert error["evidence"] == ["tfprov 9.0 made it"]
    document["served"][0]["platform"] = "windows-amd64"
    manifest.write_text(json.dumps(document))
    error = failed(target, "up", "--bundle", "new")
    assert error["code"] == "bundle-unfit"
    assert error["hint"] == f"make it again with `--platform {platform}`"
    (target.root / "old" / "simple" / "index.html").unlink()
    error = failed(target, "up", "--bundle", "old")
    assert error["code"] == "bundle-invalid"
    assert error["evidence"] == ["`simple/index.html` is missing"]
    assert failed(target, "up", "--bundle", "nowhere")["code"] == "bundle-missing"


def test_a_bundle_without_tfprov_on_the_machine_is_started_by_its_bootstrap(target: Site) -> None:
    with tarfile.open(target.root / "new.tar") as archive:
        archive.extraction_filter = lambda member, _: member
        archive.extractall(target.root)
    environ = {**of_the_system(), "PATH": os.defpath, HOME: str(target.root), "TFPROV_PYTHON": sys.executable}
    start = [*([sys.executable] if WINDOWS else []), str(target.root / "train-bundle" / "bootstrap")]
    isolated = ["unshare", "--user", "--map-root-user", "--net"]
    can = shutil.which("unshare") is not None
    if can and subprocess.run([*isolated, "true"], capture_output=True, check=False).returncode == 0:
        # In a namespace of its own there is no network at all, not even a loopback.
        start = [*isolated, *start]
    first = subprocess.run([*start, "up", "train"], env=environ, cwd="/", capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    assert f"TensorFlow {RELEASE}" in first.stdout
    second = subprocess.run([*start, "up"], env=environ, cwd="/", capture_output=True, text=True, check=False)
    assert "already verified" in second.stdout
    # Any other command is handed on.
    listed = subprocess.run([*start, "list"], env=environ, cwd="/", capture_output=True, text=True, check=False)
    assert "train" in listed.stdout


def test_a_bootstrap_with_a_damaged_wheel_of_tfprov_starts_nothing(target: Site) -> None:
    (wheel,) = (target.root / "new" / "wheels").glob("tfprov-*.whl")
    wheel.write_bytes(wheel.read_bytes()[:-1] + b"x")
    done = subprocess.run(
        [sys.executable, "-I", target.root / "new" / "bootstrap", "up"],
        env={**of_the_system(), HOME: str(target.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 13
    assert "error[bundle-invalid]: `wheels/tfprov-" in done.stderr
    assert not list(target.root.glob(".local/share/tfprov/tools/*"))


@pytest.fixture
def served(target: Site) -> Iterator[str]:
    """The folder `new`, handed out as `python -m http.server` does."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(target.root / "new"))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_served_bundle_is_used_over_http(target: Site, served: str) -> None:
    shutil.rmtree(target.root / "old")
    document = up(target, "--bundle", f"{served}/")
    assert document["bytes_fetched"] != 0
    assert version(target) == RELEASE
    assert failed(target, "up", "--bundle", f"{served}/wheels")["code"] == "bundle-invalid"


def test_pip_and_uv_install_from_a_served_bundle(target: Site, served: str, tmp_path: Path) -> None:
    environ = {**of_the_system(), "PATH": os.environ["PATH"], HOME: str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    up(target, "--bundle", "new")
    python = target.run("run", "train", "--", "python", "-c", "import sys; print(sys.executable)").stdout.strip()
    pip = subprocess.run(
        [python, "-I", "-m", "pip", "install", "--target", str(tmp_path / "pip"), "--index-url", f"{served}/simple/",
         "--no-cache-dir", "tensorflow-cpu", "helper"],
        env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert pip.returncode == 0, pip.stderr
    assert (tmp_path / "pip" / "tensorflow" / "__init__.py").is_file()
    uv = subprocess.run(
        [find_uv_bin(), "pip", "install", "--target", str(tmp_path / "uv"), "--default-index", f"{served}/simple/",
         "--no-cache", "--no-config", "--python", python, "tensorflow-cpu", "tfprov"],
        env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert uv.returncode == 0, uv.stderr
    assert (tmp_path / "uv" / "tensorflow" / "__init__.py").is_file()
    assert (tmp_path / "uv" / "tfprov" / "profiles" / "cpu.toml").is_file()


def test_without_network_what_is_here_is_enough_and_what_is_not_is_named(target: Site) -> None:
    up(target, "--bundle", "new")
    profile = target.home / "data" / "bundles" / "train" / "train.toml"
    assert up(target, str(profile), "--offline", "--recreate")["bytes_fetched"] == 0
    shutil.rmtree(target.home / "cache" / "store")
    shutil.rmtree(target.home / "data" / "images")
    error = failed(target, "up", str(profile), "--offline", "--recreate")
    assert (error["code"], error["exit_code"]) == ("offline-missing", 12)
    assert any("tensorflow_cpu" in line for line in error["evidence"])  # type: ignore[attr-defined]
    (target.root / "other.toml").write_text('name = "other"\n')
    error = failed(target, "up", "other.toml", "--offline")
    assert error["code"] == "offline-missing"


def test_a_profile_of_ones_own_takes_the_wheels_of_a_bundle(target: Site, made: Site) -> None:
    for name in ("train.toml", "more.txt", "check.py", "pylock.train.toml"):
        shutil.copy(made.root / name, target.root / name)
    document = up(target, "train.toml", "--bundle", "new")
    assert (document["bytes_fetched"], document["already"]) == (0, False)
    assert target.imported() == RELEASE


@pytest.mark.parametrize("command", [("up", "--bundle"), ("bundle", "--check")])
def test_a_bundle_whose_name_is_a_path_writes_nowhere(target: Site, command: tuple[str, ...]) -> None:
    (target.root / "mine").mkdir()
    (target.root / "mine" / "train.toml").write_text("mine")
    manifest = target.root / "new" / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "name": str(target.root / "mine")}))
    error = failed(target, *command, "new")
    assert error["code"] == "bundle-invalid"
    assert "cannot name an environment" in str(error["evidence"])
    assert (target.root / "mine" / "train.toml").read_text() == "mine"


@pytest.mark.skipif(WINDOWS, reason="links, which few users of Windows may make")
def test_a_link_in_the_place_of_a_bundles_profile_is_not_followed(target: Site) -> None:
    (target.root / "mine").mkdir()
    bundles = target.home / "data" / "bundles"
    bundles.mkdir(parents=True)
    (bundles / "train").symlink_to(target.root / "mine")
    assert failed(target, "up", "--bundle", "new")["code"] == "path-not-ours"
    assert list((target.root / "mine").iterdir()) == []


def test_mistakes_on_the_command_line_are_usage_errors(target: Site) -> None:
    (target.root / "mine").mkdir()
    (target.root / "mine" / "thesis.txt").write_text("mine")
    assert failed(target, "up")["code"] == "profile-missing"
    assert failed(target, "bundle")["code"] == "usage"
    assert failed(target, "bundle", "cpu")["code"] == "usage"
    assert failed(target, "bundle", "cpu", "-o", "x", "--platform", "amiga")["code"] == "usage"
    assert failed(target, "bundle", "cpu", "-o", "mine")["code"] == "path-not-ours"
    assert failed(target, "bundle", "cpu", "-o", "x.tar", "--delta", "nowhere")["code"] == "bundle-missing"


def test_the_profile_of_the_folder_is_bundled_when_none_is_named(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(site.root / "built", OLDER))
    site.write()
    site.profile.rename(site.root / "tfprov.toml")
    assert bundle(site, "-o", "made")["name"] == "train"
    assert failed(site, "bundle", "cpu", "--check", "made")["code"] == "usage"


def test_the_command_that_is_printed_works_from_there(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(site.root / "built", OLDER))
    site.write()
    (tmp_path / "to be sent").mkdir()
    told = site.run("bundle", "train.toml", "-o", "../to be sent/train.tar").stdout
    [line] = [line for line in told.splitlines() if line.startswith("  use ")]
    program, *words = shlex.split(line.removeprefix("  use "))
    assert (program, up(site, *words[1:])["ok"]) == ("tfprov", True)


@pytest.mark.skipif(WINDOWS, reason="the other platform is Windows")
def test_the_platforms_of_the_lock_are_served_without_being_named(tmp_path: Path) -> None:
    site, built = Site.make(tmp_path), tmp_path / "built"
    python = TAG.partition("-")[0]
    windows = f"{python}-{python}-win_amd64"
    intel = build_wheel(built, "tensorflow-intel", RELEASE, tag=windows)
    stub = build_wheel(built, "tensorflow", RELEASE, tag=windows, requires=[f"tensorflow-intel=={RELEASE}"])
    site.offer(sham_wheel(built, RELEASE), stub, intel)
    site.write('[tensorflow]\naccelerator = "cpu"\n[lock]\nplatforms = ["windows-amd64"]\n')
    bundle(site, "train.toml", "-o", "both")
    manifest = json.loads((site.root / "both" / MANIFEST).read_bytes())
    assert [one["platform"] for one in manifest["served"]] == ["linux-x86_64", "windows-amd64"]
    assert {path.name for path in (site.root / "both" / "wheels").glob("tensorflow*.whl")} == {
        path.name for path in built.glob("*.whl")
    }
    # What no wheel serves is refused, and nothing is left.
    site.write('[tensorflow]\naccelerator = "cpu"\n[lock]\nplatforms = ["macos-arm64"]\n')
    error = failed(site, "bundle", "train.toml", "-o", "three")
    assert "macos-arm64" in f"{error['what']} {error['evidence']}"
    assert not (site.root / "three").exists()


def test_kill_9_while_bundling_leaves_nothing_big(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(site.root / "built", OLDER))
    site.write()
    scratch = site.root / "tmp"
    scratch.mkdir()
    site.extra |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    # As those that are killed: a fork finds the wheels of tfprov packed.
    began = time.monotonic()
    with site.start("bundle", "train.toml", "-o", "made.tar") as process:
        _, told = process.communicate()
    seconds = time.monotonic() - began
    assert process.returncode == 0, told
    whole = (site.root / "made.tar").read_bytes()
    killed, points = 0, int(os.environ.get("TFPROV_TEST_KILLS", "4"))
    for point in range(points):
        process = site.start("bundle", "train.toml", "-o", "made.tar" if point % 2 else "made")
        # In turn all over the run, and as soon as something is being written.
        until = time.monotonic() + seconds * (point + 1) / points
        while process.poll() is None and time.monotonic() < until:
            if point >= points * 3 / 4 and any(path.name.endswith(".new") for path in site.root.iterdir()):
                break
            time.sleep(0.005)
        process.kill()
        process.communicate()
        killed += process.returncode == (1 if WINDOWS else -signal.SIGKILL)
        # What was there before is whole all the time.
        assert (site.root / "made.tar").read_bytes() == whole
    assert killed >= points / 2
    for target in ("made.tar", "made"):
        bundle(site, "train.toml", "-o", target)
    assert (site.root / "made.tar").read_bytes() == whole
    assert not [path for path in site.root.iterdir() if path.name.startswith(".made")]
    left = [path for path in scratch.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in left) < 5_000_000
