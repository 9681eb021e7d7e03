"""What the shell offers for a word that is being typed: profiles, generations, codes.

A shell waits for the answer and shows whatever is printed: nothing here is slow, prints or raises.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import typer

from tfprov.errors import CODES, TfprovError


def profiles(incomplete: str) -> list[str]:
    """Profiles in this folder, names of environments, and shipped profiles."""
    with contextlib.suppress(TfprovError, OSError):
        return sorted({name for name in _profiles() if name.startswith(incomplete)})
    return []


def generations(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Numbers of the verified generations of the profile before, the newest first, with what each holds."""
    from tfprov.pipeline.environments import find

    with contextlib.suppress(TfprovError, OSError):
        environment = find(str(ctx.params.get("profile") or ""), cwd=Path.cwd(), environ=os.environ)
        return [
            (str(one.number), f"TensorFlow {one.seal.tensorflow}, {one.seal.sealed_at}")
            for one in reversed(environment.generations())
            if one.seal and str(one.number).startswith(incomplete)
        ]
    return []


def codes(incomplete: str) -> list[tuple[str, str]]:
    """Failure codes with their meaning."""
    return [(code.name, code.meaning) for code in CODES.values() if code.name.startswith(incomplete)]


def _profiles() -> Iterator[str]:
    from tfprov.envs.generations import environments
    from tfprov.paths import home
    from tfprov.profile import finding
    from tfprov.profile.source import glance

    here = Path.cwd()
    for path in here.glob("*.toml"):
        with contextlib.suppress(OSError):
            # A profile has a name of its own at the top, as no other table here has.
            if path.name == "tfprov.toml" or (path.name != "pyproject.toml" and glance(path, shipped=False)):
                yield path.name
    yield from (one.owner.name for one in environments(home(os.environ).environments))
    yield from (path.stem for path in finding.shipped())
