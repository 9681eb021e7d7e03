"""Classifies failed builds by their output: compilers and build backends report failures in no other form."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tfprov.errors import TfprovError
from tfprov.ladder.climb import TransferError
from tfprov.redact import redact
from tfprov.structured import toml_of

_TELLING = re.compile(r"(?:\b|_)(?:[\w.]*(?:Error|Exception)\b|error:|error in \w|fatal:|ERROR\b)")
_LINES = 6
_LINE_LENGTH = 400
_NETWORK = re.compile(
    r"Temporary failure in name resolution|Name or service not known|Network is unreachable"
    r"|Could not resolve host|nodename nor servname|getaddrinfo failed|failed to lookup address"
)
USES_NETWORK = "the build tried to use the network, which builds may not use"
"""Evidence of a failed build, which fails on every Python alike."""
_ELSEWHERE = (
    "make its wheel where the network may be used (`pip wheel --no-deps`), and ask for `NAME @ ./FILE.whl`; or leave "
    "it out"
)
# Old sources use what later releases of setuptools removed: pkg_resources (82), 2to3 (58), `setup.py test` (72).
_OLDER_SETUPTOOLS = (
    (re.compile(r"No module named '?pkg_resources\b(?!\.(?:extern|py))"), "setuptools<82"),
    (re.compile(r"use_2to3 is invalid|No module named '?(?:setuptools\.)?lib2to3"), "setuptools<58"),
    (
        re.compile(r"No module named '?setuptools\.command\.test|cannot import name 'test' from 'setuptools"),
        "setuptools<72",
    ),
    (re.compile(r"install_layout|canonicalize_version\(\) got an unexpected"), "setuptools<71"),
    # Removed modules, and names in them, with the bound below which they still exist (found by reading the wheels).
    *(
        (
            re.compile(
                rf"No module named '?(?:{modules})\b"
                rf"|cannot import name '(?:{names})' from '(?:{modules}|setuptools(?:\.command)?)'"
            ),
            bound,
        )
        for bound, modules, names in (
            ("setuptools<46", r"setuptools\.Feature", "Feature"),
            ("setuptools<47", r"(?:setuptools|pkg_resources)\.py(?:2|27|31|33)_?(?:compat|warn)", "PY3|string_types"),
            ("setuptools<53", r"setuptools\.(?:ssl_support|command\.bdist_wininst)", "ssl_support|bdist_wininst"),
            ("setuptools<66", r"setuptools\.(?:py34compat|command\.py36compat)", "py34compat"),
            ("setuptools<70", r"setuptools\.dep_util", "convert_path|dep_util"),
            ("setuptools<71", r"(?:setuptools|pkg_resources)\.extern", "extern"),
            ("setuptools<73", r"setuptools\.command\.(?:register|upload|upload_docs)", "register|upload|upload_docs"),
            ("setuptools<80", r"setuptools\.(?:sandbox|package_index)", "sandbox|package_index|DistutilsOptionError"),
        )
    ),
)
_OTHER_NAME = re.compile(r"metadata name `(?P<own>[^`]+)` does not match given name `(?P<given>[^`]+)`")
_GIT = (
    # First, because uv says of each ref that it could not be found.
    (re.compile(r"Could not resolve host|Name or service not known"), "its host name cannot be resolved"),
    (re.compile(r"Failed to connect|Connection refused|Could not connect|timed out"), "its host does not answer"),
    (
        re.compile(r"couldn't find remote ref|failed to (?:fetch branch or tag|find (?:branch|tag|commit))"),
        "no such ref",
    ),
    (re.compile(r"not our ref|unadvertised object|reference is not a tree|bad object"), "no such commit"),
    (
        re.compile(r"Authentication failed|could not read Username|Permission denied|HTTP 403|error: 403"),
        "it requires a login",
    ),
    (re.compile(r"[Rr]epository .*not found|does not appear to be a git repository|not found"), "no such repository"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tool:
    """A row of `build_tools.toml`."""

    name: str
    pattern: re.Pattern[str]
    debian: str
    fedora: str
    projects: tuple[str, ...] = ()

    @property
    def packages(self) -> str:
        """The system packages that provide it, in words."""
        return f"`{self.debian}` on Debian and Ubuntu, `{self.fedora}` on Fedora and RHEL"


def build_failure(what: str, output: str, *, kept: str | None = None) -> TfprovError:
    """The failure for the output of a build.

    Args:
        what: one line that says what could not be built.
        output: the whole output.
        kept: path of a file with the whole output; None when there is none.

    Returns:
        `package-name-wrong` when the source is another project, `build-tool-missing` when it lacks a known program or
        header, else `build-failed`.
    """
    log = (f"the whole log: `{kept}`",) if kept else ()
    if other := _OTHER_NAME.search(output):
        address = re.search(rf"`{re.escape(other['given'])} @ (?P<address>[^`]+)`", output)
        better = f"{other['own']} @ {redact(address['address'])}" if address else other["own"]
        told = f"it is the project `{other['own']}`, not `{other['given']}`"
        return TfprovError("package-name-wrong", f"{what}: {told}", hint=f"write `{better}`")
    for tool in _tools():
        found = tool.pattern.search(output)
        if found is None:
            continue
        name = tool.name.format(what=next((text for text in found.groupdict().values() if text), ""))
        hint = (
            f"install {name}: {tool.packages}"
            if tool.debian
            else f"install the system package that provides {name}, unless the source should contain it"
        )
        start = output.rfind("\n", 0, found.start()) + 1
        line = redact(output[start:].split("\n", 1)[0].strip()[:_LINE_LENGTH])
        return TfprovError("build-tool-missing", f"{what}: it needs {name}", evidence=(line, *log), hint=hint)
    evidence = (*_telling(output), *log)
    if _NETWORK.search(output):
        return TfprovError("build-failed", what, evidence=(USES_NETWORK, *evidence), hint=_ELSEWHERE)
    return TfprovError("build-failed", what, evidence=evidence)


def needs_of(projects: Collection[str]) -> tuple[str, ...]:
    """What is known to be needed for building projects, a line each, for messages before the build.

    Args:
        projects: normalised names.
    """
    return tuple(
        f"building `{name}` needs {tool.name}: {tool.packages}"
        for tool in _tools()
        for name in tool.projects
        if name in projects
    )


def source_failure(repository: str, output: str) -> TfprovError:
    """The failure for the output of git, or of uv about git.

    Args:
        repository: URL, for the message.
        output: the whole output.
    """
    if missing := next((tool for tool in _tools() if tool.name == "git" and tool.pattern.search(output)), None):
        hint = f"install git: {missing.packages}"
        what = f"`{redact(repository)}` cannot be fetched: git is not installed"
        return TfprovError("build-tool-missing", what, hint=hint)
    why = next((words for pattern, words in _GIT if pattern.search(output)), "git failed")
    return TransferError(
        "source-unreachable",
        f"`{redact(repository)}` cannot be fetched: {why}",
        transient=why == "its host does not answer",
        evidence=tuple(_telling(output)),
    )


def older_setuptools(output: str) -> str | None:
    """The upper bound of setuptools that an old source needs, judged by the output of its build; None for no bound."""
    return next((bound for pattern, bound in _OLDER_SETUPTOOLS if pattern.search(output)), None)


def _telling(output: str) -> Iterator[str]:
    """The last lines that report an error; the last lines of all where none does."""
    lines = [line.strip()[:_LINE_LENGTH] for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)] or lines
    yield from (redact(line) for line in dict.fromkeys(telling[-_LINES:]))


@cache
def _tools() -> tuple[_Tool, ...]:
    table = toml_of(files("tfprov.ladder").joinpath("build_tools.toml").read_text(encoding="utf-8"))
    return tuple(
        _Tool(
            name=row["name"],
            pattern=re.compile(row["pattern"]),
            debian=row.get("debian", ""),
            fedora=row.get("fedora", ""),
            projects=tuple(row.get("projects", ())),
        )
        for row in table["tool"]
    )
