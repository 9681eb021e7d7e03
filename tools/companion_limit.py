"""Find the first version of a package that works with a newer release of another one, by trying.

    python tools/companion_limit.py pandas --beside 'numpy>=2' --python 3.11 [--imports pandas] [--from 2.0]

Installs wheels of single versions into throw-away environments with uv, and imports the package in them. The versions are
halved until a good one stands behind a bad one; the two and the error are printed as a row for
src/tfprov/plan/data/companions.toml. A version whose own metadata forbids the other package needs no row, and is told.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

_SECONDS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of one version.

    Attributes:
        outcome: `imports`, `fails`, `forbids` (its metadata does not allow the other package) or `absent` (no wheel).
        said: last line of the error; versions of the other package where it imports.
    """

    version: Version
    outcome: str
    said: str = ""


def versions_of(package: str, python: str) -> list[Version]:
    """The releases that have a wheel for a Python, oldest first, as `pip index versions` tells them."""
    command = [python, "-m", "pip", "index", "versions", package, "--only-binary", ":all:"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    found = re.search(r"Available versions: (.*)", done.stdout)
    return sorted(Version(text) for text in found[1].split(", ")) if found else []


def attempt(package: str, version: Version, beside: str, python: str, module: str) -> Tried:
    """One version, in an environment of its own."""
    other = Requirement(beside).name
    with tempfile.TemporaryDirectory(prefix="limit-") as work:
        place = Path(work) / "venv"
        subprocess.run(["uv", "venv", "-q", "--python", python, place], check=True, timeout=_SECONDS)
        inside = str(place / "bin" / "python")
        # The newest that this Python has wheels of, whatever each of them says of the others.
        install = ["uv", "pip", "install", "-q", "--python", inside, "--only-binary", ":all:"]
        done = _run([*install, f"{package}=={version}", beside])
        if done.returncode:
            outcome = "absent" if "no wheels" in done.stderr or "platform" in done.stderr else "forbids"
            return Tried(version=version, outcome=outcome, said=_last(done.stderr))
        done = _run([inside, "-I", "-c", f"import {module}"])
        if done.returncode:
            return Tried(version=version, outcome="fails", said=_last(done.stderr))
        shown = _run([inside, "-I", "-c", f"import importlib.metadata as m; print(m.version({other!r}))"])
        return Tried(version=version, outcome="imports", said=f"{other} {shown.stdout.strip()}")


def border(versions: Sequence[Version], try_one) -> tuple[Tried | None, Tried | None]:  # type: ignore[no-untyped-def]
    """The newest version that does not import, and the oldest that does; None where there is none."""
    low, high = -1, len(versions)
    bad: Tried | None = None
    good: Tried | None = None
    while high - low > 1:
        middle = (low + high) // 2
        tried = try_one(versions[middle])
        print(f"  {tried.version}: {tried.outcome} {tried.said}", file=sys.stderr, flush=True)
        if tried.outcome == "imports":
            high, good = middle, tried
        else:
            low, bad = middle, tried
    return bad, good


def _run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (raised or lines or [""])[-1][:160]


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 1 where no border was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("package")
    parser.add_argument("--beside", required=True, help="PEP 508 line of the other package")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--imports", help="module to import; default: the package's name")
    parser.add_argument("--from", dest="start", default="0", help="oldest version that is tried")
    options = parser.parse_args(argv)
    module = options.imports or options.package.replace("-", "_")
    every = [each for each in versions_of(options.package, options.python) if not each.is_prerelease]
    every = [each for each in every if each >= Version(options.start)]
    bad, good = border(every, lambda one: attempt(options.package, one, options.beside, options.python, module))
    shown = f"{options.package} beside {options.beside}: "
    shown += f"{bad.version} {bad.outcome} ({bad.said}), " if bad else "none fails, "
    shown += f"{good.version} imports ({good.said})" if good else "none imports"
    print(shown, flush=True)
    return int(not (bad and good))


if __name__ == "__main__":
    sys.exit(main())
