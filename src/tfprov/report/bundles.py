"""Bundles, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.harmless import lined
from tfprov.redact import redact
from tfprov.words import count, quoted, size

if TYPE_CHECKING:
    from tfprov.bundle.opened import Bundle
    from tfprov.bundle.records import Manifest
    from tfprov.pipeline.bundling import Bundled


def made(found: Bundled) -> str:
    """A bundle that was written, with the commands to use it."""
    manifest = found.manifest
    here = [entry for entry in manifest.files if entry.here]
    lines = [
        f"wrote {found.path}: {count(len(here), 'file')}, {size(found.bytes)}",
        *_content(manifest, found.id),
        _line("bytes", f"{size(found.bytes_fetched)} fetched for it"),
    ]
    named = quoted(found.path.name if found.path.parent == Path.cwd() else str(found.path))
    if manifest.base:
        left = len(manifest.files) - len(here)
        lines.append(_line("delta", f"{count(left, 'file')} left out: the bundle {manifest.base[:12]} has them"))
        lines.append(_line("use", f"tfprov up --bundle {named} --bundle OLD"))
    elif found.path.name.endswith(".tar"):
        lines.append(_line("use", f"tfprov up --bundle {named}"))
        lines.append(_line("", f"without tfprov: tar -xf {named} && {manifest.name}-bundle/bootstrap up"))
    else:
        lines.append(_line("use", f"tfprov up --bundle {named}"))
        lines.append(_line("", f"without tfprov: {named}/bootstrap up"))
    return redact(lined(lines))


def checked(found: Bundle) -> str:
    """A bundle whose files were all verified."""
    absent = [entry for entry in found.manifest.files if not found.has(entry)]
    lines = [f"{found.source}: {count(len(found.manifest.files) - len(absent), 'file')}, all hashes match"]
    lines += _content(found.manifest, found.id)
    if absent:
        lines.append(_line("delta", f"{count(len(absent), 'file')} only in the bundle {found.manifest.base[:12]}"))
    return redact(lined(lines))


def document(manifest: Manifest, *, id_: str, path: str) -> dict[str, object]:
    """A bundle as a JSON document: its manifest, with the number of files in place of their list."""
    found = asdict(manifest)
    files = found.pop("files")
    return {
        "bundle": {
            "path": path,
            "id": id_,
            **found,
            "files": len(files),
            "files_here": sum(entry["here"] for entry in files),
        }
    }


def _content(manifest: Manifest, id_: str) -> list[str]:
    lines = [_line("id", id_)]
    for one in manifest.served:
        lines.append(
            _line("for", f"{one.platform}: {one.package} {one.version}, {one.accelerator}, on Python {one.python}")
        )
    for platform in manifest.platforms:
        pythons = [tool.python for tool in manifest.tools if tool.platform == platform]
        lines.append(_line("tfprov", f"{manifest.tfprov}, starts on {platform} with Python {', '.join(pythons)}"))
    for python in manifest.pythons:
        needs = f"; the target must have {', '.join(python.needs)}" if python.needs else ""
        lines.append(_line("python", f"{python.version} for {python.platform}{needs}"))
    lines += [_line("! note", note) for note in manifest.notes]
    return lines


def _line(label: str, text: str) -> str:
    return f"  {label:<10}{text}"
