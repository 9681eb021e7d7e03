"""The smallest system that a program starts in: the shared libraries of this one, and a shell."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path


def libraries(programs: Iterable[Path]) -> set[Path]:
    """The shared libraries that programs load, as `ldd` finds them."""
    found: set[Path] = set()
    for program in programs:
        done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
        found |= {Path(path) for path in re.findall(r"(/\S+) \(0x", done.stdout)}
    return found


def make(root: Path) -> None:
    """A system with `sh` and everything that the standard library of Python and NumPy load."""
    shell = Path(os.path.realpath("/bin/sh"))
    extensions = Path(os.__file__).parent.glob("lib-dynload/*.so")
    for file in (*libraries((shell, Path(sys.executable), *extensions)), *_common()):
        place = root / str(file).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(os.path.realpath(file), place)
        place.chmod(0o755)
    (root / "bin").mkdir(exist_ok=True)
    shutil.copyfile(shell, root / "bin/sh")
    (root / "bin/sh").chmod(0o755)
    (root / "tmp").mkdir(exist_ok=True)
    (root / "dev").mkdir(exist_ok=True)
    # A real one needs a device, which not everybody may make.
    (root / "dev/null").touch()


def _common() -> list[Path]:
    cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    names = ("libstdc++.so.6", "libgcc_s.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1")
    return [Path(path) for name in names for path in re.findall(rf"{re.escape(name)} .*=> (\S+)", cache)[:1]]


def layout(folder: Path, root: Path, *, architecture: str) -> None:
    """An image in OCI layout whose only layer is a system."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(content: bytes, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    tar = folder.with_suffix(".layer")
    subprocess.run(["tar", "-C", str(root), "--owner=0", "--group=0", "-cf", str(tar), "."], check=True)
    content = tar.read_bytes()
    tar.unlink()
    layer = blob(content, "layer.v1.tar")
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/bin", "BASE=yes"], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        "history": [{"created_by": "test"}],
    }
    manifest = {
        "schemaVersion": 2,
        "config": blob(json.dumps(config).encode(), "config.v1+json"),
        "layers": [layer],
    }
    index = {"schemaVersion": 2, "manifests": [blob(json.dumps(manifest).encode(), "manifest.v1+json")]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
