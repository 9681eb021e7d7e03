"""Compiles the modules of an import from wheels that are downloaded and unpacked at the same time.

Started as `python -I -W ignore compile_first.py REQUEST.json` by the environment's Python, or by the one that a virtual
environment is being made from. Like the probes of the smoke test it imports only the standard library and runs on
Python 3.6 and newer. Starting from the modules in the request, it follows the unindented imports of each module that
has landed, and of the others when they land. What has landed is in a file that grows by one line of JSON per batch,
with a folder and paths in it. Modules that it does not find are compiled when they are imported, as usual.

Bytecode is written only for files with exactly the bytes that were compiled. A file that has landed may belong to a
wheel whose hash turns out to be wrong, and whoever can exchange a file between two reads must not get his own code
beside the verified source.

When the file `installed` appears it writes the bytecode beside the sources, as Python itself would, and goes on with
what is left, while the smoke test imports what is there. It ends when nothing is left or the file `stop` appears, and
prints the number of files that it wrote; or when its parent process is gone.
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

# Beginning with a line end, which the pattern matcher looks for three times as fast as for the beginning of a line.
_IMPORT = re.compile(
    rb"\n(?:try:\s+)?(?:from[ \t]+(?P<dots>\.*)(?P<module>[\w.]*)[ \t]+import[ \t]+"
    rb"(?:\((?P<many>[^)]*)\)|(?P<names>[^\n\\#(]*))"
    rb"|import[ \t]+(?P<plain>[^\n#]*))"
)
_POLL_SECONDS = 0.02
# Files that land are not verified yet, and must not fill the memory. No module of TensorFlow 2.21 exceeds 0.7 MB.
_BIGGEST = 2 * 1024 * 1024
_MOST = 256 * 1024 * 1024
_NAME = re.compile(rb"(\w+)(?:[ \t]+as[ \t]+\w+)?")
_COMMENT = re.compile(rb"#[^\n]*")
# Python 3.7 added a word here, which says whether a time or a hash follows (PEP 552).
_FLAGS = bytes(4) if sys.version_info >= (3, 7) else b""


class Modules:
    """The modules that have landed so far, by dotted name."""

    def __init__(self, landed):
        self.places = {}
        self._landed = landed
        self._begun = b""
        self._room = _MOST

    def look(self):
        """Names of the modules that have landed since the last call, or have landed again elsewhere."""
        *lines, self._begun = (self._begun + self._landed.read()).split(b"\n")
        found = []
        for line in lines:
            root, paths = json.loads(line.decode())
            for path in paths:
                parts = path[:-3].split("/")
                if ".data/" in path or not all(part.strip(".") for part in parts):
                    continue  # installed elsewhere, or outside the folder
                if parts[-1] == "__init__":
                    parts.pop()
                name = ".".join(parts)
                self.places[name] = (root, path)
                found.append(name)
        return found

    def source(self, name):
        """Path and source of a module; None if it has not landed or is too big."""
        if name not in self.places:
            return None
        root, path = self.places[name]
        try:
            with open(root + "/" + path, "rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                if size > min(_BIGGEST, self._room):
                    return None
                self._room -= size
                return path, stream.read(size)
        except OSError:
            # The folder is renamed once the whole wheel is there, and its files are reported again.
            return None

    def needed(self, name, source, is_package):
        """Names of modules that a module's unindented imports may load."""
        package = name.split(".") if is_package else name.split(".")[:-1]
        for found in _IMPORT.finditer(b"\n" + source):
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


def order(modules, roots, installed, over):
    """Paths and sources of the modules in import order, as far as they have landed.

    Args:
        modules: the `Modules` that have landed.
        roots: names of the modules that are imported first.
        installed: returns True once no more of them land.
        over: returns True when to stop.
    """
    waiting = list(reversed(roots))
    seen = set()
    missing = set()
    while True:
        if not waiting:
            complete = installed()
            if over():
                return
            waiting = [name for name in reversed(modules.look()) if name in missing]
            missing.difference_update(waiting)
            seen.difference_update(waiting)
            if not waiting:
                if complete:
                    return
                time.sleep(_POLL_SECONDS)
            continue
        name = waiting.pop()
        if name in seen:
            continue
        # Python imports the parent packages of a module first.
        parent = name.rpartition(".")[0]
        if parent and parent not in seen:
            waiting += [name, parent]
            continue
        seen.add(name)
        found = modules.source(name)
        if found is None:
            missing.add(name)
            continue
        if over():
            return
        yield found
        path, source = found
        waiting.extend(reversed(list(modules.needed(name, source, path.endswith("/__init__.py")))))


def compiled(modules, roots, library, installed, over):
    """Path, SHA-256 of the source, and bytecode of each module; arguments as for `order`.

    `library` is the site-packages of the environment. What an import has compiled there already is left out.
    """
    for path, source in order(modules, roots, installed, over):
        if installed() and os.path.exists(importlib.util.cache_from_source(library + "/" + path)):
            continue  # the import was faster
        try:
            code = compile(source, library + "/" + path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
            # Source for another Python version, which is not imported on this one, or a malicious file.
            continue
        yield path, hashlib.sha256(source).digest(), marshal.dumps(code)


def place(library, found):
    """Write the bytecode beside the sources that it was compiled from; returns the number of files."""
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
            if os.path.exists(target):
                continue
            # In one step: the import may just look for it.
            temporary = target + "." + str(os.getpid())
            with open(temporary, "wb") as out:
                out.write(header + code)
            os.replace(temporary, target)
        except OSError:
            # Installed elsewhere or not at all. A full disk is reported by the next step that writes.
            continue
        count += 1
    return count


def library_of(environment):
    """Where packages lie in a virtual environment of this Python; None is where this Python itself has them."""
    if environment is None:
        return sysconfig.get_path("platlib")
    names = sysconfig.get_scheme_names()
    scheme = "venv" if "venv" in names else "nt" if os.name == "nt" else "posix_prefix"
    return sysconfig.get_path("platlib", scheme, {"base": environment, "platbase": environment})


def main():
    """Compile, and write the bytecode as soon as everything is installed."""
    with open(sys.argv[1], encoding="utf-8") as stream:
        request = json.load(stream)
    gc.disable()
    # Windows ends it together with its starter, and takes a snapshot of the process at each call.
    is_left = (lambda: os.getppid() != request["starter"]) if os.name == "posix" else bool
    library = library_of(request["environment"])

    def installed():
        return os.path.exists(request["installed"])

    def over():
        return os.path.exists(request["stop"]) or is_left()

    count, kept = 0, []
    with open(request["landed"], "rb") as landed:
        for found in compiled(Modules(landed), request["roots"], library, installed, over):
            kept.append(found)
            if installed():
                count += place(library, kept)
                kept = []
    if installed():
        count += place(library, kept)
    print(count)


if __name__ == "__main__":
    main()
