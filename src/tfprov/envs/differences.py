"""The packages of an environment's generations, and how they differ from one generation to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tfprov.envs.records import Generation


def packages(root: Path) -> dict[str, str]:
    """Versions of all installed packages by normalised name, read from metadata folder names; without Python itself."""
    from tfprov.envs.integrity import installed

    records = tuple((root / "conda-meta").glob("*.json"))
    # A conda package has a name of its own, whichever Python projects it contains.
    found = {one.name: one.version for one in installed(root) if not records or _is_wheel(one.metadata)}
    for record in records:
        name, version, _ = (*record.stem.rsplit("-", 2), "", "")[:3]
        found[name] = version
    found.pop("python", None)
    return found


def _is_wheel(metadata: Path) -> bool:
    """Whether a project was installed as a wheel and not by conda: wheel installers put their name into INSTALLER."""
    try:
        return (metadata / "INSTALLER").read_text(encoding="utf-8").strip() not in ("", "conda")
    except (OSError, UnicodeDecodeError):
        return False


def between(older: Mapping[str, str], newer: Mapping[str, str]) -> tuple[str, ...]:
    """One line for each package that was added (`+`), removed (`-`) or has another version (`name old -> new`).

    Python and TensorFlow come first, because long lists are cut.
    """
    from tfprov.distributions import kind_of

    found = []
    for name in sorted({*older, *newer}, key=lambda name: (name != "Python", kind_of(name) is None, name)):
        was, now = older.get(name), newer.get(name)
        if was is None:
            found.append(f"+ {name} {now}".rstrip())
        elif now is None:
            found.append(f"- {name} {was}")
        elif was != now:
            found.append(f"{name} {was} -> {now}")
    return tuple(found)


def of_each(generations: Sequence[Generation]) -> dict[Path, tuple[str, ...]]:
    """How each generation differs from the one before it, by folder; the first has no entry.

    Args:
        generations: sealed generations, oldest first.
    """
    contents = [_with_python(one) for one in generations]
    pairs = zip(generations[1:], contents, contents[1:], strict=False)
    return {generation.path: between(older, newer) for generation, older, newer in pairs}


def _with_python(generation: Generation) -> Mapping[str, str]:
    return {"Python": generation.seal.python_version if generation.seal else "", **packages(generation.path)}


def shortened(differences: Iterable[str], *, most: int = 8) -> str:
    """The differences on one line; those beyond `most` are counted, not named."""
    words = list(differences)
    if len(words) > most:
        words[most - 1 :] = [f"and {len(words) - most + 1} more"]
    return ", ".join(words)
