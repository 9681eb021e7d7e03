"""Prove a TensorFlow on a machine that has GPUs and no network: pack here, carry the parts over, run there.

    python tools/hardware.py pack FOLDER [PROFILE]    make the parts, each of at most 60 MiB
    python3 FOLDER/hardware.py run                    on the other machine: up, then quick, standard and deep

`pack` needs a checkout of tfprov and its index; without PROFILE it takes profiles/cuda.toml. `run` needs a Python 3.10
or newer and nothing else. The parts may come one after the other, in any order; `run` says which are missing. What it
finds lies in FOLDER/results (receipts, pages, JUnit, facts, logs), and packed in FOLDER/results.tar.gz.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PART_MIB = 60
LEVELS = ("quick", "standard", "deep")
_LIST = "parts.json"
_BLOCK = 1 << 20


def pack(folder: Path, profile: str, *, part_mib: int = PART_MIB, more: tuple[str, ...] = ()) -> int:
    """Bundle a profile and cut the bundle into parts, beside which this script lies.

    Args:
        folder: new, or of an earlier `pack`, whose parts are replaced.
        profile: path, or name of a shipped one.
        part_mib: the largest part, in MiB.
        more: further options of `tfprov bundle`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "bundle.tar"
    bootstrap = Path(__file__).resolve().parents[1] / "bootstrap"
    # The environment is made when the quick level passed; what the others say of it is then theirs alone.
    command = [sys.executable, str(bootstrap), "bundle", profile, "--output", str(archive), "--with-python"]
    command += ["--set", "smoke.level=quick", *more]
    ended = subprocess.run(command, check=False).returncode
    if ended:
        return ended
    cut(archive, folder, part_mib=part_mib)
    archive.unlink()
    return 0


def cut(archive: Path, folder: Path, *, part_mib: int) -> None:
    """Cut a bundle into parts, with a list of their hashes and this script beside them."""
    for old in folder.glob("part-*"):
        old.unlink()
    parts = {}
    with archive.open("rb") as stream:
        number = 0
        while head := stream.read(_BLOCK):
            number += 1
            name, content = f"part-{number:04d}", hashlib.sha256()
            with (folder / name).open("wb") as part:
                for block in _blocks(head, stream, part_mib):
                    part.write(block)
                    content.update(block)
            parts[name] = content.hexdigest()
    (folder / _LIST).write_text(json.dumps(parts, indent=1) + "\n", encoding="utf-8")
    shutil.copy2(Path(__file__), folder / "hardware.py")
    size = sum((folder / name).stat().st_size for name in parts)
    print(f"{len(parts)} parts, {size / 1e6:.0f} MB in {folder}; carry all of it over, then: python3 hardware.py run")


def _blocks(head: bytes, stream, most: int) -> Iterator[bytes]:
    yield head
    for _ in range(most - 1):
        block = stream.read(_BLOCK)
        if not block:
            return
        yield block


def run(folder: Path, levels: tuple[str, ...]) -> int:
    """Make the environment of the parts and prove it at each level; the exit status of the first that failed."""
    missing = list(_missing(folder))
    if missing:
        print(f"missing or damaged: {', '.join(missing)}", file=sys.stderr)
        return 2
    results = folder / "results"
    results.mkdir(exist_ok=True)
    unpacked = folder / "unpacked"
    if not unpacked.exists():
        half = folder / "unpacked.half"
        shutil.rmtree(half, ignore_errors=True)
        with tarfile.open(fileobj=_Joined([folder / name for name in _parts(folder)]), mode="r|") as archive:
            # The hashes of the parts were compared: these are the very bytes that `pack` wrote.
            with suppress(AttributeError):
                archive.extraction_filter = tarfile.data_filter
            archive.extractall(half)
        half.rename(unpacked)
    (bundle,) = unpacked.iterdir()
    profile = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))["name"]
    environ = {**os.environ, "TFPROV_HOME": str(folder / "home")}
    step = _Steps(bundle / "bootstrap", results, environ)
    step("facts", "facts", "--json")
    step("up", "up", "--json")
    made = step.ended[-1][1] == 0
    for level in levels if made else ():
        outputs = [f"--{kind}={results / f'{level}.{end}'}" for kind, end in _OUTPUTS]
        step(level, "smoke", profile, "--level", level, *outputs)
    step("log", "log", profile)
    step("status", "status", "--all", "--json")
    if shutil.which("nvidia-smi"):
        with (results / "nvidia-smi.txt").open("wb") as stream:
            subprocess.run(["nvidia-smi", "-q"], stdout=stream, stderr=subprocess.STDOUT, check=False, timeout=60)
    lines = [f"{name:<10} status {status:>3}  {seconds:7.1f} s" for name, status, seconds in step.ended]
    print("\n".join(lines))
    (results / "summary.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with tarfile.open(folder / "results.tar.gz", "w:gz") as packed:
        packed.add(results, "results")
    return next((status for _, status, _ in step.ended if status), 0)


_OUTPUTS = (("receipt", "receipt.json"), ("junit", "xml"), ("html", "html"))


class _Steps:
    """Commands of the tfprov in a bundle, one after the other, each with a log; one that fails ends none of the others.

    Attributes:
        ended: name, exit status and seconds of each.
    """

    def __init__(self, bootstrap: Path, results: Path, environ: dict[str, str]) -> None:
        self._start = [sys.executable, str(bootstrap)]
        self._results = results
        self._environ = environ
        self.ended: list[tuple[str, int, float]] = []

    def __call__(self, name: str, *arguments: str) -> None:
        print(f"== {name}", flush=True)
        started = time.monotonic()
        with (
            (self._results / f"{name}.out").open("wb") as out,
            (self._results / f"{name}.log").open("wb") as errors,
        ):
            done = subprocess.run([*self._start, *arguments], env=self._environ, stdout=out, stderr=errors, check=False)
        self.ended.append((name, done.returncode, time.monotonic() - started))
        if done.returncode:
            print((self._results / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-4000:])


class _Joined:
    """Files as one stream, for tarfile."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = iter(paths)
        self._stream = next(self._paths).open("rb")

    def read(self, size: int) -> bytes:
        """So many bytes; fewer at the end only."""
        found = self._stream.read(size)
        while len(found) < size:
            following = next(self._paths, None)
            if following is None:
                break
            self._stream.close()
            self._stream = following.open("rb")
            found += self._stream.read(size - len(found))
        return found


def _parts(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / _LIST).read_text(encoding="utf-8"))
    return found


def _missing(folder: Path) -> Iterator[str]:
    """The parts that are not here, or not as they were packed; their list where that is not."""
    try:
        parts = _parts(folder)
    except (OSError, ValueError):
        yield _LIST
        return
    for name, expected in parts.items():
        try:
            content = hashlib.sha256()
            with (folder / name).open("rb") as stream:
                while block := stream.read(_BLOCK):
                    content.update(block)
        except OSError:
            yield name
        else:
            if content.hexdigest() != expected:
                yield name


def main(arguments: list[str]) -> int:
    """The exit status of `pack` or `run`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="make the parts")
    packing.add_argument("folder", type=Path)
    packing.add_argument("profile", nargs="?", default="cuda")
    packing.add_argument("--part-mib", type=int, default=PART_MIB, help="the largest part; default: %(default)s")
    packing.add_argument("more", nargs="*", help="behind `--`: further options of `tfprov bundle`")
    running = commands.add_parser("run", help="prove it on this machine, from the folder of this script")
    running.add_argument("levels", nargs="*", default=LEVELS, help="default: quick standard deep")
    asked = parser.parse_args(arguments)
    if asked.command == "pack":
        return pack(asked.folder, asked.profile, part_mib=asked.part_mib, more=tuple(asked.more))
    return run(Path(__file__).resolve().parent, tuple(asked.levels))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
