"""Writes a first profile for this machine and project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.host.facts import gather
from tfprov.paths import home, relative
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.products import check_new
from tfprov.profile.finding import PROFILE, is_stand_in, lists, nearest, python_file, with_companions
from tfprov.profile.nearby import lists_under_other_names
from tfprov.profile.records import Profile
from tfprov.profile.source import glance, plain_name
from tfprov.profile.template import profile_template
from tfprov.wants.as_wheels import as_wheels
from tfprov.wants.imported import Imported, imported, is_program
from tfprov.wants.recognise import read
from tfprov.wants.records import ProjectParts
from tfprov.writing import write_atomic


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProfile:
    """A profile that was written.

    Attributes:
        text: text of the profile.
        files: paths in `packages.files`, as written there.
        problems: problems in those files, one line each.
        imported: what the Python files beside the profile import; None where a file lists the dependencies.
        others: files that may list the dependencies, but under a name that does not say so; the profile reads none.
    """

    text: str
    files: tuple[str, ...]
    problems: tuple[str, ...]
    imported: Imported | None
    others: tuple[str, ...]


def init(path: Path, *, environ: Mapping[str, str], source: Path | None = None) -> NewProfile:
    """Write a commented profile that suits this machine and names a file with the project's requirements.

    Without such a file, the requirements are what the Python files in the folder import.

    Args:
        path: the profile to write.
        environ: variables of this process.
        source: file with the requirements, or folder of the project; None for the folder of `path`.

    Raises:
        TfprovError: `path-not-ours` when the profile exists; `usage` when its folder does not, or `source` has no
            requirements; what `check_place` of `products` raises; what `decide` raises when nothing suits this machine.
    """
    check_new(path, other="choose another name")
    folder = (path.parent if source is None else source).resolve()
    # One file of a project is enough: the others often repeat its requirements in another format.
    first = () if folder.is_file() else lists(folder)[:1]
    found = tuple(folder / name for one in first for name in with_companions(one)) or (folder,) * folder.is_file()
    wants = read(found, path.parent, ProjectParts())
    programs = None
    if not found or (is_program(folder) and wants.problems and not wants.requirements):
        place = folder.parent if folder.is_file() else folder
        # With a list, this is one of its companions.
        found = tuple(place / name for name in (python_file(place),) if name is not None)
        wants, programs = read(found, path.parent, ProjectParts()), imported(folder)
    if source is not None and programs is not None and not (programs.projects or programs.unknown):
        raise TfprovError(
            "usage",
            f"`{source}` has no file with requirements",
            evidence=(
                "looked for `pyproject.toml` with dependencies, `requirements.txt`, `environment.yml`, `Pipfile`, …",
                "no Python file there imports a package besides TensorFlow",
            ),
            hint="pass the file itself",
        )
    files = tuple(relative(one, path.parent.resolve()) for one in found)
    name = _name(path.absolute(), files)
    facts = gather(environ, cache=home(environ).cache / "interpreters.json")
    # Without the listing of an index: the compat table is enough for a first guess, and works offline.
    decision = decide(Profile(name=name), facts, table(), None).decision
    # The interpreters are sorted, newest first.
    usable = list(dict.fromkeys(one.version for one in facts.interpreters.value if one.problem is None))
    text = profile_template(
        name=name,
        file=path.name,
        python=f"Pythons on this machine: {', '.join(usable)}" if usable else "There is no Python on this machine",
        version=decision.tensorflow.version,
        why=decision.tensorflow.why[0].upper() + decision.tensorflow.why[1:],
        files=files,
        bounds=[f"`{want.where}` asks for {want.text}" for want in as_wheels(wants).python],
        requirements=programs.projects if programs else (),
        unknown=programs.unknown if programs else (),
        old=programs.old if programs else None,
    )
    write_atomic(path, text.encode())
    others = lists_under_other_names(folder) if programs and folder.is_dir() else ()
    return NewProfile(text=text, files=files, problems=wants.problems, imported=programs, others=others)


def _name(path: Path, files: tuple[str, ...]) -> str:
    """Name of a new profile.

    A `tfprov.toml` that replaces a requirements file, which stood in for a profile until now, takes over its name and
    so its environment. Any other `tfprov.toml` is named after its folder, and another file after itself.
    """
    if path.name != PROFILE:
        return plain_name(path.stem)
    stands_in = nearest(path.parent)
    if stands_in is not None and is_stand_in(stands_in) and files[:1] == (stands_in.name,):
        seen = glance(stands_in, shipped=False)
        if seen is not None:
            return seen.name
    # The file name `tfprov.toml` says nothing about the project.
    return plain_name(path.parent.resolve().name)
