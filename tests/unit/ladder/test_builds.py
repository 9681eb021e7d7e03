from __future__ import annotations

import pytest

from tfprov.ladder.builds import build_failure, needs_of, older_setuptools, source_failure


@pytest.mark.parametrize(
    ("line", "name", "package"),
    [
        ("error: command 'gcc' failed: No such file or directory", "a C compiler", "build-essential"),
        ("error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory", "a C compiler", "build-essential"),
        ("unable to execute 'gcc': No such file or directory", "a C compiler", "build-essential"),
        ("meson.build:1: ERROR: Unknown compiler(s): [['cc'], ['gcc'], ['clang']]", "a C compiler", "build-essential"),
        ("/bin/sh: 1: gcc: not found", "a C compiler", "build-essential"),
        ("error: command 'g++' failed: No such file or directory", "a C++ compiler", "g++"),
        ("  No CMAKE_CXX_COMPILER could be found.", "a C++ compiler", "g++"),
        (
            "graphviz_wrap.c: fatal error: graphviz/cgraph.h: No such file or directory",
            "the headers of Graphviz",
            "libgraphviz-dev",
        ),
        ("src/x.c:1:10: fatal error: Python.h: No such file or directory", "`Python.h`", "python3-dev"),
        ("error: can't find Rust compiler", "a Rust compiler", "cargo"),
        ("Cargo, the Rust package manager, is not installed or is not on PATH.", "a Rust compiler", "cargo"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'cmake'", "CMake", "cmake"),
        ("RuntimeError: CMake must be installed to build dlib", "CMake", "cmake"),
        ("Error: pg_config executable not found.", "pg_config", "libpq-dev"),
        ("c/_cffi_backend.c:15:10: fatal error: ffi.h: No such file or directory", "libffi", "libffi-dev"),
        ("x.c:3:10: fatal error: openssl/opensslv.h: No such file or directory", "OpenSSL", "libssl-dev"),
        ("error: Unable to load dependency HDF5, make sure HDF5 is installed properly", "HDF5", "libhdf5-dev"),
        ("/bin/sh: 1: mysql_config: not found", "mysql_config", "default-libmysqlclient-dev"),
        ("ERROR: Dependency \"OpenBLAS\" not found, tried pkgconfig", "linear algebra", "libopenblas-dev"),
        ("ERROR: Unknown compiler(s): [['gfortran'], ['flang']]", "a Fortran compiler", "gfortran"),
        ("error: command 'swig' failed: No such file or directory", "SWIG", "swig"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_with_the_package_that_brings_it(line: str, name: str, package: str) -> None:
    error = build_failure("`x 1.0` could not be built", f"building\n{line}\nerror: it ended with status 1\n")
    assert error.code.name == "build-tool-missing"
    assert name in error.what
    assert f"`{package}` on Debian and Ubuntu" in error.hint
    assert error.evidence == (line.strip(),)


def test_a_header_that_is_not_known_is_named() -> None:
    error = build_failure("`x` failed", "a.c:1:10: fatal error: zork/zork.h: No such file or directory")
    assert error.code.name == "build-tool-missing"
    assert error.what == "`x` failed: it needs the header `zork/zork.h`"


@pytest.mark.parametrize(
    "line",
    [
        # Python 3.11 has it no more; the system cannot bring it.
        "a.c:1:10: fatal error: longintrepr.h: No such file or directory",
        # A requirement that the source does not state.
        "a.c:1:10: fatal error: numpy/arrayobject.h: No such file or directory",
        "ModuleNotFoundError: No module named 'numpy'",
        "error: gcc: internal compiler error: Killed",
    ],
)
def test_what_the_system_cannot_bring_is_a_failed_build(line: str) -> None:
    error = build_failure("`x` failed", line, kept="/x.log")
    assert error.code.name == "build-failed"
    assert error.evidence == (line, "the whole log: `/x.log`")


def test_the_last_telling_lines_are_shown_without_secrets() -> None:
    output = "\n".join([f"ValueError: {number}" for number in range(9)] + ["quiet", "error: https://me:secret@host/x"])
    evidence = build_failure("`x` failed", output).evidence
    assert evidence[0] == "ValueError: 4"
    assert "secret" not in "".join(evidence)


def test_a_build_that_wanted_the_network_is_told() -> None:
    error = build_failure("`x` failed", "socket.gaierror: [Errno -3] Temporary failure in name resolution")
    assert error.evidence[0] == "the build tried to use the network, which builds may not use"


@pytest.mark.parametrize(
    ("output", "bound"),
    [
        ("ModuleNotFoundError: No module named 'pkg_resources'", "setuptools<82"),
        ("error in x setup command: use_2to3 is invalid.", "setuptools<58"),
        ("ModuleNotFoundError: No module named 'setuptools.py31compat'", "setuptools<47"),
        ("ImportError: cannot import name 'Feature' from 'setuptools' (/x/setuptools/__init__.py)", "setuptools<46"),
        ("ModuleNotFoundError: No module named 'setuptools.command.bdist_wininst'", "setuptools<53"),
        (
            "ImportError: cannot import name 'convert_path' from 'setuptools' (/x/setuptools/__init__.py)",
            "setuptools<70",
        ),
        ("ModuleNotFoundError: No module named 'pkg_resources.extern'", "setuptools<71"),
        ("ImportError: cannot import name 'upload' from 'setuptools.command' (/x/__init__.py)", "setuptools<73"),
        ("ModuleNotFoundError: No module named 'setuptools.package_index'", "setuptools<80"),
        ("ModuleNotFoundError: No module named 'numpy'", None),
        ("ImportError: cannot import name 'upload' from 'cloud' (/x/cloud.py)", None),
    ],
)
def test_what_an_old_source_needs_is_seen(output: str, bound: str | None) -> None:
    assert older_setuptools(output) == bound


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("fatal: couldn't find remote ref refs/tags/v9", "no such ref"),
        ("error: Server does not allow request for unadvertised object 12", "no such commit"),
        ("fatal: unable to access 'https://h/': Could not resolve host: h", "its host name cannot be resolved"),
        (
            "cause: failed to fetch branch `v1`\nfatal: unable to access 'https://h/': Could not resolve host: h",
            "its host name cannot be resolved",
        ),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", "it requires a login"),
        ("remote: Repository not found.", "no such repository"),
        ("fatal: unable to access 'https://h/': Failed to connect to h port 443", "its host does not answer"),
        ("something else", "git failed"),
    ],
)
def test_why_a_repository_cannot_be_had_is_told_apart(output: str, words: str) -> None:
    error = source_failure("https://me:secret@h/x.git", output)
    assert error.code.name == "source-unreachable"
    assert error.what.endswith(f"cannot be fetched: {words}")
    assert "secret" not in error.what


def test_a_project_of_another_name_is_called_by_its_own() -> None:
    said = (
        "error: Failed to download and build `foo @ git+https://host/me/foo.git@v1`\n"
        "  cause: Package metadata name `nets` does not match given name `foo`\n"
    )
    error = build_failure("it", said)
    assert (error.code.name, error.what) == ("package-name-wrong", "it: it is the project `nets`, not `foo`")
    assert error.hint == "write `nets @ git+https://host/me/foo.git@v1`"


def test_what_a_project_is_known_to_need_is_told_before_its_build() -> None:
    assert needs_of(["pure", "psycopg2"]) == (
        "building `psycopg2` needs PostgreSQL's `pg_config`: `libpq-dev` on Debian and Ubuntu, `libpq-devel` on Fedora "
        "and RHEL",
    )
    assert needs_of(["pure", "psycopg2-binary"]) == ()


@pytest.mark.parametrize("project", ["mysqlclient", "gdal", "h5py", "pyaudio", "pycairo", "mpi4py", "pygraphviz"])
def test_each_project_that_is_known_to_need_something_is_named_with_it(project: str) -> None:
    (line,) = needs_of([project])
    assert line.startswith(f"building `{project}` needs ")
    assert "on Debian and Ubuntu" in line
