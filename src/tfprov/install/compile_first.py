"""Compiles the modules of an import, from wheels that are being installed at the same time.

Started by the environment's Python as `python -I -W ignore compile_first.py REQUEST.json`. Like the probes of the smoke
test it imports only the standard library and runs on Python 3.6 and newer. Beginning with the modules in the request,
it follows the imports at the left margin of each module. Modules that it does not find are compiled when they are
imported, as usual.

A file gets bytecode only when its bytes are those that were compiled: who can exchange a wheel between two looks at it
must not have code of his own beside the source that was verified.

It ends when the file `installed` or `stop` appears, or when its parent process is gone. When `installed` appears it
writes the bytecode beside the sources, as Python itself would, and prints the number of files.
"""

import gc
import hashlib
import importlib.util
import json
import marshal
import os
import re
import struct
import sys
import sysconfig
import time
import zipfile

_IMPORT = re.compile(
    rb"^(?:try:\s+)?(?:from[ \t]+(?P<dots>\.*)(?P<module>[\w.]*)[ \t]+import[ \t]+"
    rb"(?:\((?P<many>[^)]*)\)|(?P<names>[^\n\\#(]*))"
    rb"|import[ \t]+(?P<plain>[^\n#]*))",
    re.MULTILINE,
)
_NAME = re.compile(rb"(\w+)(?:[ \t]+as[ \t]+\w+)?")
_COMMENT = re.compile(rb"#[^\n]*")
# Python 3.7 put a word in here, which says whether a time or a hash follows (PEP 552).
_FLAGS = bytes(4) if sys.version_info >= (3, 7) else b""


class Modules:
    """The modules in some wheels, by their dotted name."""

    def __init__(self, wheels):
        self.places = {}
        for path in wheels:
            archive = zipfile.ZipFile(path)
            for member in archive.namelist():
                if member.endswith(".py") and ".data/" not in member:
                    parts = member[:-3].split("/")
                    if not all(part.strip(".") for part in parts):
                        continue  # it leads out of the folder
                    if parts[-1] == "__init__":
                        parts.pop()
                    self.places[".".join(parts)] = (archive, member)

    def needed(self, name, source, is_package):
        """Names that the imports at the left margin of a module may load."""
        package = name.split(".") if is_package else name.split(".")[:-1]
        for found in _IMPORT.finditer(source):
            if found["plain"] is not None:
                for part in found["plain"].split(b","):
                    words = part.split()
                    if words:
                        yield words[0].decode("ascii", "replace")
                continue
            base = package[: len(package) - len(found["dots"]) + 1] if found["dots"] else []
            module = found["module"].decode("ascii", "replace")
            whole = ".".join([*base, *([module] if module else [])])
            yield whole
            names = _COMMENT.sub(b"", found["many"]) if found["many"] is not None else found["names"]
            for one in _NAME.finditer(names or b""):
                yield whole + "." + one[1].decode("ascii", "replace")


def order(modules, roots):
    """Names and sources of the modules in the order of import."""
    waiting = list(reversed(roots))
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        # Python imports the packages around a module first.
        parent = name.rpartition(".")[0]
        if parent and parent not in seen:
            waiting += [name, parent]
            seen.discard(name)
            continue
        if name not in modules.places:
            continue
        archive, member = modules.places[name]
        source = archive.read(member)
        yield member, source
        waiting.extend(reversed(list(modules.needed(name, source, member.endswith("/__init__.py")))))


def compiled(modules, roots, library, over):
    """Name, hash of the source and bytecode of each module, until `over` returns True."""
    for member, source in order(modules, roots):
        if over():
            return
        try:
            code = compile(source, library + "/" + member, "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            # Written for another release of Python, and not imported on this one.
            continue
        yield member, hashlib.sha256(source).digest(), marshal.dumps(code)


def place(library, found):
    """Write the bytecode beside the sources that it was made from; returns the number of files."""
    count = 0
    made = set()
    for member, digest, code in found:
        path = library + "/" + member
        try:
            with open(path, "rb") as stream:
                source = os.fstat(stream.fileno())
                if hashlib.sha256(stream.read()).digest() != digest:
                    continue
            target = importlib.util.cache_from_source(path)
            folder = os.path.dirname(target)
            if folder not in made:
                os.makedirs(folder, exist_ok=True)
                made.add(folder)
            header = importlib.util.MAGIC_NUMBER + _FLAGS
            header += struct.pack("<II", int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF)
            with open(target, "xb") as out:
                out.write(header + code)
        except OSError:
            # Installed elsewhere or not at all. A full disk is reported by the next step that needs it.
            continue
        count += 1
    return count


def main():
    """Compile, wait for the installer, write the bytecode."""
    with open(sys.argv[1], encoding="utf-8") as stream:
        request = json.load(stream)
    gc.disable()
    starter = os.getppid()
    library = sysconfig.get_path("platlib")

    def over():
        return os.path.exists(request["installed"]) or os.path.exists(request["stop"]) or os.getppid() != starter

    found = list(compiled(Modules(request["wheels"]), request["roots"], library, over))
    while not over():
        time.sleep(0.01)
    if os.path.exists(request["installed"]):
        print(place(library, found))


if __name__ == "__main__":
    main()
