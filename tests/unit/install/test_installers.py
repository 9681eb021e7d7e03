from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

import venvs
from tfprov import process
from tfprov.envs import venv
from tfprov.envs.layout import python_in
from tfprov.errors import TfprovError
from tfprov.install.installers import Installer, Pip, Uv
from tfprov.install.wheelhouse import Wheelhouse, wheelhouse
from tfprov.lock.records import LockedFile
from wheels import build_wheel

ENVIRON = {"PATH": os.environ.get("PATH", os.defpath)}
NONSENSE = {
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_TARGET": "/nowhere",
    "PIP_USER": "1",
    "PIP_REQUIRE_VIRTUALENV": "nonsense",
    "PIP_NO_BINARY": ":all:",
    "PIP_CONSTRAINT": "/nowhere",
    "PIP_PREFIX": "/nowhere",
}


def locked(wheel: Path, sha256: str | None = None) -> LockedFile:
    name, version = wheel.name.split("-")[:2]
    digest = sha256 or hashlib.sha256(wheel.read_bytes()).hexdigest()
    return LockedFile(
        name=name.replace("_", "-"), version=version, filename=wheel.name, url=wheel.as_uri(), sha256=digest
    )


def house(folder: Path, *wheels: Path, sha256: str | None = None) -> Wheelhouse:
    files = [locked(wheel, sha256) for wheel in wheels]
    paths = {file.sha256: wheel for file, wheel in zip(files, wheels, strict=True)}
    folder.mkdir(exist_ok=True)
    return wheelhouse(files, paths, folder / "requirements.txt")


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    # Each in a folder of its own, as in the store. `app` asks for what is not there: nothing may be resolved.
    return [
        build_wheel(tmp_path / "störe" / "aa", "tiny-app", "1.0", requires=["not-there>=9"]),
        build_wheel(tmp_path / "störe" / "bb", "dep", "2.0+cpu"),
    ]


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("virtualenv")


@pytest.fixture(params=["uv", "pip"])
def installer(request: pytest.FixtureRequest, tmp_path: Path) -> Installer:
    return Uv(uv=Path(find_uv_bin()), cache=tmp_path / "cache") if request.param == "uv" else Pip()


@pytest.fixture
def python(installer: Installer, tmp_path: Path, seeds: Path) -> Path:
    target = tmp_path / "env"
    if installer.name == "uv":
        venvs.make(target)
    else:
        target.mkdir()
        version = "{}.{}.{}".format(*sys.version_info[:3])
        uv = Path(find_uv_bin())
        venv.create(
            target, python=Path(sys.executable), version=version, prompt="x", cache=seeds, uv=uv, environ=ENVIRON
        )
    return python_in(target)


def versions(python: Path) -> str:
    code = "import dep, tiny_app; print(tiny_app.__version__, dep.__version__, tiny_app.__file__)"
    done = process.run([python, "-I", "-c", code], env=ENVIRON)
    assert done.ok, done.stderr
    return done.stdout


def test_the_locked_wheels_are_installed_and_nothing_is_resolved(
    installer: Installer, python: Path, wheels: list[Path], tmp_path: Path
) -> None:
    installer.install(house(tmp_path / "work", *wheels), python=python, environ=ENVIRON, timeout=300)
    app, dep, path = versions(python).split(maxsplit=2)
    assert (app, dep) == ("1.0", "2.0+cpu")
    assert Path(path.strip()).is_relative_to(tmp_path / "env")


def test_variables_and_files_for_installers_are_ignored(
    installer: Installer, python: Path, wheels: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "uv.toml").write_text('no-index = true\nrequire-hashes = "nonsense"\n')
    for folder in (".config/pip", ".pip"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "pip.conf").write_text("[install]\ntarget = /nowhere\nno-binary = :all:\n")
    environ = {**ENVIRON, **NONSENSE, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")}
    installer.install(house(tmp_path / "work", *wheels), python=python, environ=environ, timeout=300)
    assert versions(python).startswith("1.0 2.0+cpu")


def test_a_wheel_with_another_hash_is_refused(
    installer: Installer, python: Path, wheels: list[Path], tmp_path: Path
) -> None:
    wrong = house(tmp_path / "work", wheels[1], sha256="0" * 64)
    with pytest.raises(TfprovError) as failure:
        installer.install(wrong, python=python, environ=ENVIRON, timeout=300)
    assert failure.value.code.name == "hash-mismatch"
    assert failure.value.what.endswith("could not install the locked wheels")
    assert not process.run([python, "-I", "-c", "import dep"], env=ENVIRON).ok


def test_a_wheel_that_is_no_archive_is_said_to_be_broken(
    installer: Installer, python: Path, wheels: list[Path], tmp_path: Path
) -> None:
    wheels[1].write_bytes(wheels[1].read_bytes()[:100])
    with pytest.raises(TfprovError) as failure:
        installer.install(house(tmp_path / "work", wheels[1]), python=python, environ=ENVIRON, timeout=300)
    assert failure.value.code.name == "cache-corrupt"


@pytest.mark.skipif(os.name != "posix", reason="a script stands for uv")
def test_an_installer_that_does_not_end_is_ended(tmp_path: Path, wheels: list[Path]) -> None:
    uv = tmp_path / "uv"
    uv.write_text(f"#!{sys.executable} -I\nimport time\nprint('still unpacking', flush=True)\ntime.sleep(600)\n")
    uv.chmod(0o755)
    slow = Uv(uv=uv, cache=tmp_path / "cache")
    with pytest.raises(TfprovError) as failure:
        slow.install(house(tmp_path / "work", *wheels), python=tmp_path / "python", environ=ENVIRON, timeout=1)
    assert failure.value.code.name == "install-failed"
    assert failure.value.what == "`uv pip install` did not finish in 1 s"
