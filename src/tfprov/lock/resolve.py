"""Resolves requirements into a PEP 751 document, with uv."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfprov import process
from tfprov.distributions import TENSORFLOWS, kind_of
from tfprov.errors import Group, TfprovError
from tfprov.extras import incomplete
from tfprov.ladder.builds import older_setuptools
from tfprov.ladder.classify import classify_exception
from tfprov.lock.allowed import only_allowed
from tfprov.lock.question import Answer, Pinned, Question, Resolver
from tfprov.lock.refusals import NoWheelsError, failure_of
from tfprov.process import Finished
from tfprov.structured import toml_of
from tfprov.temporary import temporary

_FULL_PYTHON = re.compile(r'(?m)(?P<minor>^requires-python = ">=\d+\.\d+)\.\d+(?=")')
_PATH = re.compile(r'(?<=[{ ])path = "([^"]+\.(?:whl|zip|tar|tgz|tar\.\w+))"')

FOLDER = re.compile(r'(?m)^(directory = \{ ?path = )"(?P<path>[^"\\]+)"')
"""The folder of a project in a document; absolute in the result of `resolve`."""
_NAMED_FOLDER = re.compile(
    r'(?m)^name = "(?P<name>[^"]+)"\n(?:version = .*\n)?directory = \{ path = "(?P<path>[^"\\]+)"(?P<rest>.*)$'
)
_MISSING_EXTRA = re.compile(
    r"The package `(?P<name>[\w.-]+)==(?P<version>[^`]+)` does not have an extra named `(?P<extra>[^`]+)`"
)
OF_BUILDS = frozenset({"build-failed", "build-tool-missing", "sdist-build-failed"})
"""Failures of a build. With other requirements, the resolver may not need that source."""
_BOUND = re.compile(r"(?P<name>[\w.-]+)(?:\[[^\]]*\])?\s*[=<>~!]")
NO_PROJECT = "was not found in the package"
"""How uv says that an index has no project of a name."""
NOT_BUILT = re.compile(r"`(?P<name>[\w.-]+?)(?:==| @ |`)")
"""The beginning of the message about a failed build: what could not be built."""
_OUTPUT = "pylock.toml"
# Failures that are the same the next time, and so may be remembered. A network failure or a time-out is not.
_LASTING = frozenset({Group.RESOLVE, Group.INTERPRETER, Group.PLATFORM, Group.PYTHON_DEPS})
_WITH_ADDRESS = re.compile(r"^(?P<name>[\w.-]+)\s*(?:\[[^\]]*\])?\s*@\s*(?P<address>.+?)(?:\s+;.*)?$")


def resolve(question: Question, resolver: Resolver) -> str:
    """Resolve with uv; returns a PEP 751 document.

    Wheels are preferred to everything: a build runs foreign code, and often needs a compiler. Only where wheels alone
    give no solution, the projects that uv names are taken from source, if the question allows it: first those that
    have no wheel at all for this Python. uv also names projects of which it only considered old versions.

    Raises:
        TfprovError: the classified failure of uv: `resolver-conflict`, `net-timeout`, `build-failed`, …, with uv's own
            words as evidence; a `NoWheelsError` where only a build could give a solution.
    """
    named = (*_direct(question), *question.sources, *question.built)
    built = tuple(dict.fromkeys(name for name in named if question.may_build(name)))
    is_tried = question.build != "needed" or question.builds != "nowhere"

    def has_none(name: str, refused: NoWheelsError) -> bool:
        version = refused.versions.get(name)
        return not resolver.has_wheels(name) if version is None else resolver.only_sources(name, version)

    while True:
        try:
            resolved = _ask_newest(question, resolver, built)
            break
        except NoWheelsError as error:
            more = tuple(name for name in error.names if name not in built and question.may_build(name))
            if not more or question.builds == "none":
                raise
            # What has wheels for other Pythons is left to these as long as only what has none anywhere may be built.
            lacking = tuple(filter(resolver.lacks_wheels, more))
            if question.builds == "nowhere":
                lacking = tuple(name for name in lacking if not resolver.has_wheels(name))
            # One more project is built sooner than all are looked at.
            if not is_tried and (built != named or not lacking) and any(has_none(name, error) for name in more):
                is_tried = True
                if found := _ask_sparingly(question, resolver, error):
                    resolved = found
                    break
            if lacking:
                built = (*built, *lacking)
            elif question.builds not in ("exact", "all"):
                raise
            elif question.build == "needed":
                exact = _ask_exactly(question, resolver, built)
                if exact is None and question.builds == "exact":
                    raise
                resolved = exact or _ask_freely(question, resolver, error)
                break
            else:
                built = (*built, *more)
    forbidden = [name for name in sources_in(resolved) if not question.may_build(name)]
    if forbidden:
        raise TfprovError(
            "sdist-build-failed",
            f"`{forbidden[0]}` would have to be built, and `packages.build` does not allow that",
            evidence=(", ".join(f"`{name}`" for name in forbidden),),
            hint='name it in `packages.build`, or set `packages.build = "needed"`',
        )
    return resolved


def _ask_exactly(question: Question, resolver: Resolver, built: tuple[str, ...]) -> str | None:
    """`_ask`, with the sources of just those versions that uv names, as long as no Python has a wheel of them.

    TensorFlow 1.15 needs `gast==0.2.2`, for example. With the sources of everything, uv takes a minute instead of a
    second, and builds more than that. What the requirements themselves pin is learnt first, without dependencies: that
    builds nothing.

    Returns:
        None where that is not enough, because another project would have to be built, or nothing resolves.
    """
    resolved: str | None = None
    for dependencies in dict.fromkeys((False, question.dependencies)):
        while True:
            try:
                resolved = _ask_newest(replace(question, dependencies=dependencies), resolver, built)
                break
            except NoWheelsError as error:
                more = tuple(name for name in error.names if name not in built)
                pins = tuple((name, error.versions.get(name, "")) for name in more)
                exact = tuple((name, version) for name, version in pins if resolver.only_sources(name, version))
                # uv also names projects of which it looked at versions of no use.
                lacking = tuple(name for name in more if name in dict(exact) or resolver.lacks_wheels(name))
                if not lacking or not all(map(question.may_build, lacking)):
                    return None
                built = (*built, *lacking)
                question = replace(question, prefer=(*question.prefer, *exact))
            except TfprovError:
                return None
    return resolved


def _ask_sparingly(question: Question, resolver: Resolver, refused: NoWheelsError) -> str | None:
    """`_ask`, with the sources of just those versions that have no wheel for any Python.

    uv names projects without wheels one by one, and each would cost a resolve. Here the index keeps back all sources
    that must not be used, so that one resolve is enough.

    Args:
        question: the input.
        resolver: how to start uv.
        refused: what uv said without sources.

    Returns:
        None where that is not possible or not enough.

    Raises:
        NoWheelsError: `refused`, where there is no solution even with all these sources.
    """
    if resolver.sparing_environ is None or question.sources:
        return None
    try:
        resolved = _ask(question, replace(resolver, bare_environ=resolver.sparing_environ), None)
    except TfprovError as error:
        if error.code.group in _LASTING and error.code.name not in OF_BUILDS:
            raise refused from error
        return None
    own = {*_direct(question), *question.folders}
    # Of an index that is a folder, nothing is kept back.
    is_needed = (resolver.only_sources(*each) for each in _sources(resolved) if each[0] not in own)
    return resolved if all(is_needed) and all(map(question.may_build, sources_in(resolved))) else None


def _ask_newest(question: Question, resolver: Resolver, built: tuple[str, ...]) -> str:
    """`_ask`, with the newest version of the projects in `built` wherever that resolves.

    uv builds each version that it considers, to read its metadata. Where another project has no wheels and may not be
    built yet, uv would go through all versions down to the first release of years ago before it says so.

    Raises:
        NoWheelsError: some projects have no wheels, and uv may not build them.
        TfprovError: see `resolve`.
    """
    kept = dict(question.prefer)
    found = {name: resolver.newest_source(name) for name in built if name not in kept}
    pins = tuple(f"{name}=={version}" for name, version in found.items() if version is not None)
    if pins:
        try:
            return _ask(replace(question, constraints=(*question.constraints, *pins)), resolver, built)
        except NoWheelsError as error:
            if question.builds != "none" and any(
                name not in built and question.may_build(name) for name in error.names
            ):
                raise
        except TfprovError as error:
            failed = re.match(r"`(?P<pin>[^`]+)`", error.what)
            same = (*pins, *question.requirements)
            # uv would try the same build again: of a version that is pinned, or the newest, which it looks at first.
            would_repeat = error.code.name in OF_BUILDS and failed is not None and failed["pin"] in same
            if error.code.group not in _LASTING or would_repeat:
                raise
    return _ask(question, resolver, built)


def _ask_freely(question: Question, resolver: Resolver, refused: NoWheelsError) -> str:
    """`_ask`, with wheels and sources of everything but TensorFlow, and as few sources as possible.

    uv has no wheels of a project that it takes from its sources by name, and of some versions there are only wheels.
    With both, it takes the sources of the newest version before the wheel of an older one: OpenCV for Python 3.6 would
    be compiled because another package has no wheel. So each such project is then asked for as a wheel.

    Args:
        question: the input.
        resolver: how to start uv.
        refused: what uv said while it could not build everything.

    Raises:
        TfprovError: see `resolve`; `refused` where a version that nobody asked for cannot be built.
    """
    with contextlib.suppress(NoWheelsError):
        if sparing := _ask_sparingly(question, resolver, refused):
            return sparing
    try:
        resolved = _ask(question, resolver, None)
    except TfprovError as error:
        failed = NOT_BUILT.match(error.what)
        asked = {canonicalize_name(found["name"]) for line in question.requirements if (found := _BOUND.match(line))}
        if error.code.name not in OF_BUILDS or (
            failed and canonicalize_name(failed["name"]) in {*refused.names, *asked}
        ):
            raise
        refused.evidence = (*refused.evidence, f"with builds: {error.what}", *error.evidence[-1:])
        raise refused from error
    wheels: tuple[str, ...] = ()
    tried = {*_direct(question), *question.sources, *question.built, *question.folders}
    while more := next((each for each in _sources(resolved) if each[0] not in tried), None):
        name, version = more
        tried.add(name)
        # A version without a wheel for any Python that is not the newest is taken because something needs it.
        is_needed = resolver.only_sources(name, version) and resolver.newest_source(name) != version
        if not is_needed and not resolver.lacks_wheels(name):
            with contextlib.suppress(TfprovError):
                resolved = _ask(question, resolver, None, wheels=(*wheels, name))
                wheels = (*wheels, name)
    return resolved


def _ask(question: Question, resolver: Resolver, built: tuple[str, ...] | None, *, wheels: tuple[str, ...] = ()) -> str:
    """Run uv with the projects in `built` from source; once more where an old source needs an older setuptools.

    Args:
        question: the input.
        resolver: how to start uv.
        built: None for wheels and sources of everything but TensorFlow and `wheels`.
        wheels: projects that are then taken from wheels only.

    Raises:
        NoWheelsError: some projects have no wheels, and uv may not build them.
        TfprovError: see `resolve`.
    """
    fixed = [f"{name}=={version}" for name, version in question.provided.items()]
    files = {
        "requirements.in": _lines(question.requirements, resolver),
        "constraints.txt": _lines((*question.constraints, *fixed), resolver),
        **{f"{name}.txt": _lines(lines, resolver) for name, lines in _changes(question).items() if lines},
        # uv takes versions from an existing output file as preferences.
        **({_OUTPUT: _document(question.prefer)} if question.prefer else {}),
    }
    arguments = _arguments(question, resolver, built, wheels)
    resolver = resolver if built == () else replace(resolver, environ=resolver.bare_environ)
    answer = _compiled(arguments, files, resolver)
    if not answer.ok and (bound := older_setuptools(answer.stderr)):
        files = {**files, "build.txt": f"{bound}\n"}
        answer = _compiled((*arguments, "--build-constraints", "build.txt"), files, resolver)
    if not answer.ok:
        raise resolver.failure() or failure_of(answer)
    for found in _MISSING_EXTRA.finditer(answer.stderr):
        resolver.missing_extra(found["name"], found["version"], found["extra"])
    # uv writes the full version of the interpreter that it resolved for. Wheels are made for minor versions, so a
    # colleague with an older patch release can use the same lock.
    resolved = _FULL_PYTHON.sub(r"\g<minor>", answer.document, count=1)
    # It also writes paths relative to its output, which is moved afterwards.
    resolved = _NAMED_FOLDER.sub(partial(_absolute, answer.work, question.editable), resolved)
    resolved = _PATH.sub(lambda found: f'url = "{(answer.work / found[1]).resolve().as_uri()}"', resolved)
    return only_allowed(resolved, question.hashes) if question.hashes else resolved


def _changes(question: Question) -> dict[str, tuple[str, ...]]:
    """The lines of the files that change what packages require, by the name of uv's option."""
    return {"overrides": question.overrides, "excludes": question.exclude}


def _arguments(
    question: Question, resolver: Resolver, built: tuple[str, ...] | None, wheels: tuple[str, ...]
) -> tuple[str | Path, ...]:
    """Those of `uv pip compile`, in a folder with the files that they name."""
    return (
        *("requirements.in", "--format", "pylock.toml", "--output-file", _OUTPUT),
        *("--constraints", "constraints.txt", "--python", question.python),
        *(
            part
            for name in ((*TENSORFLOWS, *question.never_built, *wheels) if built is None else (":all:",))
            for part in ("--only-binary", name)
        ),
        # --no-binary overrides --only-binary for these projects.
        *(part for name in (question.sources if built is None else built) for part in ("--no-binary", name)),
        *("--no-header", "--no-config", "--no-progress", "--cache-dir", resolver.cache),
        *(part for link in resolver.find_links for part in ("--find-links", link)),
        *(("--index-strategy", "unsafe-best-match") if resolver.merge_indexes else ()),
        *(part for name, lines in _changes(question).items() if lines for part in (f"--{name}", f"{name}.txt")),
        *(("--python-platform", question.platform) if question.platform else ()),
        *(("--python-version", question.python_version) if question.python_version else ()),
        *(part for name in (*question.provided, *question.left_out) for part in ("--no-emit-package", name)),
        *(("--prerelease", "allow") if question.prereleases else ()),
        *(("--exclude-newer", question.exclude_newer) if question.exclude_newer else ()),
        *(("--refresh",) if resolver.fresh else ()),
        # Otherwise uv would reuse cached metadata unless `pyproject.toml`, `setup.py` or `setup.cfg` changed.
        *(part for name in question.folders for part in ("--refresh-package", name)),
        *(() if question.dependencies else ("--no-deps",)),
    )


def _absolute(work: Path, editable: tuple[str, ...], found: re.Match[str]) -> str:
    """A package from a folder in uv's document, with the absolute path of the folder and whether it is editable."""
    folder = json.dumps((work / found["path"]).resolve().as_posix(), ensure_ascii=False)
    link = (
        ", editable = true" if canonicalize_name(found["name"]) in editable and "editable" not in found["rest"] else ""
    )
    head = found[0][: found.start("path") - found.start(0) - 1]
    return f"{head}{folder}{link}{found['rest']}"


def _lines(requirements: Sequence[str], resolver: Resolver) -> str:
    return "".join(f"{resolver.disguise(line)}\n" for line in requirements)


def _compiled(arguments: tuple[str | Path, ...], files: Mapping[str, str], resolver: Resolver) -> Answer:
    """Run uv with these arguments and files, or return the result of an identical call earlier in this run.

    Raises:
        TfprovError: uv cannot be started, or exceeded its time limit.
    """
    indexes = (resolver.environ.get("UV_DEFAULT_INDEX"), resolver.environ.get("UV_INDEX"))
    asked = (arguments, tuple(files.items()), *indexes)
    if (known := resolver.answers.get(asked)) is not None:
        return known
    with temporary("lock") as work:
        for name, text in files.items():
            (work / name).write_text(text, encoding="utf-8")
        finished = _run((resolver.uv, "pip", "compile", *arguments), resolver, work)
        output = work / _OUTPUT
        # Only a stand-in names a variable. What looks like one otherwise was written by the author of a package.
        document = output.read_text(encoding="utf-8").replace("${", "%24{") if finished.ok else ""
        document = resolver.truthful(document)
        answer = Answer(
            returncode=finished.returncode, stdout=finished.stdout, stderr=finished.stderr, document=document, work=work
        )
    if answer.ok or (resolver.failure() is None and failure_of(answer).code.group in _LASTING):
        resolver.answers[asked] = answer
    return answer


def _run(argv: tuple[str | Path, ...], resolver: Resolver, work: Path) -> Finished:
    try:
        answer = process.run(argv, env=resolver.environ, cwd=work, timeout=resolver.timeout)
    except OSError as error:
        if not resolver.uv.exists():
            raise incomplete(f"`{resolver.uv}` is missing, and tfprov needs it") from error
        raise classify_exception(error) from error
    if answer.timed_out:
        raise resolver.failure() or TfprovError(
            "net-timeout",
            f"the index did not answer in {resolver.timeout:.0f} s",
            evidence=(resolver.truthful(answer.stderr[-2000:].strip()),),
        )
    return replace(answer, stdout=resolver.truthful(answer.stdout), stderr=resolver.truthful(answer.stderr))


def _direct(question: Question) -> tuple[str, ...]:
    """The projects with a direct reference that is not a wheel: a repository or an archive, which has to be built."""
    # Not parsed by packaging, because uv allows variables and spaces in a URL.
    found = filter(None, map(_WITH_ADDRESS.match, question.requirements))
    return tuple(canonicalize_name(each["name"]) for each in found if not is_wheel_at(each["address"]))


def sources_in(document: str) -> tuple[str, ...]:
    """The projects in a PEP 751 document that have to be built on every platform."""
    return tuple(name for name, _ in _sources(document))


def _sources(document: str) -> Pinned:
    """The projects of `sources_in` with their versions, which are empty where only the build knows them."""
    packages = toml_of(document).get("packages", ())
    built = (each for each in packages if not each.get("wheels") and not _has_wheel(each))
    return tuple((str(each["name"]), str(each.get("version", ""))) for each in built)


def _has_wheel(package: Mapping[str, Mapping[str, str]]) -> bool:
    archive = package.get("archive")
    return archive is not None and is_wheel_at(archive.get("path") or archive.get("url", ""))


def is_wheel_at(address: str) -> bool:
    """Whether a URL or path is that of a wheel."""
    return urlsplit(address).path.endswith(".whl")


def _document(pinned: Pinned) -> str:
    """A PEP 751 document with versions only; uv reads nothing else from it."""
    packages = (
        f"[[packages]]\nname = {json.dumps(name)}\nversion = {json.dumps(version)}\n" for name, version in pinned
    )
    return "\n".join(('lock-version = "1.0"\ncreated-by = "tfprov"\n', *packages))


def tensorflows_in(resolved: str) -> tuple[str, ...]:
    """The distributions of TensorFlow in a resolved document; two of them overwrite each other's files."""
    names = re.findall(r'(?m)^name = "([^"]+)"', resolved)
    return tuple(name for name in names if kind_of(name) not in (None, "part"))


def placeholder_in(resolved: str, version: str) -> str | None:
    """The removed placeholder of TensorFlow in a resolved document, if it has this version; None without one."""
    packages = toml_of(resolved).get("packages", ())
    names = (str(each["name"]) for each in packages if each.get("version") == version)
    return next((name for name in names if kind_of(name) == "placeholder"), None)


def is_tensorflow(requirement: str) -> bool:
    """Whether a PEP 508 line requires TensorFlow itself, under any of its names."""
    return kind_of(Requirement(requirement).name) is not None
