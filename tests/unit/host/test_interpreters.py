"""Finding interpreters, with executables that behave and executables that do not."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
import venv
from pathlib import Path
from typing import Any

import pytest

from executables import answering, script
from tfprov import process
from tfprov.host import answers, places
from tfprov.host.interpreters import discover, probe

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the executables of these tests are shell scripts")

REAL = Path(sys.executable).resolve()


def test_pyenv_versions_are_found_behind_shims_that_fail(environ: dict[str, str], home: Path, root: Path) -> None:
    for version in ("3.9.18", "3.12.1"):
        answering(home / ".pyenv/versions" / version / "bin/python", version)
    shims = home / ".pyenv/shims"
    script(shims / "python3.9", "echo 'pyenv: python3.9: command not found' >&2; exit 127")
    environ["PATH"] = str(shims)

    found = discover(environ, root=root)

    assert [(one.version, one.found_by, one.problem) for one in found] == [
        ("3.12.1", "pyenv", None),
        ("3.9.18", "pyenv", None),
    ]


@pytest.mark.parametrize(
    ("variable", "below", "found_by"),
    [
        ("PYENV_ROOT", "versions/3.11.7/bin", "pyenv"),
        ("UV_PYTHON_INSTALL_DIR", "cpython-3.11.7-linux-x86_64-gnu/bin", "uv"),
        ("XDG_DATA_HOME", "uv/python/cpython-3.11.7-linux-x86_64-gnu/bin", "uv"),
        ("ASDF_DATA_DIR", "installs/python/3.11.7/bin", "asdf"),
        ("MISE_DATA_DIR", "installs/python/3.11.7/bin", "mise"),
        ("RYE_HOME", "py/cpython@3.11.7/bin", "rye"),
        ("RYE_HOME", "py/cpython@3.11.7/install/bin", "rye"),
        ("HATCH_DATA_DIR", "pythons/3.11/python/bin", "hatch"),
        ("XDG_DATA_HOME", "pdm/python/cpython@3.11.7/bin", "pdm"),
        ("PIXI_HOME", "envs/python/bin", "pixi"),
        ("TFPROV_HOME", "data/pythons/cpython-3.11.7-linux-x86_64-gnu/bin", "tfprov"),
        ("RUNNER_TOOL_CACHE", "Python/3.11.7/x64/bin", "tool cache"),
        ("PYENV_ROOT", "versions/miniconda3-4.7.12/envs/work/bin", "pyenv"),
        ("HOME", ".pyenv/versions/3.11.7/bin", "pyenv"),
        ("HOME", ".local/share/uv/python/cpython-3.11.7/bin", "uv"),
        ("HOME", ".asdf/installs/python/3.11.7/bin", "asdf"),
        ("HOME", ".local/share/mise/installs/python/3.11.7/bin", "mise"),
        ("HOME", ".rye/py/cpython@3.11.7/bin", "rye"),
        ("HOME", ".local/bin", "user"),
    ],
)
def test_every_version_manager_is_looked_into(
    variable: str, below: str, found_by: str, environ: dict[str, str], tmp_path: Path, root: Path
) -> None:
    folder = tmp_path / "manager"
    executable = answering(folder / below / "python3.11", "3.11.7")
    environ[variable] = str(folder)

    (found,) = discover(environ, root=root)

    assert (found.path, found.version, found.found_by) == (str(executable), "3.11.7", found_by)


def test_conda_roots_and_environments_are_found(
    environ: dict[str, str], home: Path, root: Path, tmp_path: Path
) -> None:
    for prefix, version in (
        (home / "miniforge3", "3.12.4"),
        (home / "miniforge3/envs/work", "3.10.1"),
        (tmp_path / "elsewhere", "3.9.1"),
    ):
        (prefix / "conda-meta").mkdir(parents=True)
        answering(prefix / "bin/python", version)
    (home / ".conda").mkdir()
    listed = f"{tmp_path}/elsewhere\n{tmp_path}/deleted long ago\n\n"
    (home / ".conda/environments.txt").write_text(listed, encoding="utf-8")

    found = discover(environ, root=root)

    assert [(one.version, one.found_by) for one in found] == [
        ("3.12.4", "conda"),
        ("3.10.1", "conda"),
        ("3.9.1", "conda"),
    ]


def test_one_file_behind_many_names_is_listed_once(environ: dict[str, str], home: Path, root: Path) -> None:
    real = answering(home / ".pyenv/versions/3.6.15/bin/python3.6", "3.6.15")
    os.link(real, real.with_name("python3.6m"))
    real.with_name("python3").symlink_to("python3.6")
    (home / "links").mkdir()
    (home / "links/python").symlink_to(real)
    environ["PATH"] = str(home / "links")

    (found,) = discover(environ, root=root)

    assert found.path == str(real)


@pytest.mark.parametrize("inner", ["bin", "Frameworks/Python.framework/Versions/3.12/bin"])
def test_homebrew_is_named_by_what_its_next_upgrade_leaves(
    inner: str, environ: dict[str, str], home: Path, root: Path
) -> None:
    brew = root / "opt/homebrew"
    real = answering(brew / "Cellar/python@3.12/3.12.4_1" / inner / "python3.12", "3.12.4")
    (brew / "bin").mkdir(parents=True)
    (brew / "bin/python3.12").symlink_to(real)
    environ["PATH"] = str(brew / "bin")
    (found,) = discover(environ, root=root)
    assert found.path == str(real)  # not linked as the release in use

    (brew / "opt").mkdir()
    (brew / "opt/python@3.12").symlink_to("../Cellar/python@3.12/3.12.4_1")
    (found,) = discover(environ, root=root)
    lasting = brew / "opt/python@3.12" / inner / "python3.12"
    assert found.path == str(lasting)
    assert places.named_executable(brew / "bin/python3.12").path == lasting


def test_links_to_a_version_manager_are_no_interpreters(environ: dict[str, str], home: Path, root: Path) -> None:
    mise = script(home / "bin/mise", "exit 1")
    (home / "links").mkdir()
    (home / "links/python3").symlink_to(mise)
    environ["PATH"] = str(home / "links")

    assert discover(environ, root=root) == ()


def test_a_wrapper_is_listed_as_what_it_starts(environ: dict[str, str], home: Path, root: Path) -> None:
    inner = answering(home / "real/bin/python3.11", "3.11.7")
    script(home / "bin/python3", f'exec "{inner}" "$@"')
    environ["PATH"] = str(home / "bin")

    (found,) = discover(environ, root=root)

    assert found.path == str(inner)


def test_newest_comes_first_and_the_broken_last(environ: dict[str, str], home: Path, root: Path) -> None:
    versions = home / ".pyenv/versions"
    for version in ("3.9.18", "3.13.0", "3.13.0rc2", "3.10.2"):
        answering(versions / version / "bin/python", version)
    answering(versions / "3.13.0t/bin/python", "3.13.0", threaded="1")
    script(versions / "3.14.0/bin/python", "exit 3")

    found = discover(environ, root=root)

    assert [one.version for one in found] == ["3.13.0", "3.13.0", "3.13.0rc2", "3.10.2", "3.9.18", ""]
    assert [one.free_threaded for one in found[:2]] == [False, True]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("echo 'error while loading libpython3.9.so' >&2; exit 127", "status 127: error while loading libpython3.9.so"),
        ("exit 3", "status 3: it printed nothing"),
        ("echo hello", "it does not behave like a Python: hello"),
        ("true", "it does not behave like a Python: it printed nothing"),
        ("kill -SEGV $$", "SIGSEGV"),
        ("printf '\\377\\376\\033[31m\\n'", "it does not behave like a Python"),
        ("printf 'tfprov-python\\t3.x\\tcpython\\t64\\tm\\t0\\t\\t\\t\\t\\t.\\n'", "it does not behave like a Python"),
    ],
)
def test_what_is_no_working_python_keeps_its_reason(
    body: str, why: str, environ: dict[str, str], home: Path, root: Path
) -> None:
    script(home / ".pyenv/versions/3.9/bin/python", body)

    (found,) = discover(environ, root=root)

    assert found.version == ""
    assert found.problem is not None
    assert found.problem.code == "python-broken"
    assert why in found.problem.why
    assert "\033" not in found.problem.why


def test_a_file_of_another_machine_is_refused_with_the_reason(environ: dict[str, str], home: Path, root: Path) -> None:
    executable = home / ".pyenv/versions/3.9/bin/python"
    executable.parent.mkdir(parents=True)
    executable.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(64))
    executable.chmod(0o755)

    (found,) = discover(environ, root=root)

    assert found.problem is not None
    assert found.problem.why.startswith("it cannot be started:")


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "Too many open files"), RuntimeError("can't start new thread")]
)
def test_a_machine_at_its_limits_is_asked_again_one_by_one(
    error: Exception, environ: dict[str, str], home: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("3.9.18", "3.10.2", "3.11.7"):
        answering(home / ".pyenv/versions" / version / "bin/python", version)
    real, main = process.run, threading.get_ident()

    def crowded(*arguments: Any, **more: Any) -> process.Finished:
        if threading.get_ident() != main:
            raise error
        return real(*arguments, **more)

    monkeypatch.setattr(process, "run", crowded)

    assert [one.version for one in discover(environ, root=root)] == ["3.11.7", "3.10.2", "3.9.18"]


def test_a_missing_loader_is_not_taken_for_a_missing_file(environ: dict[str, str], home: Path, root: Path) -> None:
    executable = home / ".pyenv/versions/3.9/bin/python"
    script(executable, "").write_text("#!/does/not/exist\n", encoding="utf-8")

    (found,) = discover(environ, root=root)

    assert found.problem is not None
    assert found.problem.why == "it cannot be started: its loader, or the program in its first line, is missing"


def test_one_that_hangs_is_given_up(
    environ: dict[str, str], home: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PROBE_TIMEOUT_S", 0.2)
    script(home / ".pyenv/versions/3.9/bin/python", "while :; do :; done")

    (found,) = discover(environ, root=root)

    assert found.problem is not None
    assert found.problem.why == "it did not answer within 0.2 s"


def test_a_build_without_ctypes_is_refused_by_name(environ: dict[str, str], home: Path, root: Path) -> None:
    answering(home / ".pyenv/versions/3.11/bin/python", "3.11.7", lacks="_ctypes")

    (found,) = discover(environ, root=root)

    assert found.version == "3.11.7"
    assert found.problem is not None
    assert found.problem.why == "it was built without `_ctypes`, which TensorFlow needs"


def test_a_virtual_environment_is_listed_as_what_it_was_made_from(
    environ: dict[str, str], home: Path, root: Path
) -> None:
    venv.create(home / "env", symlinks=True, with_pip=False)
    venv.create(home / "copied", symlinks=False, with_pip=False)
    environ["PATH"] = f"{home}/env/bin:{home}/copied/bin"

    (found,) = discover(environ, root=root)

    assert Path(found.path).samefile(REAL)
    assert not found.virtual


def test_a_wrapper_around_a_virtual_environment_is_left_out(environ: dict[str, str], home: Path, root: Path) -> None:
    venv.create(home / "env", symlinks=False, with_pip=False)
    script(home / "bin/python3", f'exec "{home}/env/bin/python" "$@"')
    environ["PATH"] = str(home / "bin")

    assert discover(environ, root=root) == ()


def test_what_an_environment_runs_at_its_start_is_not_run(environ: dict[str, str], home: Path, root: Path) -> None:
    venv.create(home / "env", symlinks=True, with_pip=False)
    (site,) = (home / "env").glob("lib/python*/site-packages")
    (site / "sitecustomize.py").write_text("print('hello')\nraise SystemExit(3)\n", encoding="utf-8")

    (found,) = discover(environ, also=home / "env/bin/python", root=root)

    assert found.problem is None


def test_no_interpreter_is_asked_twice(
    environ: dict[str, str], home: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable = answering(home / ".pyenv/versions/3.11/bin/python3.11", "3.11.7")
    environ["PATH"] = str(executable.parent)
    asked: list[str] = []
    real = process.run

    def counted(argv: Any, **more: Any) -> process.Finished:
        asked.append(str(argv[0]))
        return real(argv, **more)

    monkeypatch.setattr(process, "run", counted)

    discover(environ, also=executable, root=root)

    assert asked == [str(executable)]


def test_the_virtual_environment_that_the_profile_names_is_kept(
    environ: dict[str, str], home: Path, root: Path
) -> None:
    venv.create(home / "env", symlinks=True, with_pip=False)

    (found,) = discover(environ, also=home / "env/bin/python", root=root)

    assert found.path == str(home / "env/bin/python")
    assert found.virtual
    assert found.found_by == "profile"


def test_a_stray_file_of_an_environment_hides_nothing(environ: dict[str, str], home: Path, root: Path) -> None:
    answering(home / "install/bin/python3", "3.11.7")
    (home / "install/pyvenv.cfg").write_text("include-system-site-packages = false\n", encoding="utf-8")
    environ["PATH"] = str(home / "install/bin")

    (found,) = discover(environ, root=root)

    assert not found.virtual


def test_pythons_of_windows_are_no_pythons_of_wsl(environ: dict[str, str], home: Path, root: Path) -> None:
    answering(home / "bin/python.exe", "3.11.7")
    answering(home / "bin/python3", "3.12.1")
    environ["PATH"] = str(home / "bin")

    assert [one.version for one in discover(environ, root=root)] == ["3.12.1"]


def test_an_interpreter_on_musl_says_so(environ: dict[str, str], home: Path, root: Path) -> None:
    executable = answering(home / ".pyenv/versions/3.11/bin/python", "3.11.7", libc="")
    with executable.open("ab") as stream:
        stream.write(b"exit\n\0/lib/ld-musl-x86_64.so.1\0")

    (found,) = discover(environ, root=root)

    assert found.libc is not None
    assert found.libc.kind == "musl"


def test_the_interpreter_of_the_profile_comes_first_and_once(environ: dict[str, str], home: Path, root: Path) -> None:
    old = answering(home / ".pyenv/versions/3.9.18/bin/python3.9", "3.9.18")
    answering(home / ".pyenv/versions/3.12.1/bin/python3.12", "3.12.1")
    old.with_name("python").symlink_to(old)

    found = discover(environ, also=old.with_name("python"), root=root)

    assert [(one.version, one.found_by) for one in found] == [("3.9.18", "profile"), ("3.12.1", "pyenv")]


@pytest.mark.parametrize(
    ("name", "why"), [("missing", "there is no file"), ("folder", "is a folder; name the executable in it")]
)
def test_a_profile_that_names_nothing_usable_is_told(
    name: str, why: str, environ: dict[str, str], home: Path, root: Path
) -> None:
    (home / "folder").mkdir()

    (found,) = discover(environ, also=home / name, root=root)

    assert found.found_by == "profile"
    assert found.problem is not None
    assert why in found.problem.why


def test_a_pyenv_shim_that_the_profile_names_is_seen_through(environ: dict[str, str], home: Path, root: Path) -> None:
    inner = answering(home / ".pyenv/versions/3.11.7/bin/python3.11", "3.11.7")
    shim = script(home / ".pyenv/shims/python3", f'exec "{inner}" "$@"')

    (found,) = discover(environ, also=shim, root=root)

    assert (found.path, found.found_by) == (str(inner), "profile")


def test_what_was_asked_once_is_not_asked_again(
    environ: dict[str, str], home: Path, root: Path, tmp_path: Path
) -> None:
    executable = answering(home / ".pyenv/versions/3.11.7/bin/python", "3.11.7")
    status = executable.stat()
    cache = tmp_path / "cache" / "interpreters.json"
    first = discover(environ, cache=cache, root=root)
    # The same size and time, but it would fail if it were started.
    executable.write_text("#!/bin/sh\nexit 9 #".ljust(status.st_size, "#"), encoding="utf-8")
    os.utime(executable, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert discover(environ, cache=cache, root=root) == first


def test_a_changed_file_is_asked_again(environ: dict[str, str], home: Path, root: Path, tmp_path: Path) -> None:
    executable = answering(home / ".pyenv/versions/3.11/bin/python", "3.11.7")
    cache = tmp_path / "interpreters.json"
    discover(environ, cache=cache, root=root)
    answering(executable, "3.11.10")

    assert [one.version for one in discover(environ, cache=cache, root=root)] == ["3.11.10"]


def test_failures_are_not_remembered(environ: dict[str, str], home: Path, root: Path, tmp_path: Path) -> None:
    library = home / "libpython"
    executable = home / ".pyenv/versions/3.11/bin/python"
    good = answering(home / "good", "3.11.7", executable=os.fsencode(executable).hex())
    script(executable, f'test -e "{library}" || exit 127; exec "{good}"')
    cache = tmp_path / "interpreters.json"
    assert discover(environ, cache=cache, root=root)[0].problem is not None
    library.touch()

    assert [one.version for one in discover(environ, cache=cache, root=root)] == ["3.11.7"]


def test_a_file_of_the_same_size_but_another_time_is_asked_again(
    environ: dict[str, str], home: Path, root: Path, tmp_path: Path
) -> None:
    executable = answering(home / ".pyenv/versions/3.11/bin/python", "3.11.7")
    status = executable.stat()
    cache = tmp_path / "interpreters.json"
    discover(environ, cache=cache, root=root)
    answering(executable, "3.11.8")
    os.utime(executable, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert executable.stat().st_size == status.st_size

    assert [one.version for one in discover(environ, cache=cache, root=root)] == ["3.11.8"]


def test_what_a_wrapper_starts_is_not_remembered(
    environ: dict[str, str], home: Path, root: Path, tmp_path: Path
) -> None:
    for version in ("3.11.7", "3.12.1"):
        answering(home / version / "python", version)
    selected = home / "selected"
    selected.symlink_to(home / "3.11.7")
    script(home / "bin/python", f'exec "{selected}/python" "$@"')
    environ["PATH"] = str(home / "bin")
    cache = tmp_path / "interpreters.json"
    assert [one.version for one in discover(environ, cache=cache, root=root)] == ["3.11.7"]
    selected.unlink()
    selected.symlink_to(home / "3.12.1")

    assert [one.version for one in discover(environ, cache=cache, root=root)] == ["3.12.1"]


def test_the_cache_is_written_when_there_is_news_and_forgets_what_is_gone(
    environ: dict[str, str], home: Path, root: Path, tmp_path: Path
) -> None:
    old = answering(home / ".pyenv/versions/3.9/bin/python", "3.9.18")
    cache = tmp_path / "interpreters.json"
    discover(environ, cache=cache, root=root)
    written = cache.stat()
    discover(environ, cache=cache, root=root)
    assert (cache.stat().st_ino, cache.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    old.unlink()
    new = answering(home / ".pyenv/versions/3.12/bin/python", "3.12.1")

    discover(environ, cache=cache, root=root)

    assert json.loads(cache.read_text(encoding="utf-8"))["answers"].keys() == {str(new)}


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"schema": 1}', '{"schema": 9, "probe": "", "answers": {}}', "\0"])
def test_a_damaged_cache_does_no_harm(
    damage: str, environ: dict[str, str], home: Path, root: Path, tmp_path: Path
) -> None:
    answering(home / ".pyenv/versions/3.11/bin/python", "3.11.7")
    cache = tmp_path / "interpreters.json"
    cache.write_text(damage, encoding="utf-8")

    assert [one.version for one in discover(environ, cache=cache, root=root)] == ["3.11.7"]
    assert json.loads(cache.read_text(encoding="utf-8"))["answers"]


def test_a_cache_that_cannot_be_written_does_no_harm(
    environ: dict[str, str], home: Path, root: Path, tmp_path: Path
) -> None:
    answering(home / ".pyenv/versions/3.11/bin/python", "3.11.7")
    (tmp_path / "file").touch()

    assert len(discover(environ, cache=tmp_path / "file" / "interpreters.json", root=root)) == 1


def test_odd_entries_of_the_path_are_passed_over(environ: dict[str, str], home: Path, root: Path) -> None:
    (home / "loop").symlink_to(home / "loop")
    (home / "bin/python").mkdir(parents=True)
    (home / "bin/python3").symlink_to(home / "gone")
    (home / "bin/python3.9").symlink_to("python3.9")
    (home / "bin/python3.8").write_text("no program", encoding="utf-8")
    (home / "file").touch()
    entries = ("", ".", "relative/bin", "/does/not/exist", home / "loop", home / "file", home / "bin", "/" + "x" * 5000)
    environ["PATH"] = ":".join(str(entry) for entry in entries)

    assert discover(environ, root=root) == ()


def test_pythonpath_and_pythonhome_do_not_reach_the_question(environ: dict[str, str], home: Path, root: Path) -> None:
    (home / "os.py").write_text("raise SystemExit('the wrong os')", encoding="utf-8")
    environ.update(PYTHONPATH=str(home), PYTHONHOME=str(home), PYTHONSTARTUP=str(home / "os.py"))

    found = discover(environ, also=REAL, root=root)

    assert found[0].problem is None
    assert found[0].version == ".".join(str(part) for part in sys.version_info[:3])


def test_a_module_in_the_working_directory_is_not_asked(
    environ: dict[str, str], home: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("os", "zlib", "_ctypes"):
        (home / f"{name}.py").write_text("raise SystemExit('the wrong module')", encoding="utf-8")
    monkeypatch.chdir(home)

    assert discover(environ, also=REAL, root=root)[0].problem is None


def test_a_real_interpreter_tells_everything(environ: dict[str, str]) -> None:
    found = probe(REAL, found_by="uv", environ=environ)

    assert found.problem is None
    assert found.found_by == "uv"
    assert Path(found.path).samefile(REAL)
    assert found.implementation == sys.implementation.name
    assert found.bits == (64 if sys.maxsize > 2**32 else 32)
    assert found.machine == os.uname().machine


def test_an_interpreter_of_the_operating_system_is_marked(environ: dict[str, str], tmp_path: Path) -> None:
    executable = answering(tmp_path / "usr/bin/python3.11", "3.11.2")
    (tmp_path / "usr/lib").mkdir()
    assert not probe(executable, found_by="PATH", environ=environ).externally_managed
    (tmp_path / "usr/lib/EXTERNALLY-MANAGED").touch()

    assert probe(executable, found_by="PATH", environ=environ).externally_managed
