"""What the generations of an environment have in common, and in what they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tfprov.envs.records import Generation


def packages(root: Path) -> dict[str, str]:
    """Versions by normalised name of all that is installed in an environment, as its folders say; its Python aside."""
    from tfprov.envs.integrity import installed

    records = tuple((root / "conda-meta").glob("*.json"))
    # A package of conda has a name of its own, whatever projects it holds.
    found = {one.name: one.version for one in installed(root) if not records or _is_wheel(one.metadata)}
    for record in records:
        name, version, _ = (*record.stem.rsplit("-", 2), "", "")[:3]
        found[name] = version
    found.pop("python", None)
    return found


def _is_wheel(metadata: Path) -> bool:
    """Whether something else than conda installed a project; whatever installs wheels says its name."""
    try:
        return (metadata / "INSTALLER").read_text(encoding="utf-8").strip() not in ("", "conda")
    except (OSError, UnicodeDecodeError):
        return False


def between(older: Mapping[str, str], newer: Mapping[str, str]) -> tuple[str, ...]:
    """Each package that came, went or has another version, as people write it."""
    found = []
    for name in sorted({*older, *newer}):
        was, now = older.get(name), newer.get(name)
        if was is None:
            found.append(f"+ {name} {now}".rstrip())
        elif now is None:
            found.append(f"- {name} {was}")
        elif was != now:
            found.append(f"{name} {was} → {now}")
    return tuple(found)


def of_each(generations: Sequence[Generation]) -> dict[Path, tuple[str, ...]]:
    """What each generation has that the one before it had not, by folder; the first is left out.

    Args:
        generations: sealed ones, oldest first.
    """
    contents = [_with_python(one) for one in generations]
    pairs = zip(generations[1:], contents, contents[1:], strict=False)
    return {generation.path: between(older, newer) for generation, older, newer in pairs}


def _with_python(generation: Generation) -> Mapping[str, str]:
    # Before every name of a package, which has no capital letter.
    return {"Python": generation.seal.python_version if generation.seal else "", **packages(generation.path)}


def shortened(differences: Iterable[str], *, most: int = 8) -> str:
    """The differences in a line."""
    words = list(differences)
    if len(words) > most:
        words[most - 1 :] = [f"and {len(words) - most + 1} more"]
    return ", ".join(words)
