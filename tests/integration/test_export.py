"""Environments that left tfprov: started in another system, loaded as a module, made twice with the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import rootfs
from site_under_test import RELEASE, Site, only_here, sham_wheel
from wheels import build_wheel

pytestmark = [
    *only_here,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux environments can be exported"),
]

HELPER = {
    "helper.py": "import sys\ndef main():\n    print('helped', sys.prefix)\n",
    "helper-1.0.dist-info/entry_points.txt": "[console_scripts]\nhelper-tool = helper:main\n",
}
ASK = (
    "import json, os, sys, ssl, tensorflow; "
    "print(json.dumps([tensorflow.__version__, sys.prefix, sys.base_prefix, os.environ.get('MODE')]))"
)
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("made")
    site = Site.make(folder)
    site.offer(sham_wheel(folder / "built", RELEASE), build_wheel(folder / "built", "helper", "1.0", files=HELPER))
    site.write(
        '[packages]\nrequirements = ["helper"]\n[environment]\nvariables = { MODE = "it\'s on", SECRET = "${TOKEN}" }\n'
    )
    site.extra = {"TOKEN": "s3cr3t-value"}
    site.up()
    site.extra = {}
    yield site
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("system")
    rootfs.make(root)
    return root


def exported(site: Site, form: str, target: Path, *more: str) -> dict[str, object]:
    done = site.run("export", "train.toml", "--format", form, "-o", str(target), *more, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)["export"]
    return found


def inside(root: Path, *command: str) -> str:
    """What a command prints in a system of its own, with nothing of this one in reach but `/proc`."""
    (root / "proc").mkdir(exist_ok=True)
    enter = ["/usr/bin/unshare", "-rmpf", f"--mount-proc={root / 'proc'}", "/usr/sbin/chroot", str(root)]
    if subprocess.run([*enter, "/bin/sh", "-c", ":"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no namespaces for this user, to start something in another system")
    environ = {"PATH": "/opt/tfprov/train/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run([*enter, *command], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def check_inside(root: Path) -> None:
    place = "/opt/tfprov/train"
    found = json.loads(inside(root, "python", "-c", ASK))
    assert found == [RELEASE, place, f"{place}/interpreter", None]
    assert inside(root, "helper-tool") == f"helped {place}"
    assert inside(root, "/bin/sh", "-c", f". {place}/bin/activate && echo $VIRTUAL_ENV") == place
    # Bytecode is used as it is: on a file system that is read-only, every start would compile again.
    loaded = inside(root, "/bin/sh", "-c", "python -v -c 'import tensorflow' 2>&1")
    assert re.search(rf"# code object from '{place}/lib/[^']*/tensorflow/__pycache__/__init__\.[^']*\.pyc'", loaded)


def test_two_archives_are_the_same_bytes_and_start_in_another_system(site: Site, system: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a b" / "première.tar", tmp_path / "second.tar"
    told = exported(site, "tar", first)
    # What runs meanwhile compiles modules, which are not of the environment that was verified.
    assert site.run("run", "train.toml", "--", "python", "-c", "import helper").returncode == 2
    site.extra = {"TOKEN": "another"}
    assert site.run("run", "train.toml", "--", "python", "-c", "import helper").returncode == 0
    site.extra = {}
    exported(site, "tar", second)
    content = first.read_bytes()
    assert hashlib.sha256(content).digest() == hashlib.sha256(second.read_bytes()).digest()
    assert told["digest"] == hashlib.sha256(content).hexdigest()
    assert (told["prefix"], told["left"]) == ("/opt/tfprov/train", ["SECRET"])
    assert b"s3cr3t" not in content
    root = tmp_path / "root"
    shutil.copytree(system, root, symlinks=True)
    with tarfile.open(first) as archive:
        members = archive.getmembers()
        archive.extractall(root, filter="tar") if hasattr(tarfile, "tar_filter") else archive.extractall(root)
    assert {(one.uid, one.gid, one.mtime) for one in members} == {(0, 0, 315532800)}
    assert [one.name for one in members] == sorted(one.name for one in members)
    check_inside(root)
    receipt = json.loads((root / "opt/tfprov/train/share/tfprov/receipt.json").read_text())
    assert (receipt["receipt"], receipt["verdict"]["tensorflow"]) == (1, RELEASE)
    lock = root / "opt/tfprov/train/share/tfprov/pylock.train.toml"
    assert lock.read_bytes() == site.lock.read_bytes()
    named = [
        path for path in (root / "opt").rglob("*") if path.is_file() and str(site.root).encode() in path.read_bytes()
    ]
    assert [path.suffix for path in named if path.suffix != ".pyc"] == []


def test_an_image_is_put_on_another_one(site: Site, system: Path, tmp_path: Path) -> None:
    rootfs.layout(tmp_path / "base", system, architecture=ARCHITECTURE)
    target = tmp_path / "image"
    told = exported(site, "oci", target, "--base", str(tmp_path / "base"))
    index = json.loads((target / "index.json").read_text())
    (tagged,) = index["manifests"]
    assert tagged["digest"] == f"sha256:{told['digest']}"
    assert tagged["annotations"] == {"org.opencontainers.image.ref.name": "train"}
    for blob in (target / "blobs/sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    manifest = json.loads((target / "blobs/sha256" / tagged["digest"][7:]).read_text())
    config = json.loads((target / "blobs/sha256" / manifest["config"]["digest"][7:]).read_text())
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert config["config"]["Env"] == [
        "PATH=/opt/tfprov/train/bin:/bin",
        "BASE=yes",
        "VIRTUAL_ENV=/opt/tfprov/train",
        "MODE=it's on",
    ]
    assert config["config"]["Cmd"] == ["python"]
    root = tmp_path / "root"
    root.mkdir()
    for layer in manifest["layers"]:
        subprocess.run(["tar", "-C", str(root), "-xf", target / "blobs/sha256" / layer["digest"][7:]], check=True)
    check_inside(root)


def test_an_image_can_be_an_archive_without_base_and_without_interpreter(site: Site, tmp_path: Path) -> None:
    made = [exported(site, "oci", tmp_path / f"{n}.tar", "--python-at", "/usr/bin/python3")["size"] for n in (1, 2)]
    assert made[0] == made[1]
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    with tarfile.open(tmp_path / "1.tar") as archive:
        assert {"index.json", "oci-layout", "blobs/sha256"} <= set(archive.getnames())
        archive.extractall(tmp_path)
    (tagged,) = json.loads((tmp_path / "index.json").read_text())["manifests"]
    manifest = json.loads((tmp_path / "blobs/sha256" / tagged["digest"][7:]).read_text())
    (layer,) = manifest["layers"]
    with tarfile.open(tmp_path / "blobs/sha256" / layer["digest"][7:]) as archive:
        assert archive.getmember("opt/tfprov/train/bin/python").linkname == "/usr/bin/python3"
        assert not any("interpreter" in name for name in archive.getnames())


def test_a_file_system_holds_the_same(site: Site, system: Path, tmp_path: Path) -> None:
    if shutil.which("mksquashfs") is None:
        pytest.skip("squashfs-tools are not installed")
    exported(site, "squashfs", tmp_path / "one.sqfs")
    root = tmp_path / "root"
    shutil.copytree(system, root, symlinks=True)
    subprocess.run(["unsquashfs", "-q", "-n", "-f", "-d", root, tmp_path / "one.sqfs"], capture_output=True, check=True)
    check_inside(root)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("cat >/dev/null; echo 'Write failed because No space left on device' >&2; exit 1", 14, "error[disk-full]"),
        # One that never reads what it is given.
        ("echo 'no such option' >&2; exit 1", 2, "error[not-supported]"),
    ],
)
def test_a_file_system_that_cannot_be_written_says_why(
    site: Site, tmp_path: Path, body: str, status: int, error: str
) -> None:
    program = tmp_path / "bin/mksquashfs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    site.extra = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    done = site.run(
        "export", "train.toml", "--format", "squashfs", "-o", str(tmp_path / "x"), "--python-at", "/usr/bin/python3"
    )
    site.extra = {}
    assert (done.returncode, done.stderr.partition(":")[0]) == (status, error)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin"]


LMOD = os.environ.get("LMOD_CMD") or shutil.which("lmod", path="/usr/share/lmod/lmod/libexec")


def modules() -> Path | None:
    found = (path for pattern in ("*", "**") for path in Path("/usr/lib").glob(f"{pattern}/modulecmd.tcl"))
    return next(found, None)


@pytest.mark.parametrize("program", ["lmod", "modules"])
@pytest.mark.parametrize("suffix", ["", ".lua"])
def test_a_module_leads_to_the_environment_in_use(site: Site, tmp_path: Path, program: str, suffix: str) -> None:
    command = LMOD if program == "lmod" else modules()
    if command is None:
        pytest.skip(f"{program} is not installed")
    if program == "modules" and suffix:
        pytest.skip("Environment Modules read Tcl alone")
    exported(site, "modulefile", tmp_path / f"modules/train/2.21{suffix}")
    starter = [str(command)] if program == "lmod" else ["tclsh", str(command)]
    script = f'eval "$({" ".join(starter)} bash load train)" && python -c "{ASK}" && echo "$SECRET"'
    script += f' && eval "$({" ".join(starter)} bash unload train)" && echo "${{VIRTUAL_ENV-none}}"'
    environ = {
        "PATH": os.environ["PATH"],
        "MODULEPATH": str(tmp_path / "modules"),
        "HOME": str(tmp_path),
        "TOKEN": "of the user",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, secret, after = done.stdout.splitlines()
    generation = os.path.realpath(next(site.home.glob("data/environments/*/current")))
    assert json.loads(found)[:2] == [RELEASE, generation]
    assert json.loads(found)[3] == "it's on"
    assert (secret, after) == ("of the user", "none")


def refused(site: Site, *arguments: str) -> tuple[int, str]:
    done = site.run("export", "train.toml", *arguments)
    return done.returncode, done.stderr.splitlines()[0]


def test_what_stands_in_the_way_is_said(site: Site, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    place = str(tmp_path / "there")
    assert refused(site, "--format", "tar") == (2, "error[usage]: `--output` is required")
    assert refused(site, "-o", place) == (2, f"error[path-not-ours]: `{place}` already exists")
    assert refused(site, "--format", "modulefile", "-o", place) == (
        2,
        f"error[path-not-ours]: `{place}` cannot become a modulefile",
    )
    for prefix in ("/a b", "/"):
        assert refused(site, "-o", f"{place}2", "--prefix", prefix) == (
            2,
            f"error[usage]: `{prefix}` cannot be the path of an environment",
        )
    assert refused(site, "-o", f"{place}2", "--base", str(tmp_path)) == (
        2,
        f"error[usage]: `{tmp_path}` cannot be used as a base image",
    )
    assert refused(site, "-o", f"{place}2", "--format", "tar", "--base", str(tmp_path)) == (
        2,
        "error[usage]: `--base` is for `--format oci` only",
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there"]
    assert (tmp_path / "there").read_text() == "mine"
