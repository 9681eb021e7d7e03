"""Try packages that stand beside TensorFlow with its releases, and write docs/companions.md from what was found.

    python tools/companions.py try                                       every cell that was not tried yet
    python tools/companions.py try -c imgaug -c gensim -r 2.21 --again   these cells, once more
    python tools/companions.py try -t numba gensim librosa               these in one profile, where they go together
    python tools/companions.py page                                      write the page
    python tools/companions.py page --check                              exit with status 1 when it is out of date

A cell is a companion and a minor version of TensorFlow. It is tried with the real thing: `tfprov up` of a profile that asks
for both, on the processor, at the quick level and without the rung `repair`, so that nothing but the table of known breaks
can help. What came of it is kept in tools/data/companions.json: versions, rows that were applied, and that the modules
could be imported, or why not. Set TFPROV_HOME to a folder of its own; all cells share its wheels. It takes some 15 s a cell.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "data" / "companions.json"
PAGE = HERE.parent / "docs" / "companions.md"
RELEASES = ("2.21", "2.20", "2.19", "2.15")
COMPANIONS = (
    *("tensorflow-hub", "tensorflow-text", "tensorflow-probability", "tensorflow-addons", "tensorflow-datasets"),
    *("tensorflow-io", "tensorflow-decision-forests", "tensorflow-recommenders", "tensorflow-ranking", "tf-agents"),
    *("tf-models-official", "dm-sonnet", "keras-cv", "keras-hub", "keras-nlp", "keras-tuner", "segmentation-models"),
    *("transformers", "tensorflow-transform", "tfx-bsl", "tensorflow-serving-api", "tensorflow-metadata"),
    *("tensorflow-model-optimization", "tf-keras", "imgaug", "opencv-python-headless", "scikit-image", "scikit-learn"),
    *("pandas", "matplotlib", "numba", "gensim", "resampy", "librosa", "h5py", "pyarrow", "jax", "spektral"),
    *("deepface", "autokeras", "tf2onnx", "tflite-support", "tensorboard"),
)
_PROFILE = """\
name = "companion"
[tensorflow]
version = "=={release}.*"
accelerator = "cpu"
[packages]
requirements = {companions}
[smoke]
level = "quick"
[strategies]
skip = ["repair"]
"""
_LIMIT_S = 1200
_INTRO = """\
# Which companions go with which TensorFlow

This page shows which packages can be installed and imported alongside which TensorFlow, on Linux x86-64, on the CPU. In
each cell, a profile asks for one companion alongside one TensorFlow. Every cell was run, with `tfprov up` at the quick
level and without the rung `repair`, so that only the table of known breaks (`src/tfprov/plan/data/companions.toml`) and
the metadata of the packages could help.

- **Imports** means that each module of the companion was imported in that environment, after TensorFlow. It is followed
  by the companion's version and the Python, and then by the rows of the table that were applied.
- Companions that do not affect each other were tried in one environment: "9 more beside".
- The newest release of each minor version was used, with the newest companion that the resolver could combine with it.

`wrapt`, `absl-py` and `typing-extensions` need no row. TensorFlow's own metadata restrict them where they break it
(`wrapt<1.15` in 2.12, 2.14 and 2.15, `typing-extensions<4.6` in 2.12.1 and 2.13). The cells of 2.19 and 2.20 were run
with wrapt 2.5.2, absl-py 2.5.1 and typing-extensions 4.16.0.

With CUDA, these were locked but not run, for lack of a GPU: `torch` is bound below 2.11 and `jax[cuda13]` is refused,
because their cuDNN and NCCL for CUDA 13 are the same files as those for CUDA 12 that TensorFlow needs. `jax[cuda12]`
shares them.

`python tools/companions.py page` makes this page from what `tools/companions.py try` found
([how to add a row](extending.md#a-known-break)).

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What became of a companion beside a release.

    Attributes:
        release: minor version of TensorFlow that was asked for.
        code: None where everything could be imported.
        why: of the failure, in a line; empty where there is none.
        versions: of the companion, of TensorFlow and of Python, as far as they were chosen.
        rows: of known breaks, as the lock keeps them.
        together: other companions in the same profile.
        tried: the day.
    """

    companion: str
    release: str
    code: str | None
    why: str
    versions: Mapping[str, str]
    rows: tuple[str, ...]
    tried: str
    together: tuple[str, ...] = ()


def attempt(companions: Sequence[str], release: str, raw: Path | None) -> list[Cell]:
    """The cells of one profile, tried for real. The environment stays: the next one takes what is compiled in it.

    Args:
        companions: one, or some that are asked for together.
        raw: folder for what `tfprov` said, word by word; None for nowhere.

    Returns:
        One a companion; of several those alone that were imported, also where `up` failed over others.
    """
    with tempfile.TemporaryDirectory(prefix="companion-") as work:
        profile = Path(work) / "companion.toml"
        text = _PROFILE.format(companions=json.dumps(list(companions)), release=release)
        profile.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "tfprov", "up", str(profile), "--json"],
            cwd=work,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        if raw is not None:
            raw.mkdir(parents=True, exist_ok=True)
            name = f"{companions[0]}-{release}-{len(companions)}.txt"
            (raw / name).write_text(f"{done.stdout}\n{done.stderr}", encoding="utf-8")
        document, passed = json.loads(done.stdout), set()
        if document["error"]:
            told = subprocess.run(
                [sys.executable, "-m", "tfprov", "log", str(profile)],
                cwd=work,
                capture_output=True,
                text=True,
                check=False,
            )
            passed = set(re.findall(r"smoke: package (\S+) on environment: ok", told.stdout))
        else:
            for device in document["devices"]:
                good = (leg for leg in device["legs"] if leg["ok"] and not leg["skipped"])
                passed |= {leg["leg"].removeprefix("package ") for leg in good}
        lock = _lock(Path(work))
        # What fails beside others may work alone.
        told_of = [each for each in companions if each in passed or len(companions) == 1]
        return [
            _cell(each, release, document["error"] if each not in passed else None, lock, companions)
            for each in told_of
        ]


def _cell(
    companion: str, release: str, error: Mapping[str, Any] | None, lock: Mapping[str, Any], companions: Sequence[str]
) -> Cell:
    """What became of one companion, by the lock that was written and the error that it made."""
    locked = {canonicalize_name(each["name"]): each.get("version", "") for each in lock.get("packages", ())}
    target = lock.get("tool", {}).get("tfprov", {}).get("target", {})
    chosen = {name: locked[name] for name in (companion,) if name in locked}
    if target:
        chosen |= {"tensorflow": target["version"], "python": target["python"]}
    if error is None and companion not in locked:
        raise SystemExit(f"{companion} with {release}: it was imported and is not locked")
    return Cell(
        companion=companion,
        release=release,
        code=error["code"] if error else None,
        why=" ".join(_telling([error["what"], *error["evidence"]])) if error else "",
        versions=chosen,
        rows=tuple(row.partition(": ")[0] for row in target.get("breaks", ())),
        together=tuple(each for each in companions if each != companion),
        tried=datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
    )


def _telling(lines: Iterable[str]) -> Iterator[str]:
    """The lines of an error that say what it was: no addresses, no paths, no frames."""
    every = [line.strip() for block in lines for line in block.splitlines()]
    raised = [line for line in every if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", line)]
    because = [line for line in every if "ecause " in line]
    rows = [line for line in every if re.match(r"`[\w.-]+` (needs|is left out|does not go) ", line)]
    for line in raised[-1:] or rows or because[:1] or every[:1]:
        yield re.sub(r"(\S+://|/)\S*/", "", line)[:300]


def _lock(folder: Path) -> Mapping[str, Any]:
    files = list(folder.glob("pylock*.toml"))
    return tomllib.loads(files[0].read_text(encoding="utf-8")) if files else {}


def results() -> dict[tuple[str, str], Cell]:
    """What was found so far, by companion and minor version."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    cells = (Cell(**{**row, "rows": tuple(row["rows"]), "together": tuple(row.get("together", ()))}) for row in rows)
    return {(cell.companion, cell.release): cell for cell in cells}


def keep(cell: Cell) -> None:
    """Add a cell to the file, in place of an older one."""
    every = {**results(), (cell.companion, cell.release): cell}
    lines = ",\n".join(json.dumps(asdict(every[key])) for key in sorted(every))
    RESULTS.parent.mkdir(exist_ok=True)
    aside = RESULTS.with_suffix(".new")
    aside.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    os.replace(aside, RESULTS)


def page(cells: Mapping[tuple[str, str], Cell]) -> str:
    """The page: a table of companions and releases, and what failed."""
    companions = [name for name in COMPANIONS if any(cell.companion == name for cell in cells.values())]
    good = sum(cell.code is None for cell in cells.values())
    lines = [
        f"{len(companions)} companions, {len(cells)} cells, of which {good} import.",
        "",
        f"| companion | {' | '.join(RELEASES)} |",
        f"| --- |{' --- |' * len(RELEASES)}",
    ]
    for name in companions:
        shown = " | ".join(_shown(cells.get((name, release))) for release in RELEASES)
        lines.append(f"| `{name}` | {shown} |")
    lines += ["", "## What does not import, and why", ""]
    for name in companions:
        for release in RELEASES:
            cell = cells.get((name, release))
            if cell is not None and cell.code is not None:
                lines.append(f"- `{name}` with {release}: [`{cell.code}`](codes.md#{cell.code}). {_as_text(cell.why)}")
    return _INTRO + "\n".join(lines) + "\n"


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return "not tried"
    versions = cell.versions.get(cell.companion, "")
    versions += f" on {cell.versions['python']}" if "python" in cell.versions else ""
    rows = "".join(f"<br>{row}" for row in cell.rows)
    versions += f" ({len(cell.together)} more beside)" if cell.together else ""
    if cell.code is None:
        return f"**imports** {versions}{rows}"
    return f"[`{cell.code}`](codes.md#{cell.code}) {versions if cell.companion in cell.versions else ''}{rows}".strip()


def _as_text(why: str) -> str:
    return why.replace("|", "\\|").replace("<", "&lt;")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 1 where the page is out of date and only checked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    trying = commands.add_parser("try", help="try cells and keep what came of it")
    trying.add_argument("-c", "--companion", action="append", choices=COMPANIONS, help="these alone")
    trying.add_argument(
        "-t", "--together", action="append", nargs="+", choices=COMPANIONS, help="these in one profile; may be repeated"
    )
    trying.add_argument("-r", "--release", action="append", choices=RELEASES, help="these alone")
    trying.add_argument("--again", action="store_true", help="also what was tried before")
    trying.add_argument("--failed", action="store_true", help="once more what failed before")
    trying.add_argument("-j", "--jobs", type=int, default=1, help="so many at a time")
    trying.add_argument("--raw", type=Path, help="folder for what tfprov said")
    writing = commands.add_parser("page", help="write docs/companions.md")
    writing.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args(argv)
    if options.command == "page":
        text = page(results())
        if options.check:
            return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if "TFPROV_HOME" not in os.environ:
        parser.error("set TFPROV_HOME to a folder of its own: gigabytes of wheels go there")
    before = results()
    todo = [
        (group, release)
        for release in options.release or RELEASES
        for names in (options.together or [[each] for each in options.companion or COMPANIONS])
        if (
            group := tuple(
                name
                for name in names
                if (known := before.get((name, release))) is None
                or options.again
                or (options.failed and known.code is not None)
            )
        )
    ]
    with ThreadPoolExecutor(options.jobs) as pool:
        for done in as_completed([pool.submit(attempt, *each, options.raw) for each in todo]):
            for cell in done.result():
                keep(cell)
                shown = (
                    cell.release,
                    cell.companion,
                    cell.code or "imports",
                    dict(cell.versions),
                    *cell.rows,
                    cell.why,
                )
                print(*shown, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
