"""Write docs/compat.md from the compat table.

python tools/compat_page.py          write the page
python tools/compat_page.py --check  exit with status 1 when it is out of date
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.version import Version

from tfprov.plan.compat import Compat, Release, Wheels, table
from tfprov.plan.gpus import lowest_driver
from tfprov.plan.interpreters import span
from tfprov.words import size

PAGE = Path(__file__).resolve().parents[1] / "docs" / "compat.md"

_PLATFORMS = {
    "linux_x86_64": "Linux x86-64",
    "linux_aarch64": "Linux arm64",
    "windows_x86_64": "Windows",
    "macos_arm64": "macOS arm64",
    "macos_x86_64": "macOS Intel",
}

_INTRO = """\
# Which TensorFlow goes where

What tfprov knows of each release, and decides from. This page is made from the table that comes with it
(`src/tfprov/plan/data/compat.json`), which was compared with the index on {generated}. A release that the table does
not have is read from the index by the names of its wheels, and the plan says that it is unverified.

`tools/compat_refresh.py` compares the table with the index and prints what changed; `tools/compat_page.py` writes this
page. Every row of the table names its source; the sources stand at the end.

## How the decision goes

1. Nothing gets past: a musl C library, or an x86-64 processor without AVX, emulated ones included.
2. The newest release first. Pre-releases count only when `tensorflow.version` names one. A release known not to work is
   never taken, and a pin on it is an error.
3. `accelerator = "auto"` means CUDA where it can work: a visible NVIDIA GPU, a driver that serves the release, and code
   in the wheel for *every* visible GPU. Where the newest release cannot serve driver or GPU, the newest that can is
   taken; where none can, the CPU, with the reason. `"cuda"` makes the reason an error, before anything is downloaded.
   A GPU is known by its name where no driver tells its compute capability.
   TensorFlow 2.10 to 2.13 have no extra for the CUDA libraries, so these are added by name, and do not look for them
   there: where the smoke test misses them, the cure [`library-path`](smoke.md#cures-what-happens-after-a-failure) helps.
4. `"cpu"` takes `tensorflow-cpu` where the wheel of `tensorflow` carries CUDA (Linux x86-64), else `tensorflow`, which
   is a CPU build there.
5. Among the Pythons that have a wheel: the newest minor version, one that the operating system does not own, the newest
   patch release. A Python that is here is preferred to one that would have to be brought, even at the price of an older
   release; the plan says so. One before 3.9 is preferred only if the other would run no newer release. Python 3.6 and
   3.7 are never brought, because uv has no builds of them, and none is to a system with a glibc before 2.17, a Windows
   before 10 or a macOS before 10.15, on which its builds do not run.
6. Requirements, constraints, overrides and exclusions of the profile take part, as the resolver understands them:
   `keras<3` leads to TensorFlow 2.15, and `numpy>=2` with `tensorflow.version = "==2.11.*"` is a conflict that names both
   sides. So do their wheels, and what goes with which release: `numpy<2` leads to Python 3.12, `tensorflow-text==2.15.*`
   to TensorFlow 2.15, where tfprov knows them (`src/tfprov/plan/data/versions.json`, written by
   `tools/versions_refresh.py`); the resolver knows the rest.
7. `index.exclude-newer` leaves out what came later: by the times that the index gives, and where it gives none, or cannot
   be asked, by those of the table.
"""

_CODE = """\
*Machine code* runs on GPUs of the same major compute capability from its own minor on. *PTX* is compiled by the driver
for newer GPUs; only a driver that knows the CUDA release of the wheel can do that. For {mostly} most kernels of the
wheels with PTX {mostly} are PTX only, so such a GPU needs the driver of that CUDA release, not only the lowest one.
From compute capability {ends} on (Blackwell) compiling that PTX fails: no wheel serves those GPUs. conda-forge's
TensorFlow {conda} for CUDA {conda_cuda} has machine code for them.
"""


def page(compat: Compat) -> str:
    """The whole page."""
    build = next(row for row in compat.conda if row.cuda is not None)
    mostly = ", ".join(sorted({each for row in compat.releases if row.cuda for each in row.cuda.mostly_ptx}))
    parts = [
        _INTRO.format(generated=compat.generated),
        "## Wheels\n",
        *_wheels(compat),
        "\n## CUDA, in the wheel for Linux x86-64\n",
        *_cuda(compat),
        "",
        _CODE.format(mostly=mostly, ends=compat.ptx_ends_at, conda=build.version, conda_cuda=build.cuda),
        "Which driver knows which CUDA release:\n",
        *_drivers(compat),
        "\n## Never installed\n",
        *_known_bad(compat),
        "\n## Bounds that make a release work today\n",
        *_bounds(compat),
        "\n## Other accelerators\n",
        *_pairs(compat),
        "\n## Sizes on Linux x86-64\n",
        *_sizes(compat),
        "\n## Sources\n",
        *(f"- `{key}`: {text}" for key, text in compat.sources.items()),
    ]
    return "\n".join(parts) + "\n"


def _rows(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    titles = list(head)
    yield f"| {' | '.join(titles)} |"
    yield f"|{' --- |' * len(titles)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _wheels(compat: Compat) -> Iterator[str]:
    yield from _rows(
        ("TensorFlow", *_PLATFORMS.values(), "glibc", "`tensorflow-cpu`"),
        (
            (
                row.version,
                *(_cell(_find(row, "tensorflow", platform)) for platform in _PLATFORMS),
                row.glibc,
                ", ".join(name for platform, name in _PLATFORMS.items() if _find(row, "tensorflow-cpu", platform)),
            )
            for row in compat.releases
        ),
    )
    yield ""
    yield "Python versions from 3.6 on, the oldest that environments are made for. `→` an empty wheel that stands for"
    yield "another project. No release has wheels for musl, 32-bit systems or Windows on ARM."


def _find(row: Release, package: str, platform: str) -> Wheels | None:
    return next((each for each in row.wheels if each.package == package and each.platform == platform), None)


def _cell(wheels: Wheels | None) -> str:
    if wheels is None:
        return "no"
    if not wheels.pythons:
        return f"no (→ `{wheels.needs}` has none)"
    return span(wheels.pythons) + (f" → `{wheels.needs}`" if wheels.needs else "")


def _cuda(compat: Compat) -> Iterator[str]:
    yield from _rows(
        ("TensorFlow", "CUDA", "cuDNN", "machine code", "PTX", "driver", "driver, WSL2", "`and-cuda`"),
        (
            (
                row.version,
                row.cuda.built_for,
                row.cuda.cudnn,
                " ".join(row.cuda.native),
                " ".join(row.cuda.ptx),
                lowest_driver(row.cuda.built_for, compat, windows=False) or "not named",
                lowest_driver(row.cuda.built_for, compat, windows=True) or "not named",
                "yes" if "and-cuda" in row.extras else "no",
            )
            for row in compat.releases
            if row.cuda is not None
        ),
    )
    yield ""
    yield "The CUDA libraries of releases before 2.10 cannot be brought: those of CUDA 10 do not come as wheels, and those"
    yield "of CUDA 11 were not proved with them. Such a release is installed for the CPU only."


def _drivers(compat: Compat) -> Iterator[str]:
    yield from _rows(
        ("CUDA", "driver on Linux", "driver on Windows (WSL2)"),
        ((row.cuda, row.linux, row.windows or "not named") for row in reversed(compat.toolkit_drivers)),
    )


def _known_bad(compat: Compat) -> Iterator[str]:
    yield from _rows(
        ("TensorFlow", "variant", "Python", "why", "instead"),
        (
            (f"`{row.releases}`", row.accelerator or "all", row.pythons or "all", row.why, row.remedy)
            for row in compat.known_bad
        ),
    )


def _bounds(compat: Compat) -> Iterator[str]:
    yield from _rows(
        ("TensorFlow", "for", "bound", "why"),
        (
            (
                f"`{row.releases}`",
                f"GPUs below {row.below}" if row.below else row.accelerator or "all",
                f"`{row.requirement}`",
                row.why,
            )
            for row in compat.bounds
        ),
    )
    yield ""
    yield "TensorFlow 2.21 does not bring TensorBoard any more: name `tensorboard` under `packages.requirements`."
    yield "Releases before 2.14 have no `and-cuda` extra: their CUDA libraries are added by name, and opened before TensorFlow"
    yield "looks for them. That they are all loaded was tried with 2.13.1; on a GPU it was not."


def _pairs(compat: Compat) -> Iterator[str]:
    yield from _rows(
        ("accelerator", "platform", "TensorFlow", "package", "Python", "needs"),
        (
            (
                row.accelerator,
                _PLATFORMS[row.platform],
                f"`{row.releases}`",
                f"`{row.package}=={row.version}`",
                span(row.pythons),
                row.needs or "",
            )
            for row in compat.pairs
        ),
    )


def _sizes(compat: Compat) -> Iterator[str]:
    rows = sorted(compat.closures, key=lambda row: (row.accelerator, Version(row.version)), reverse=True)
    yield from _rows(
        ("TensorFlow", "variant", "Python", "wheels", "download", "unpacked", "files"),
        (
            (
                row.version,
                row.accelerator,
                row.python,
                str(row.wheels or ""),
                size(row.download),
                size(row.unpacked),
                f"{row.files:,}" if row.files else "",
            )
            for row in rows
        ),
    )


def main(arguments: list[str]) -> int:
    """Write or check the page."""
    text = page(table())
    if "--check" in arguments:
        fresh = PAGE.exists() and PAGE.read_text("utf-8") == text
        print("up to date" if fresh else f"{PAGE.name} is out of date: run tools/compat_page.py")
        return 0 if fresh else 1
    PAGE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
