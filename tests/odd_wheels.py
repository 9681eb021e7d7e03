"""Real wheels of every kind that archives and the wheel format allow, by name. Each has a project name of its own."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

_WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: {}\nTag: py3-none-any\n"
MOMENT = (2020, 1, 1, 0, 0, 0)


class Unseekable(io.RawIOBase):
    """A stream as a pipe is one: zipfile cannot go back, so sizes and CRC stand behind the data."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("wb")

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return self._stream.write(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


@dataclass
class Odd:
    """A wheel to be written.

    Attributes:
        files: content by path, without the metadata.
        metadata: more files of the metadata folder, by name.
        modes: of files, by path; whole, with the type.
        method: of compression, by path; deflated otherwise.
        purelib: what WHEEL says.
        pipe: whether it is written as into a pipe.
        zip64: whether local headers have sizes of 64 bits.
        folders: whether the archive has entries for folders.
        record: changes the rows of RECORD.
        end: of each line of RECORD.
        first: whether the metadata stands in front.
        comment: of the archive.
        version: of the project.
        build: tag of the build, with its hyphen.
        system: number of the system that wrote the archive.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    metadata: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    stored: bool = False
    purelib: bool = True
    pipe: bool = False
    zip64: bool = False
    folders: bool = False
    record: Callable[[list[list[str]]], list[list[str]]] = lambda rows: rows
    end: str = "\n"
    first: bool = False
    comment: bytes = b""
    version: str = "1.0"
    build: str = ""
    system: int = 3
    extra: bytes = b""

    @property
    def points(self) -> bytes:
        """The declarations of its entry points."""
        return self.metadata.get("entry_points.txt", b"")

    def write(self, folder: Path, name: str) -> Path:
        """Write it as the wheel of a project."""
        info = f"{name}-{self.version}.dist-info"
        content = {path.replace("{data}", f"{name}-{self.version}.data"): body for path, body in self.files.items()}
        metadata = {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {self.version}\n".encode(),
            f"{info}/WHEEL": _WHEEL.format(str(self.purelib).lower()).encode(),
            **{f"{info}/{path}": body for path, body in self.metadata.items()},
        }
        everything = {**metadata, **content} if self.first else {**content, **metadata}
        signed = (f"{info}/RECORD.jws", f"{info}/RECORD.p7s")
        rows = self.record([[path, *_digest(body)] for path, body in everything.items() if path not in signed])
        text = self.end.join(_row(row) for row in [*rows, [f"{info}/RECORD", "", ""]]) + self.end
        everything[f"{info}/RECORD"] = text.encode()
        folder.mkdir(parents=True, exist_ok=True)
        wheel = folder / f"{name}-{self.version}{self.build}-py3-none-any.whl"
        with Unseekable(wheel) if self.pipe else wheel.open("wb") as stream:
            self._archive(stream, everything, f"{name}-{self.version}.data")
        return wheel

    def _archive(self, stream: object, everything: dict[str, bytes], data: str) -> None:
        modes = {path.replace("{data}", data): mode for path, mode in self.modes.items()}
        with zipfile.ZipFile(stream, "w") as archive:  # type: ignore[arg-type]
            archive.comment = self.comment
            for folder in _folders(everything) if self.folders else ():
                archive.writestr(zipfile.ZipInfo(f"{folder}/", MOMENT), b"")
            for path, body in everything.items():
                member = zipfile.ZipInfo(path, MOMENT)
                member.create_system = self.system
                member.external_attr = modes.get(path, 0o100644) << 16
                member.extra = self.extra
                member.compress_type = zipfile.ZIP_STORED if self.stored else zipfile.ZIP_DEFLATED
                with archive.open(member, "w", force_zip64=self.zip64) as writer:
                    writer.write(body)


def _digest(body: bytes) -> list[str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")
    return [f"sha256={digest}", str(len(body))]


def _row(cells: list[str]) -> str:
    return ",".join('"' + cell.replace('"', '""') + '"' if set(cell) & set(',"') else cell for cell in cells)


def _folders(paths: Iterable[str]) -> list[str]:
    return sorted({str(parent) for path in paths for parent in Path(path).parents} - {"."})


def _points(text: str) -> dict[str, bytes]:
    return {"entry_points.txt": text.encode()}


def _without_hashes(rows: list[list[str]]) -> list[list[str]]:
    return [[path, "", ""] for path, _, _ in rows]


RANDOM = os.urandom(3_000_000)
MAIN = b"def main():\n    print('hello')\nclass Deep:\n    class In:\n        run = staticmethod(main)\n"

KINDS: dict[str, Odd] = {
    "module": Odd({"module_one.py": b"x = 1\n"}),
    "package": Odd({"package_one/__init__.py": b"", "package_one/a.py": b"a = 1\n"}),
    "nested": Odd({f"nested_one/{'deep/' * depth}m.py": b"m = 1\n" for depth in range(30)}),
    "namespace_a": Odd({"shared_space/a/__init__.py": b"a = 1\n"}),
    "namespace_b": Odd({"shared_space/b/__init__.py": b"b = 1\n"}),
    "old_namespace_a": Odd({"old_space/__init__.py": b"# pkgutil\n", "old_space/a.py": b""}),
    "old_namespace_b": Odd({"old_space/__init__.py": b"# pkgutil\n", "old_space/b.py": b""}),
    "pth_file": Odd({"pth_file.pth": b"# nothing\n"}),
    "platlib": Odd({"platlib_one.py": b"x = 1\n"}, purelib=False),
    "platlib_in_pure": Odd({"{data}/platlib/in_pure.py": b"x = 1\n"}),
    "purelib_in_plat": Odd({"{data}/purelib/in_plat.py": b"x = 1\n", "beside.py": b""}, purelib=False),
    "data_script": Odd({"{data}/scripts/data-script": b"#!python\nprint('here')\n"}),
    "data_script_window": Odd({"{data}/scripts/window-script": b"#!pythonw\nprint('here')\n"}),
    "data_script_options": Odd({"{data}/scripts/options-script": b"#!python -E\nprint('here')\n"}),
    "data_script_shell": Odd({"{data}/scripts/shell-script": b"#!/bin/sh\necho here\n"}),
    "data_script_binary": Odd({"{data}/scripts/binary-script": b"\x7fELF\0\1\2#!python\n"}),
    "data_script_empty": Odd({"{data}/scripts/empty-script": b""}),
    "data_script_declared": Odd(
        {"{data}/scripts/twice": b"#!python\n1/0\n", "declared_twice.py": MAIN},
        _points("[console_scripts]\ntwice = declared_twice:main\n"),
    ),
    "headers": Odd({"{data}/headers/one.h": b"#define ONE 1\n", "{data}/headers/sub/two.h": b""}),
    "data_share": Odd({"{data}/data/share/odd/file.txt": b"text", "{data}/data/etc/odd.conf": b""}),
    "data_of_all_kinds": Odd(
        {f"{{data}}/{kind}/all_kinds_{kind}": kind.encode() for kind in ("purelib", "platlib", "headers", "data")}
    ),
    "console": Odd({"console_one.py": MAIN}, _points("[console_scripts]\nconsole-one = console_one:main\n")),
    "gui": Odd({"gui_one.py": MAIN}, _points("[gui_scripts]\ngui-one = gui_one:main\n")),
    "points_extra": Odd({"extra_one.py": MAIN}, _points("[console_scripts]\nextra-one = extra_one:main [fast]\n")),
    "points_deep": Odd({"deep_one.py": MAIN}, _points("[console_scripts]\ndeep-one = deep_one:Deep.In.run\n")),
    "points_others": Odd(
        {"others_one.py": MAIN},
        _points("# words\n[pytest11]\nx = others_one\n\n[console_scripts]\nothers.one=others_one:main\n"),
    ),
    "points_none": Odd({"none_one.py": MAIN}, _points("\n")),
    "names_umlaut": Odd({"umläut/größe.py": b"x = 1\n", "umläut/日本語.txt": b"", "umläut/😀": b""}),
    "names_blanks": Odd({"names blanks/a file.txt": b"x", "names blanks/.hidden": b"", "names blanks/-x": b""}),
    "names_commas": Odd({"commas/a,b.txt": b"x", 'commas/say "x".txt': b"y", "commas/per%20cent": b""}),
    "names_specials": Odd({"specials/a:b*c?.txt": b"x", "specials/$HOME;`x`": b"", "specials/end.": b""}),
    "names_long": Odd({f"long_one/{'x' * 200}.txt": b"x"}),
    "names_case": Odd({"case_one/Readme": b"1", "case_one/other": b"2"}),
    "empty_files": Odd({"empty_one/__init__.py": b"", "empty_one/nothing.bin": b""}),
    "folder_entries": Odd({"folders_one/a/b.py": b"", "folders_one/c.py": b""}, folders=True),
    "stored": Odd({"stored_one/a.bin": RANDOM, "stored_one/b.txt": b"text"}, stored=True),
    "compressible": Odd({"zeros_one/a.bin": bytes(9_000_000), "zeros_one/b.bin": bytes(65536)}),
    "incompressible": Odd({"random_one/a.bin": RANDOM, "random_one/b.bin": RANDOM[:65536]}),
    "zip64": Odd({"long_sizes/a.bin": RANDOM[:200_000], "long_sizes/b.py": b"b = 1\n"}, zip64=True),
    "zip64_stored": Odd({"long_stored/a.bin": RANDOM[:200_000]}, zip64=True, stored=True),
    "descriptors": Odd({"piped_one/a.bin": RANDOM[:200_000], "piped_one/b.py": b"b = 1\n"}, pipe=True),
    "descriptors_stored": Odd({"piped_stored/a.bin": RANDOM[:200_000]}, pipe=True, stored=True),
    "descriptors_zip64": Odd({"piped_long/a.bin": RANDOM[:200_000]}, pipe=True, zip64=True),
    "executable": Odd({"exec_one/tool": b"#!/bin/sh\n", "exec_one/x.so": b"ELF"}, modes={"exec_one/tool": 0o100755}),
    "modes_odd": Odd(
        {"modes_one/a": b"a", "modes_one/b": b"b", "modes_one/c": b"c", "{data}/data/modes_data": b"d"},
        modes={"modes_one/a": 0o100600, "modes_one/b": 0o100001, "modes_one/c": 0, "{data}/data/modes_data": 0o100777},
    ),
    "modes_dos": Odd({"dos_one/a.py": b"a = 1\n"}, modes={"dos_one/a.py": 0}, system=0),
    "many_files": Odd({f"many_one/p{number % 97}/m{number}.py": b"%d\n" % number for number in range(4000)}),
    "signatures": Odd({"signed_one.py": b""}, {"RECORD.jws": b"{}", "RECORD.p7s": b"\x30"}),
    "licenses": Odd({"licensed_one.py": b""}, {"licenses/LICENSE": b"MIT", "sboms/x.json": b"{}"}),
    "requested_inside": Odd({"asked_one.py": b""}, {"REQUESTED": b"", "INSTALLER": b"other\n"}),
    "bytecode_inside": Odd({"coded_one.py": b"", "__pycache__/coded_one.cpython-36.pyc": b"\0\1\2\3"}),
    "record_bare": Odd({"bare_one.py": b"x = 1\n"}, record=_without_hashes),
    "record_lacks_a_file": Odd({"lacks_one.py": b"", "lacks_two.py": b""}, record=lambda rows: rows[1:]),
    "record_crlf": Odd({"crlf_one.py": b""}, end="\r\n"),
    "record_first": Odd({"first_one.py": b"x = 1\n"}, first=True),
    "comment": Odd({"comment_one.py": b""}, comment=b"a comment, PK\x03\x04 included"),
    "extra_fields": Odd({"fields_one.py": b"x = 1\n"}, extra=b"UT\x05\x00\x01\x00\x00\x00\x5e"),
    "local_version": Odd({"local_one.py": b""}, version="2.0+cpu.1"),
    "build_tag": Odd({"build_one.py": b""}, build="-7custom"),
    "Odd_Name": Odd({"odd_name_one.py": b""}),
}
"""By project name, as the wheel has it."""

if os.name == "nt":
    # Windows has no such names, and a wheel with one is refused.
    for each in ("names_commas", "names_specials"):
        del KINDS[each]
