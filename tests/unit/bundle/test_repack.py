from __future__ import annotations

import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from sham import install
from tfprov.bundle import repack
from tfprov.profile.finding import shipped_folder
from told import refusal


@pytest.fixture
def installed(tmp_path: Path) -> metadata.Distribution:
    """A project as an installer leaves it: with a program of its own, one that was made, and bytecode."""
    site = tmp_path / "lib" / "python3" / "site-packages"
    info = "demo-1.0.dist-info"
    install(
        site,
        "demo",
        "1.0",
        {
            "demo/__init__.py": "x = 1\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n",
            f"{info}/entry_points.txt": "[console_scripts]\nmade = demo:main\n",
            f"{info}/INSTALLER": "pip",
        },
    )
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "native").write_bytes(b"\x7fELF")
    (tmp_path / "bin" / "made").write_text("#!/where/it/was/made\n")
    (site / "demo" / "__pycache__").mkdir()
    (site / "demo" / "__pycache__" / "x.cpython-312.pyc").write_bytes(b"old")
    with (site / info / "RECORD").open("a") as record:
        record.write("../../../bin/native,,\n../../../bin/made,,\ndemo/__pycache__/x.cpython-312.pyc,,\n")
    return metadata.PathDistribution(site / info)


def test_an_installed_project_becomes_the_wheel_that_it_was(installed: metadata.Distribution, tmp_path: Path) -> None:
    wheel = repack.repack(installed, tmp_path / "out")
    assert wheel.name == "demo-1.0-py2.py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert sorted(archive.namelist()) == [
            "demo-1.0.data/scripts/native",
            "demo-1.0.dist-info/METADATA",
            "demo-1.0.dist-info/RECORD",
            "demo-1.0.dist-info/WHEEL",
            "demo-1.0.dist-info/entry_points.txt",
            "demo/__init__.py",
        ]
        assert archive.getinfo("demo-1.0.data/scripts/native").external_attr >> 16 & 0o111
        record = archive.read("demo-1.0.dist-info/RECORD").decode().splitlines()
    assert record[-1] == "demo-1.0.dist-info/RECORD,,"
    assert all(line.split(",")[1].startswith("sha256=") for line in record[:-1])


def test_the_same_files_give_the_same_bytes(installed: metadata.Distribution, tmp_path: Path) -> None:
    assert (
        repack.repack(installed, tmp_path / "a").read_bytes() == repack.repack(installed, tmp_path / "b").read_bytes()
    )


def test_the_closure_of_tfprov_has_what_it_imports_and_nothing_of_its_tests() -> None:
    names = {one.name.lower().replace("_", "-") for one in repack.closure("tfprov")}
    assert {"tfprov", "uv", "virtualenv", "pydantic", "pydantic-core", "typer", "httpx", "socksio"} <= names
    assert "pytest" not in names
    assert ("tomli" in names) == (sys.version_info < (3, 11))


def test_the_wheel_of_tfprov_itself_has_package_profiles_and_entry_point(tmp_path: Path) -> None:
    package = Path(repack.__file__).parents[1]
    also = repack.package_files(package, shipped_folder())
    wheel = repack.repack(metadata.distribution("tfprov"), tmp_path, also=also)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert (
            "tfprov = tfprov.cli:main"
            in archive.read(next(n for n in names if n.endswith("entry_points.txt"))).decode()
        )
    assert {"tfprov/cli/app.py", "tfprov/bundle/starter.py", "tfprov/profiles/cpu.toml", "tfprov/py.typed"} <= names
    assert not [name for name in names if name.endswith((".pyc", ".pth")) or "pylock" in name.rsplit("/", 1)[0]]


def test_a_dependency_that_is_gone_is_named() -> None:
    words = ("extra-missing", "`not-installed-anywhere` is not installed, and tfprov needs it")
    assert refusal(lambda: repack.closure("not-installed-anywhere"))[:2] == words


def test_an_installation_without_a_record_cannot_be_packed(tmp_path: Path) -> None:
    info = tmp_path / "six-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: six\nVersion: 1.0\n")
    one = metadata.Distribution.at(info)
    words = ("extra-missing", "the installation of `six` has no record of its files")
    assert refusal(lambda: repack.repack(one, tmp_path / "out"))[:2] == words
