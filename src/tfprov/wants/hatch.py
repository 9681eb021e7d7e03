"""Reads the environments of Hatch, in `hatch.toml` or under `[tool.hatch.envs]`. Each is a group, by its name."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov.contents import content_of
from tfprov.structured import toml_of
from tfprov.wants.tables import Table, table, texts
from tfprov.wants.text import decoded


@dataclass(frozen=True, slots=True, kw_only=True)
class HatchEnvironment:
    """What an environment of Hatch holds besides the project.

    Attributes:
        dependencies: PEP 508 lines.
        features: extras of the project.
        groups: dependency groups of the project.
        python: version range of Python; empty for any, None where it is not text.
        has_matrix: whether it stands for several environments, one for each entry of a matrix.
    """

    dependencies: tuple[str, ...]
    features: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    python: str | None = ""
    has_matrix: bool = False


def environments(document: Table, path: Path) -> dict[str, HatchEnvironment]:
    """The environments of a project, by name; without those that Hatch uses itself, such as `hatch-test`.

    Args:
        document: of the `pyproject.toml`.
        path: of that file. The tables of a `hatch.toml` beside it take precedence, as in Hatch.
    """
    found: dict[str, object] = dict(table(document, "tool", "hatch", "envs"))
    # Whatever is wrong with that file is said where it is read by itself.
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found |= table(toml_of(decoded(content_of(path.with_name("hatch.toml")))), "envs")
    return {name: _environment(name, found) for name in found if not name.startswith("hatch-")}


def _environment(name: str, known: Mapping[str, object]) -> HatchEnvironment:
    own: dict[str, object] = {}
    chain: list[str] = []
    # An environment has the options of its template, which is `default` where it names none, except those of its own.
    while name not in chain and isinstance(one := known.get(name, {}), Mapping):
        chain.append(name)
        own = {**{key: value for key, value in one.items() if key != "matrix" or len(chain) == 1}, **own}
        template = one.get("template", name if one.get("detached") is True else "default")
        name = str(template)
    python = own.get("python", "")
    return HatchEnvironment(
        # `{root:uri}` is the folder of the project.
        dependencies=tuple(
            text.replace("{root:uri}", ".").replace("{root}", ".")
            for key in ("dependencies", "extra-dependencies")
            for text in texts(own, key)
        ),
        features=texts(own, "features"),
        groups=texts(own, "dependency-groups"),
        python=None if not isinstance(python, str) else f"=={python}.*" if python.count(".") == 1 else "",
        has_matrix=bool(own.get("matrix")),
    )
