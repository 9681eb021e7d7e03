"""Two users on one machine: what one leaves in common folders is not run, written through or deleted by the other."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from site_under_test import RELEASE, TAG, only_here, sham_wheel
from wheels import build_wheel, simple_index

VICTIM, NEIGHBOUR = 45101, 45102
pytestmark = only_here
PLANT = """
import fcntl, os, sys
from pathlib import Path
common, home, victim, evil = map(Path, sys.argv[1:5])
os.umask(0)
wheel = common / "sha256" / sys.argv[5][:2] / sys.argv[5] / sys.argv[6]
wheel.parent.mkdir(parents=True)
wheel.write_bytes(evil.read_bytes())
for folder in ("partial", "locks", "leases", "built"):
    (common / folder).mkdir()
for ending in ("part", "copy", "written", "synced"):
    (common / "partial" / f"{sys.argv[5]}.{ending}").symlink_to(victim / "precious.txt")
held = open(common / "locks" / f"{sys.argv[5]}.lock", "w")
fcntl.flock(held, fcntl.LOCK_EX)
# Two characters that begin no hash here: links that lead to folders of the victim's.
(common / "sha256" / "zz").symlink_to(victim)
(common / "sha256" / "yy").mkdir()
(common / "sha256" / "yy" / "projects").symlink_to(victim / "projects")
os.mkfifo(common / "sha256" / "yy" / "pipe")
# What tfprov would keep there if the home were one user's: trees, images, environments, caches.
for name in ("data/unpacked", "data/images", "data/environments/.locks", "cache/store", "state"):
    (home / name).mkdir(parents=True)
print("planted", flush=True)
sys.stdin.read()
"""


@dataclass
class Town:
    """A machine with a common store and a common home that everybody may write to, and an index.

    Attributes:
        python: an interpreter that has tfprov and that every user may start.
    """

    root: Path
    python: str = sys.executable

    def environ(self, user: int) -> dict[str, str]:
        own = self.root / str(user)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(own),
            "TMPDIR": str(own),
            "TFPROV_HOME": str(self.root / "home"),
            "TFPROV_STORE": str(self.root / "store"),
            "PIP_CONFIG_FILE": os.devnull,
        }

    def argv(self, *arguments: str) -> list[str]:
        return [self.python, "-I", "-m", "tfprov", *arguments]

    def run(self, user: int, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            env=self.environ(user),
            cwd=self.root / str(user),
            user=user,
            group=user,
            extra_groups=[],
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )


@pytest.fixture
def town() -> Iterator[Town]:
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can be two users")
    # Not below pytest's folder, which is for its user alone.
    root = Path(tempfile.mkdtemp(prefix="neighbours-"))
    try:
        root.chmod(0o755)
        for user in (VICTIM, NEIGHBOUR):
            (root / str(user)).mkdir(mode=0o700)
            os.chown(root / str(user), user, user)
        for name in ("store", "home"):
            (root / name).mkdir()
            (root / name).chmod(0o777)
        made = Town(root)
        base = for_everybody(made)
        simple_index(root / "index", [sham_wheel(root / "built", RELEASE)])
        for user in (VICTIM, NEIGHBOUR):
            profile = root / str(user) / "train.toml"
            profile.write_text(
                f'name = "train"\n[python]\npath = "{base}"\n[index]\nurl = "{(root / "index").as_uri()}"\n'
                '[smoke]\nlevel = "quick"\n'
            )
            os.chown(profile, user, user)
        yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


def for_everybody(town: Town) -> str:
    """Make `town.python`, with the packages of this one; path of the interpreter that it was made from."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for base in (f"{sys.base_prefix}/bin/{name}", f"/usr/bin/{name}"):
        made = town.root / base.replace("/", "-")
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([base, "-m", "venv", "--without-pip", made], check=True, capture_output=True)
            (library,) = made.glob("lib/*/site-packages")
            packages = [path for path in sys.path if path.endswith("site-packages")]
            (library / "all.pth").write_text("".join(f"import site; site.addsitedir({each!r})\n" for each in packages))
            town.python = str(made / "bin" / "python")
            if town.run(VICTIM, town.python, "-I", "-c", "import tfprov.cli.app").returncode == 0:
                return base
    pytest.skip("no Python of this version that another user may start")


def evil_wheel(town: Town, genuine: Path) -> Path:
    """A wheel of the name and size of the genuine one that leaves a sign where it is imported, also by its bytecode."""
    sign = town.root / str(VICTIM) / "owned"
    code = f"open({str(sign)!r}, 'w').close()\n__version__ = '{RELEASE}'\n"
    evil = build_wheel(town.root / "evil", "tensorflow-cpu", RELEASE, files={"tensorflow/__init__.py": code}, tag=TAG)
    missing = genuine.stat().st_size - evil.stat().st_size
    assert 0 <= missing < 65536
    content = evil.read_bytes()
    # The comment at the end of an archive: its length stands before it.
    evil.write_bytes(content[:-2] + missing.to_bytes(2, "little") + b" " * missing)
    assert evil.stat().st_size == genuine.stat().st_size
    return evil


def test_what_a_neighbour_plants_is_neither_run_nor_followed_nor_waited_for(town: Town) -> None:
    genuine = next((town.root / "index").rglob("*.whl"))
    sha256 = hashlib.sha256(genuine.read_bytes()).hexdigest()
    victim = town.root / str(VICTIM)
    (victim / "precious.txt").write_text("precious")
    (victim / "projects" / "mine").mkdir(parents=True)
    (victim / "projects" / "mine" / "work.py").write_text("precious")
    for path in (victim, *victim.rglob("*")):
        os.chown(path, VICTIM, VICTIM)
        path.chmod(0o755 if path.is_dir() else 0o644)  # so that the neighbour can name all of it
    evil = evil_wheel(town, genuine)
    planting = subprocess.Popen(
        [
            *(town.python, "-I", "-c", PLANT, town.root / "store", town.root / "home", victim, evil),
            *(sha256, genuine.name),
        ],
        user=NEIGHBOUR,
        group=NEIGHBOUR,
        extra_groups=[],
        cwd=town.root / str(NEIGHBOUR),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert planting.stdout is not None
        assert planting.stdout.readline() == "planted\n"
        for command in (("up", "train.toml"), ("doctor", "train.toml"), ("cache", "clear")):
            done = town.run(VICTIM, *town.argv(*command))
            assert done.returncode == 0, done.stderr
            assert not (victim / "owned").exists()
    finally:
        planting.communicate()
    assert (victim / "precious.txt").read_text() == "precious"
    assert (victim / "projects" / "mine" / "work.py").read_text() == "precious"
    own = town.root / "home" / f"user-{VICTIM}"
    assert (own.stat().st_uid, own.stat().st_mode & 0o777) == (VICTIM, 0o700)
    assert town.run(NEIGHBOUR, "ls", str(own)).returncode != 0
    assert (own / "data" / "environments").is_dir()


def test_what_one_user_has_brought_serves_the_other_who_may_not_change_it(town: Town) -> None:
    done = town.run(VICTIM, *town.argv("up", "train.toml"))
    assert done.returncode == 0, done.stderr
    (offered,) = (town.root / "store").rglob("*.whl")
    content = offered.read_bytes()
    assert town.run(NEIGHBOUR, "sh", "-c", f'echo evil >> "{offered}"').returncode != 0
    # Without the index: pages come from it, wheels need not.
    done = town.run(NEIGHBOUR, *town.argv("lock", "train.toml"))
    assert done.returncode == 0, done.stderr
    for wheel in (town.root / "index").rglob("*.whl"):
        wheel.unlink()
    done = town.run(NEIGHBOUR, *town.argv("up", "train.toml", "--offline"))
    assert done.returncode == 0, done.stderr
    # A name can be exchanged; who has the file keeps it.
    exchange = f'mv "{offered}" "{offered}.old"; echo evil > "{offered}"'
    assert town.run(NEIGHBOUR, "sh", "-c", exchange).returncode == 0
    (kept,) = (town.root / "home" / f"user-{VICTIM}" / "cache" / "store").rglob("*.whl")
    assert kept.read_bytes() == content


def test_a_folder_that_a_neighbour_made_in_ones_name_is_refused(town: Town) -> None:
    own = town.root / "home" / f"user-{VICTIM}"
    assert town.run(NEIGHBOUR, "mkdir", "-m", "777", str(own)).returncode == 0
    done = town.run(VICTIM, *town.argv("up", "train.toml"))
    assert done.returncode == 2, done.stderr
    assert done.stderr == (
        f"error[path-not-ours]: `{own}` is not a folder that belongs to this user\n"
        f"  evidence  several users can write to `{town.root / 'home'}`, so each has a separate folder in it\n"
        "\nhint: set TFPROV_HOME to a folder that only you may write to\n"
    )
    assert list(own.iterdir()) == []
