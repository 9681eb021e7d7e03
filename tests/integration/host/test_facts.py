"""The facts of the machine that the tests run on, also when it is made hostile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfprov.host import facts

REAL = Path(sys.executable).resolve()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "interpreters.json"


def test_the_facts_of_this_machine_are_whole(tmp_path: Path, cache: Path) -> None:
    folders = {"data": tmp_path / "not" / "yet", "temporary": tmp_path}

    found = facts.gather(os.environ, folders=folders, cache=cache)

    assert found.system.value == {"linux": "linux", "darwin": "macos", "win32": "windows"}[sys.platform]
    assert found.cores.value >= 1
    assert found.memory_bytes.value > 1 << 26
    assert {one.purpose for one in found.disks.value} == {"data", "temporary"}
    assert len({one.device for one in found.disks.value}) == 1
    assert str(REAL) in {one.path for one in found.interpreters.value}
    versions = [one.version for one in found.interpreters.value if one.problem is None]
    assert versions == sorted(versions, key=lambda text: [int(part) for part in text.split(".")], reverse=True)
    assert all(getattr(found, name).source for name in found.__slots__)
    assert facts.load(facts.dump(found)).interpreters == found.interpreters


def test_gathering_twice_gives_the_same(cache: Path) -> None:
    first = facts.gather(os.environ, cache=cache)
    text = cache.read_bytes()

    assert facts.gather(os.environ, cache=cache) == first
    assert cache.read_bytes() == text


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"HOME": "/does/not/exist", "PATH": ""},
        {"HOME": "relative", "PATH": ":::"},
        {"HOME": "", "PATH": "/does/not/exist:relative:\n"},
        {"HOME": "/", "PATH": os.defpath, "PYTHONPATH": "/does/not/exist", "PYTHONHOME": "/nonsense"},
        {"HOME": "/dev/null", "XDG_CONFIG_HOME": "/dev/null", "XDG_DATA_HOME": "/dev/null", "TMPDIR": "/dev/null"},
        {"LD_LIBRARY_PATH": ":/dev/null:relative", "PYENV_ROOT": "/dev/null", "CONDA_PREFIX": "/dev/null"},
        {"PIP_CONFIG_FILE": "/does/not/exist", "UV_CONFIG_FILE": "/does/not/exist", "SSL_CERT_FILE": "/dev"},
        {"HTTPS_PROXY": "://", "PIP_INDEX_URL": "://[", "UV_INDEX": "a= =b", "CUDA_VISIBLE_DEVICES": "\udcff,,"},
    ],
)
def test_a_hostile_environment_gives_facts_all_the_same(environ: dict[str, str], cache: Path) -> None:
    found = facts.gather(environ, folders={"data": Path("/does/not/exist")}, cache=cache)

    # The Python that runs tfprov is known whatever the variables say.
    assert any(one.problem is None for one in found.interpreters.value)
    assert facts.dump(found)


def test_importing_the_module_reads_and_starts_nothing() -> None:
    script = (
        "import sys\n"
        "def seen(event, arguments):\n"
        "    if event in ('subprocess.Popen', 'os.system', 'os.posix_spawn', 'socket.connect', 'os.putenv'):\n"
        "        raise SystemExit('import did ' + event)\n"
        "sys.addaudithook(seen)\n"
        "import tfprov.host.facts\n"
        "heavy = {'pydantic', 'pynvml', 'psutil', 'tomlkit', 'urllib.request'} & sys.modules.keys()\n"
        "sys.exit('import loads ' + repr(heavy) if heavy else 0)\n"
    )

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
def test_folders_that_may_not_be_read_are_passed_over(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tfprov.host import facts\n"
        "closed = sys.argv[1]\n"
        "names = ('HOME', 'PATH', 'TMPDIR', 'PYENV_ROOT', 'CONDA_PREFIX', 'XDG_CONFIG_HOME', 'LD_LIBRARY_PATH')\n"
        "environ = dict.fromkeys(names, closed)\n"
        # Everything is imported while it may be read: root's own files may be out of reach for anybody else.
        "facts.load(facts.dump(facts.gather(environ)))\n"
        "if os.geteuid() == 0:\n"
        "    os.setgroups([])\n"
        "    os.setgid(65534)\n"
        "    os.setuid(65534)\n"
        "assert not os.access(closed, os.R_OK)\n"
        "found = facts.gather(environ, folders={'data': Path(closed, 'below')}, also=Path(closed, 'python'))\n"
        "print(found.interpreters.value[0].problem.why)\n"
        "print(*(hazard.name for hazard in found.hazards.value))\n"
        "print(found.disks.value[0].path)\n"
    )
    try:
        ended = subprocess.run([sys.executable, "-c", script, str(closed)], capture_output=True, text=True, check=False)
    finally:
        closed.chmod(0o700)

    assert ended.returncode == 0, ended.stderr
    why, names, disk = ended.stdout.splitlines()
    assert why == "it cannot be read: Permission denied: `" + str(closed / "python") + "`"
    assert "TMPDIR" in names.split()
    assert Path(disk) in Path(os.path.realpath(closed / "below")).parents


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no folder in use")
def test_a_working_directory_that_was_deleted_does_no_harm(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    script = (
        "import os, sys\n"
        "os.rmdir(os.getcwd())\n"
        "from pathlib import Path\n"
        "from tfprov.host import facts\n"
        "found = facts.gather({'PATH': ''}, folders={'target': Path('relative')}, also=Path('python'))\n"
        "sys.stdout.write(found.interpreters.value[0].problem.why)\n"
    )

    ended = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
    assert "there is no file" in ended.stdout
