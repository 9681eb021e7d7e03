"""Places that look like any other until something is made in them: seen before the first byte, or worked around."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import fake_nvml
from conda_site import CondaSite, with_conda
from site_under_test import OLDER, RELEASE, Site, needs_shell, only_here, sham_wheel


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


pytestmark = only_here
needs_mounts = pytest.mark.skipif(not can_mount(), reason="mounting needs root and unshare")
needs_root = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can be a root without capabilities",
)

NO_LOCKS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int flock(int descriptor, int operation) {
    char link[64], path[4096];
    const char *below = getenv("WITHOUT_LOCKS");
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (below && length > 0 && (path[length] = 0, !strncmp(path, below, strlen(below)))) {
        errno = ENOLCK;
        return -1;
    }
    int (*real)(int, int) = dlsym(RTLD_NEXT, "flock");
    return real(descriptor, operation);
}
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(tmp_path, RELEASE))
    site.write()
    return site


def up(site: Site, options: str) -> tuple[int, dict[str, str], list[str]]:
    """How `up` ends where tfprov's folder is a tmpfs with these options; the error, and the wheels that came."""
    found = site.root / "found"
    script = f'mount -t tmpfs -o mode=755,{options} none "$0" && "$@"; status=$?; find "$0" -name "*.whl*" >found'
    command = [*("unshare", "--mount", "sh", "-c", f"{script}; exit $status", str(site.home)), *site.command()]
    done = subprocess.run(
        [*command, "up", "train.toml", "--json"],
        env=site.environ(),
        cwd=site.root,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)["error"], found.read_text().splitlines()


@needs_shell
def test_without_a_umask_others_can_write_nowhere_but_where_the_users_own_program_lets_them(site: Site) -> None:
    shutil.rmtree(site.home)  # all of it is to be made without a umask

    def without(*arguments: str) -> str:
        shell = ["sh", "-c", 'umask 0; exec "$@"', "sh", *site.command(*arguments)]
        return subprocess.run(
            shell, env=site.environ(), cwd=site.root, capture_output=True, text=True, check=True
        ).stdout

    without("up", "train.toml")
    # uv makes the empty file that it locks for everybody.
    written = {site.home, site.lock, *site.home.rglob("*")} - {site.home / "cache" / "uv" / ".lock"}
    assert [path for path in written if not path.is_symlink() and path.stat().st_mode & 0o002] == []
    assert site.up()["already"] is True
    assert without("run", "train.toml", "--", "sh", "-c", "umask").strip() in ("0000", "0")


@needs_mounts
@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ("noexec", "filesystem-feature", "mounted noexec"),
        ("nr_inodes=400", "disk-full", "files (inodes) needed"),
    ],
)
def test_a_place_that_cannot_hold_an_environment_is_refused_before_the_download(
    site: Site, options: str, code: str, words: str
) -> None:
    status, error, wheels = up(site, options)
    assert (status, error["code"]) == (14, code)
    assert words in str(error["evidence"])
    assert wheels == []


@needs_mounts
@pytest.mark.skipif(shutil.which("btrfs") is None, reason="a real quota needs btrfs-progs")
def test_a_quota_that_is_used_up_is_told_and_nothing_is_in_use(site: Site) -> None:
    """What is left of a quota is not seen beforehand: the file system has room."""
    image = site.root / "image"
    with image.open("wb") as stream:
        stream.truncate(8 << 30)
    subprocess.run(["mkfs.btrfs", "--quiet", image], check=True)
    script = (
        'mount -o loop,nodatasum "$0" home && btrfs quota enable home && btrfs subvolume create home/of-user >created'
        ' && btrfs qgroup limit 6M home/of-user && TFPROV_HOME="$PWD/home/of-user" "$@"; status=$?'
        "; find home -name current >found; umount home; exit $status"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(image), *site.command("up", "train.toml", "--json")],
        env=site.environ(),
        cwd=site.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 14, done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "disk-quota", done.stdout
    assert (site.root / "found").read_text() == ""


@pytest.mark.skipif(fake_nvml.compiler() is None, reason="there is no C compiler")
def test_a_place_without_locks_serves(site: Site, tmp_path: Path) -> None:
    compiler = fake_nvml.compiler()
    assert compiler is not None
    (tmp_path / "no_locks.c").write_text(NO_LOCKS)
    library = tmp_path / "no_locks.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "no_locks.c", "-ldl"], check=True)
    site.extra = {"LD_PRELOAD": str(library), "WITHOUT_LOCKS": str(site.home)}
    assert site.up()["ok"] is True
    assert site.up()["already"] is True
    assert site.up("--recreate")["already"] is False
    assert not list(site.home.glob("data/environments/.locks/*.held"))
    assert os.listdir(site.home / "data/environments/.locks")


@needs_mounts
def test_a_system_without_proc_serves(site: Site) -> None:
    """As in a plain chroot: neither the time of the boot nor a process can be seen."""
    for arguments in (("up",), ("up", "--recreate"), ("doctor",), ("remove", "--yes")):
        command = site.command(arguments[0], "train.toml", *arguments[1:])
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh", *command],
            env=site.environ(),
            cwd=site.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@needs_root
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_a_home_in_which_root_is_nobody_is_refused_and_another_place_serves(
    site: Site, tmp_path: Path, mode: int
) -> None:
    """As on NFS with root squash: here by a root without the capabilities that pass over permissions."""
    squashed = tmp_path / "squashed"
    squashed.mkdir()
    os.chown(squashed, 4242, 4242)
    squashed.chmod(mode)
    site.extra = {"HOME": str(squashed)}

    def up(home: Path) -> subprocess.CompletedProcess[str]:
        capabilities = "-dac_override,-dac_read_search,-fowner,-chown"
        return subprocess.run(
            ["setpriv", "--bounding-set", capabilities, *site.command("up", "train.toml", "--json")],
            env={**site.environ(), "TFPROV_HOME": str(home)},
            cwd=site.root,
            capture_output=True,
            text=True,
            check=False,
        )

    refused = up(squashed / "tfprov")
    assert refused.returncode == 14, refused.stderr
    assert json.loads(refused.stdout)["error"]["code"] == "permission-denied"
    served = up(site.home)
    assert served.returncode == 0, served.stderr


@needs_mounts
def test_an_environment_of_an_image_serves_in_a_container_on_top_and_stays_as_it_was(site: Site) -> None:
    """An overlay over tfprov's folder: what is renamed or linked there was copied up first, or cannot be (EXDEV)."""
    shutil.rmtree(site.root / "index")
    site.offer(sham_wheel(site.root, OLDER))
    site.up()
    site.offer(sham_wheel(site.root, RELEASE))
    site.up("--upgrade")
    baked = site.generations()
    script = (
        "set -e; mkdir layer; mount -t tmpfs none layer; mkdir layer/upper layer/work"
        "; mount -t overlay -o lowerdir=home,upperdir=layer/upper,workdir=layer/work none home"
        '; "$@" up train.toml --json; echo'
        '; for file in home/data/environments/*/current/lib/*/*/tensorflow/__init__.py; do echo >"$file"; done'
        '; "$@" doctor train.toml >said && exit 1; "$@" repair train.toml >said; "$@" doctor train.toml >said'
        '; "$@" up train.toml --recreate >said; "$@" rollback train.toml >said'
        '; "$@" run train.toml -- python -c "import tensorflow; print(tensorflow.__version__)"'
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *site.command()],
        env=site.environ(),
        cwd=site.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document, imported = done.stdout.rstrip().rsplit("\n", 1)
    assert json.loads(document)["already"] is True
    assert imported == OLDER
    assert (site.generations(), site.imported()) == (baked, RELEASE)


def nobody_at_home() -> list[str]:
    """What a command is started by for a user without a home, a PATH and an entry in the user database."""
    nobody = ["unshare", "--user", f"--map-user={2**31 - 5}"]
    try:
        tried = subprocess.run([*nobody, "true"], capture_output=True, check=False).returncode
    except FileNotFoundError:
        tried = 1
    if tried != 0:
        pytest.skip("user namespaces need a system that lets this user make them")
    return nobody


@pytest.mark.parametrize("kind", ["venv", pytest.param("conda", marks=with_conda)])
def test_a_user_whom_nobody_knows_needs_a_place_alone(tmp_path: Path, site: Site, kind: str) -> None:
    """As in a container that is started under any number."""
    if kind == "conda":
        (tmp_path / "conda").mkdir()
        site = CondaSite.ready(tmp_path / "conda")
    command = [*nobody_at_home(), *site.command()]
    environ = {name: site.environ()[name] for name in ("TFPROV_HOME", "PIP_CONFIG_FILE")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments], env=environ, cwd=site.root, capture_output=True, text=True, check=False
        )

    done = run("up", "train.toml")
    assert done.returncode == 0, done.stderr
    for again in (("up", "train.toml"), ("lock", "train.toml", "--upgrade"), ("up", "train.toml", "--recreate")):
        done = run(*again)
        assert done.returncode == 0, done.stderr
    shown = run("run", "train.toml", "--", "python", "-c", "import os, tensorflow; print('HOME' in os.environ)")
    assert shown.stdout == "False\n", shown.stderr
