"""Tiny real wheels, and folders of them that serve as an index."""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

NO_FILES: Mapping[str, str | bytes] = {}


def build_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    files: Mapping[str, str | bytes] = NO_FILES,
    tag: str = "py3-none-any",
    requires_python: str | None = None,
    executable: Sequence[str] = (),
) -> Path:
    """A valid wheel with a RECORD.

    Args:
        folder: where to write it.
        name: of the project.
        version: of the project.
        requires: PEP 508 lines.
        files: content by path inside the wheel; a module of the project's name when empty.
        tag: wheel tag.
        requires_python: PEP 440 range, or None.
        executable: paths inside the wheel that may be run.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Python: {requires_python}\n" if requires_python else ""
    extras = dict.fromkeys(extra for line in requires for extra in re.findall(r"extra == ['\"]([^'\"]+)", line))
    metadata += "".join(f"Provides-Extra: {extra}\n" for extra in extras)
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    content: dict[str, str | bytes] = dict(files or {f"{name.replace('-', '_')}.py": f"__version__ = {version!r}\n"})
    content[f"{stem}.dist-info/METADATA"] = metadata
    content[f"{stem}.dist-info/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {str(tag.endswith('any')).lower()}\nTag: {tag}\n"
    )
    record = f"{stem}.dist-info/RECORD"
    rows = [f"{path},sha256={_digest(text)},{len(_bytes(text))}" for path, text in content.items()]
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in {**content, record: "\n".join([*rows, f"{record},,"]) + "\n"}.items():
            # A fixed moment, so that the same wheel has the same hash in every run.
            member = zipfile.ZipInfo(path, date_time=(2020, 1, 1, 0, 0, 0))
            if path in executable:
                member.external_attr = 0o100755 << 16
            archive.writestr(member, text)
    return wheel


def simple_index(folder: Path, wheels: Sequence[Path]) -> Path:
    """A PEP 503 index over wheels, as a folder that any file server or a file:// address can serve; `folder`."""
    by_project: dict[str, list[Path]] = {}
    for wheel in wheels:
        by_project.setdefault(wheel.name.split("-")[0].replace("_", "-").lower(), []).append(wheel)
    for project, files in by_project.items():
        page = folder / project / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        links = []
        for file in files:
            target = page.parent / file.name
            if target != file:
                target.write_bytes(file.read_bytes())
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
            links.append(f'<a href="{file.name}#sha256={sha256}">{file.name}</a>')
        page.write_text("<!DOCTYPE html><html><body>\n" + "\n".join(links) + "\n</body></html>\n")
    (folder / "index.html").write_text("\n".join(f'<a href="{name}/">{name}</a>' for name in sorted(by_project)))
    return folder


def rows_without(record: str, gone: tuple[str, ...]) -> str:
    """A RECORD without the rows of the files whose paths begin like this."""
    return "".join(f"{row}\n" for row in record.splitlines() if not row.startswith(gone))


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _digest(content: str | bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(_bytes(content)).digest()).decode().rstrip("=")
