"""How many projects get a lock from the files that they have: tfprov beside `uv pip compile`.

    python benchmarks/projects.py [--only NAME] [--json OUT] [--jobs N]

Reads benchmarks/projects.toml. For each case the truth is found by brute force: uv resolves the wish, taken out of the files
by hand, for every Python of this machine, builds of source distributions allowed; a case is solvable when one of them
does. Then tfprov makes a lock from the files as they are (`accelerator = "cpu"`), and uv compiles the first file with the
Python that it takes by itself and with the newest one. Needs the configured package index; asks it for metadata, and for what
has to be built to read metadata.

Prints a line a case and the sums; exits with status 1 when tfprov misses a solvable case, or refuses another one with a
code that is not the true reason.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tfprov import process
from tfprov.default_index import default_index
from tfprov.host.facts import gather
from tfprov.pipeline.uv import uv_executable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CASES = Path(__file__).with_name("projects.toml")
_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of a case.

    Attributes:
        solvable: newest Python for which uv resolves the wish; empty when there is none.
        code: failure code of tfprov, `time-out` where it came to no end; empty when it made a lock.
        wanted: code of a refusal that is right; empty for a solvable case.
        uv: whether uv compiled the file, with its own Python and with the newest.
    """

    name: str
    solvable: str
    code: str
    wanted: str
    uv: tuple[bool, bool]
    seconds: float

    @property
    def right(self) -> bool:
        return not self.code if self.solvable and not self.wanted else self.code == self.wanted


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", action="append", default=[])
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--jobs", type=int, default=2)
    asked = arguments.parse_args()
    cases = tomllib.loads(CASES.read_text(encoding="utf-8"))["case"]
    cases = [case for case in cases if not asked.only or case["name"] in asked.only]
    pythons = interpreters()
    with tempfile.TemporaryDirectory(prefix="tfprov-projects-") as name, ThreadPoolExecutor(asked.jobs) as pool:
        rows = []
        for row in pool.map(lambda case: run(case, pythons, Path(name)), cases):
            rows.append(row)
            told = row.code or "lock"
            truth = row.solvable or "none"
            mark = "  " if row.right else "! "
            print(
                f"{mark}{row.name:32} {told:24} solvable on {truth}; uv {row.uv[0]:d} {row.uv[1]:d}; {row.seconds:.1f} s"
            )
    solvable = [row for row in rows if row.solvable and not row.wanted]
    others = [row for row in rows if row not in solvable]
    print(f"solvable: {len(solvable)}; tfprov {sum(not row.code for row in solvable)}", end="")
    print(f", uv {sum(row.uv[0] for row in solvable)}, uv on the newest Python {sum(row.uv[1] for row in solvable)}")
    print(f"others: {len(others)}; right reason {sum(row.right for row in others)}")
    if asked.json:
        asked.json.write_text(json.dumps([asdict(row) for row in rows], indent=2), encoding="utf-8")
    sys.exit(not all(row.right for row in rows))


def interpreters() -> dict[str, str]:
    """The newest interpreter of each minor version on this machine, the newest first."""
    found: dict[str, str] = {}
    for one in gather(os.environ).interpreters.value:
        minor = ".".join(one.version.split(".")[:2])
        if one.problem is None and minor.startswith("3."):
            found.setdefault(minor, one.path)
    return dict(sorted(found.items(), key=lambda item: Version(item[0]), reverse=True))


def run(case: Mapping[str, Any], pythons: Mapping[str, str], work: Path) -> Row:
    """Try a case in a folder of its own."""
    folder = work / case["name"]
    for name, text in case["files"].items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        content = text.replace("${INDEX}", default_index())
        target.write_bytes(content.encode(case.get("encoding", "utf-8")))
    first = next(iter(case["files"]))
    allowed = SpecifierSet(case.get("python", ""))
    (folder / "plain.in").write_text("\n".join(case["plain"]) + "\n", encoding="utf-8")
    admitted = [minor for minor in pythons if case["plain"] and allowed.contains(f"{minor}.0")]
    solvable = next((minor for minor in admitted if compiles(folder / "plain.in", "--python-version", minor)), "")
    newest = next(iter(pythons.values()))
    uv = compiles(folder / first), compiles(folder / first, "--python", newest)
    (folder / "project.toml").write_text(
        f'name = "project"\n[tensorflow]\naccelerator = "cpu"\n[packages]\nfiles = ["{first}"]\n{case.get("profile", "")}\n',
        encoding="utf-8",
    )
    environ = {**os.environ, "TFPROV_HOME": str(work / "home")}
    argv = [sys.executable, "-I", "-m", "tfprov", "lock", "project.toml", "--json"]
    done = process.run(argv, env=environ, cwd=folder, timeout=_SECONDS)
    code = "time-out" if done.timed_out else _code_in(done.stdout)
    return Row(
        name=case["name"],
        solvable=solvable,
        code=code,
        wanted=case.get("why", ""),
        uv=uv,
        seconds=done.seconds,
    )


def _code_in(printed: str) -> str:
    """The code of a failure as tfprov prints it; empty for a lock."""
    document = json.loads(printed)
    return "" if document["ok"] else str(document["error"]["code"])


def compiles(path: Path, *arguments: str) -> bool:
    """Whether uv resolves a file as it is."""
    argv = [uv_executable(), "pip", "compile", path, "--quiet", "--output-file", os.devnull, *arguments]
    # uv would try for ten seconds to bring the very patch release that it asks for.
    environ = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    return process.run(argv, env=environ, cwd=path.parent, timeout=_SECONDS).ok


if __name__ == "__main__":
    main()
