from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from old_pythons import MINORS, old_python
from tfprov import process
from tfprov.envs import venv
from tfprov.envs.layout import python_in
from tfprov.errors import TfprovError
from tfprov.pipeline.uv import uv_executable

VERSION = "{}.{}.{}".format(*sys.version_info[:3])
ENVIRON = {"PATH": os.environ.get("PATH", os.defpath)}
SHOW = "import json, sys, pip; print(json.dumps([sys.prefix, sys.base_prefix, sys.path, pip.__file__]))"


def shown(environment: Path) -> tuple[str, str, list[str], str]:
    import json

    # Python 3.6 and 3.7 read a path as ASCII where nothing says otherwise.
    done = process.run([python_in(environment), "-I", "-c", SHOW], env={**ENVIRON, "LC_ALL": "C.UTF-8"})
    assert done.ok, done.stderr
    prefix, base, path, pip = json.loads(done.stdout)
    return prefix, base, path, pip


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("virtualenv")


def create(path: Path, cache: Path, python: str = sys.executable, version: str = VERSION, **environ: str) -> None:
    path.mkdir(parents=True)
    venv.create(
        path,
        python=Path(python),
        version=version,
        prompt="träin",
        cache=cache,
        uv=uv_executable(),
        environ={**ENVIRON, **environ},
    )


def test_an_environment_is_on_its_own_with_pip_in_it(tmp_path: Path, cache: Path) -> None:
    target = tmp_path / "my ënv"
    create(target, cache)
    prefix, base, path, pip = shown(target)
    assert Path(prefix).samefile(target)
    assert Path(base).samefile(sys.base_prefix)
    assert Path(pip).is_relative_to(target)
    (prompt,) = (line for line in (target / "pyvenv.cfg").read_text("utf-8").splitlines() if "prompt" in line)
    assert "träin" in prompt
    packages = [entry for entry in path if entry.endswith("site-packages")]
    assert all(Path(entry).is_relative_to(target) for entry in packages)
    assert sorted(one.name.split("-")[0] for one in Path(packages[0]).glob("*.dist-info")) == ["pip"]


def test_variables_and_files_that_would_change_it_are_ignored(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # virtualenv finds the user's file by itself, through this process's own variables.
    config = tmp_path / "config"
    for folder in (config / "virtualenv", tmp_path / "Library" / "Application Support" / "virtualenv"):
        folder.mkdir(parents=True)
        (folder / "virtualenv.ini").write_text("[virtualenv]\nsystem-site-packages = true\nno-pip = true\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    create(
        tmp_path / "env",
        cache,
        VIRTUALENV_SYSTEM_SITE_PACKAGES="1",
        VIRTUALENV_NO_PIP="1",
        VIRTUALENV_CLEAR="1",
        VIRTUALENV_SETUPTOOLS="bundle",
        PYTHONHOME="/nowhere",
        PYTHONPATH="/nowhere",
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        VIRTUAL_ENV="/nowhere",
        CONDA_PREFIX="/nowhere",
    )
    assert Path(shown(tmp_path / "env")[3]).is_relative_to(tmp_path / "env")
    assert "include-system-site-packages = false" in (tmp_path / "env" / "pyvenv.cfg").read_text()


@pytest.mark.parametrize("minor", MINORS)
def test_an_old_python_gets_an_environment_with_the_pip_that_came_with_it(
    tmp_path: Path, cache: Path, minor: str
) -> None:
    python, version = old_python(minor)
    target = tmp_path / "my ënv"
    create(target, cache, str(python), version, PYTHONPATH="/nowhere", UV_PYTHON="3.13", LC_ALL="C.UTF-8")
    prefix, base, path, pip = shown(target)
    assert Path(prefix).samefile(target)
    assert Path(base).samefile(python.parents[1])
    assert Path(pip).is_relative_to(target)
    (packages,) = (entry for entry in path if entry.endswith("site-packages"))
    assert [one.name.split("-")[0] for one in Path(packages).glob("*.dist-info")] == ["pip"]
    assert "include-system-site-packages = false" in (target / "pyvenv.cfg").read_text("utf-8")


@pytest.mark.parametrize("minor", MINORS)
def test_an_old_interpreter_that_cannot_be_used_is_named(tmp_path: Path, cache: Path, minor: str) -> None:
    python = tmp_path / f"python{minor}"
    python.write_text("#!/bin/sh\necho no\n")
    python.chmod(0o755)
    with pytest.raises(TfprovError) as failure:
        create(tmp_path / "env", cache, str(python), f"{minor}.1")
    assert failure.value.code.name == "python-broken"
    assert failure.value.what == f"no environment can be created with `{python}`"
    assert failure.value.evidence[0].startswith("uv venv: ")


def test_nothing_is_written_but_the_environment_and_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    create(tmp_path / "env", tmp_path / "cache")
    # An empty folder is left by some releases of what virtualenv is built on.
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_no_home_is_needed(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "not absolute")
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    create(tmp_path / "env", cache)
    assert shown(tmp_path / "env")[0] == str(tmp_path / "env")


@pytest.mark.parametrize("kind", ["missing", "no Python", "not executable"])
def test_an_interpreter_that_cannot_be_used_is_named(tmp_path: Path, cache: Path, kind: str) -> None:
    python = tmp_path / "python3"
    if kind == "no Python":
        python.write_text("#!/bin/sh\necho no\n")
        python.chmod(0o755)
    if kind == "not executable":
        python.write_text("x")
    with pytest.raises(TfprovError) as failure:
        create(tmp_path / "env", cache, str(python))
    assert failure.value.code.name == "python-broken"
    assert failure.value.what == f"no environment can be created with `{python}`"
    assert failure.value.evidence[0].startswith("virtualenv: ")
    assert len(failure.value.evidence[0]) > len("virtualenv: 2")


def test_a_full_disk_is_no_broken_interpreter(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_folder: Path, content: bytes) -> None:
        assert len(content) > 100_000
        raise OSError(errno.ENOSPC, "No space left on device")

    # virtualenv cannot write, and says that the interpreter is not what it wants.
    monkeypatch.setattr(venv, "try_file", full)
    with pytest.raises(OSError, match="No space left"):
        create(tmp_path / "env", cache, str(tmp_path / "python3"))


def test_what_a_killed_run_left_in_the_cache_is_made_anew(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    create(tmp_path / "first", cache)
    images = list(cache.rglob("*.dist-info"))
    assert images
    for image in images:
        image.rename(image.with_name("half"))
    create(tmp_path / "second", cache)
    assert shown(tmp_path / "second")[3].startswith(str(tmp_path / "second"))
    assert not list(cache.rglob("half"))
    create(tmp_path / "third", cache)
    assert shown(tmp_path / "third")[3].startswith(str(tmp_path / "third"))


@pytest.mark.parametrize("damage", ["{", "null", "[]", "content"])
def test_a_damaged_cache_is_no_reason_to_fail(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    import json

    from virtualenv.discovery import cached_py_info

    # What is known is kept in memory, too.
    monkeypatch.setattr(cached_py_info, "_CACHE", {})
    create(tmp_path / "first", cache)
    cached_py_info._CACHE.clear()
    found = list(cache.rglob("py_info/**/*.json"))
    for path in found:
        part = json.dumps(json.loads(path.read_text()) | {"content": None})
        path.write_text(part if damage == "content" else damage)
    create(tmp_path / "second", cache)
    assert found
    assert Path(shown(tmp_path / "second")[1]).samefile(sys.base_prefix)


def test_a_copied_python_whose_old_place_is_closed_gets_an_environment(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = "/home/other/pythons/lib/libpython3.so.1.0"

    def session(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", refused)

    monkeypatch.setattr("virtualenv.session_via_cli", session)
    target = tmp_path / "env"
    create(target, cache)
    prefix, base, _, pip = shown(target)
    assert (Path(prefix), Path(base)) == (target, Path(sys.base_prefix))
    assert Path(pip).is_relative_to(target)
    # What is closed to the user where the environment is to be has to be told.
    refused = str(tmp_path / "second" / "bin")
    with pytest.raises(PermissionError):
        create(tmp_path / "second", cache)


@pytest.mark.skipif(os.name != "posix", reason="a script for shells of POSIX")
@pytest.mark.parametrize("version", [VERSION, "3.8.0"], ids=["virtualenv", "uv"])
@pytest.mark.parametrize("name", ["it's", 'a"b', "a\nb's \"c", "$(touch x) `touch y`", "a\\b\\", "plain"])
def test_the_activation_script_works_at_any_path_and_runs_no_part_of_it(
    tmp_path: Path, cache: Path, name: str, version: str
) -> None:
    target = tmp_path / name / "env"
    create(target, cache, version=version)
    activate = target / "bin" / "activate"
    shown = ["sh", "-c", '. "$1"; printf %s "$VIRTUAL_ENV"', "sh", str(activate)]
    done = process.run(shown, env=ENVIRON, cwd=tmp_path)
    assert (done.stdout, done.stderr) == (str(target), "")
    target.rename(tmp_path / name / "moved")
    shown[-1] = str(tmp_path / name / "moved" / "bin" / "activate")
    process.run(shown, env=ENVIRON, cwd=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {name}
