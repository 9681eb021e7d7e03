"""Small source distributions with a build backend of their own, so that to build them nothing else is needed."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

BACKEND = """
import base64, hashlib, json, os, pathlib, subprocess, sys, sysconfig, zipfile

TOLD = json.loads(pathlib.Path(__file__).with_name("told.json").read_text())
STEM = f"{TOLD['name'].replace('-', '_')}-{TOLD['version']}"


def metadata():
    lines = ["Metadata-Version: 2.1", f"Name: {TOLD['name']}", f"Version: {TOLD['version']}"]
    return "\\n".join([*lines, *(f"Requires-Dist: {line}" for line in TOLD["requires"])]) + "\\n"


def get_requires_for_build_wheel(config_settings=None):
    return TOLD["more"]


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    exec(TOLD["in_metadata"])
    folder = pathlib.Path(metadata_directory, f"{STEM}.dist-info")
    folder.mkdir()
    folder.joinpath("METADATA").write_text(metadata())
    folder.joinpath("WHEEL").write_text("Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    return folder.name


def get_requires_for_build_editable(config_settings=None):
    return []


def prepare_metadata_for_build_editable(metadata_directory, config_settings=None):
    return prepare_metadata_for_build_wheel(metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    here = pathlib.Path(__file__).parent
    return build_wheel(wheel_directory, files={f"{STEM}.pth": f"{here}\\n".encode()})


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None, files=None):
    module = f"{TOLD['name'].replace('-', '_')}.py"
    source = pathlib.Path(module)
    content = source.read_bytes() if source.exists() else f"__version__ = {TOLD['version']!r}\\n".encode()
    files = files or {module: content}
    tag = "py3-none-any"
    exec(TOLD["in_build"])
    if TOLD["c"]:
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        include = sysconfig.get_path("include")
        pathlib.Path("part.c").write_text(TOLD["c"])
        subprocess.run(["gcc", "-shared", "-fPIC", f"-I{include}", "part.c", "-o", f"part{suffix}"], check=True)
        files[f"part{suffix}"] = pathlib.Path(f"part{suffix}").read_bytes()
        version = f"cp3{sys.version_info[1]}"
        tag = f"{version}-{version}-linux_{os.uname().machine}"
    files[f"{STEM}.dist-info/METADATA"] = metadata().encode()
    files[f"{STEM}.dist-info/WHEEL"] = f"Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: {tag}\\n".encode()
    rows = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        rows.append(f"{path},sha256={digest},{len(content)}")
    files[f"{STEM}.dist-info/RECORD"] = "\\n".join([*rows, f"{STEM}.dist-info/RECORD,,"]).encode()
    name = f"{STEM}-{tag}.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path, date_time=(2020, 1, 1, 0, 0, 0)), content)
    return name
"""
"""A backend by PEP 517, told by `told.json` what to do."""


def project(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    build_requires: Sequence[str] = (),
    more: Sequence[str] = (),
    in_metadata: str = "",
    in_build: str = "",
    c: str = "",
) -> dict[str, str]:
    """The files of a project, by path.

    Args:
        name: of the project.
        version: of the project.
        requires: what the package needs, PEP 508.
        build_requires: what its build needs, as `pyproject.toml` says it.
        more: what its build needs, as the backend says it when it is asked.
        in_metadata: Python code that runs when its metadata is asked for.
        in_build: Python code that runs when a wheel is made; may change `files` and `tag`.
        c: source of the extension module `part`; empty for none.
    """
    told = {"name": name, "version": version, "requires": [*requires], "more": [*more], "c": c}
    return {
        "pyproject.toml": f'[build-system]\nrequires = {json.dumps([*build_requires])}\nbuild-backend = "backend"\n'
        'backend-path = ["."]\n',
        "backend.py": BACKEND,
        "told.json": json.dumps({**told, "in_metadata": in_metadata, "in_build": in_build}),
    }


def sdist(folder: Path, files: Mapping[str, str], *, stem: str) -> Path:
    """A `.tar.gz` of the files, below one folder; the same files give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.tar.gz"
    told = json.loads(files["told.json"])
    content = {**files, "PKG-INFO": f"Metadata-Version: 2.1\nName: {told['name']}\nVersion: {told['version']}\n"}
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, text in content.items():
            member = tarfile.TarInfo(f"{stem}/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    import gzip

    path.write_bytes(gzip.compress(raw.getvalue(), mtime=0))
    return path
