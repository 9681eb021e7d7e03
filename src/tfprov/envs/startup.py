"""What a cured environment does at every start of its interpreter, just before TensorFlow is imported.

`tfprov.envs.cures` copies this file into an environment as `_tfprov_cures.py`, with a function `start` at its end that
calls `begin` with what is to be done, beside files that have Python call it. It imports nothing of tfprov and runs on
Python 3.6 and newer.

Until TensorFlow is imported, nothing is loaded and no variable is touched: a program that does not use TensorFlow pays
for one small module. LD_LIBRARY_PATH cannot be changed here, because the loader reads it once, when the process begins.
What can be done is to open the right libraries by their path first: a name that was loaded already is not searched for
again, neither in LD_LIBRARY_PATH nor anywhere else. Starting the process anew with another LD_LIBRARY_PATH would work,
too; but that breaks whoever embeds an interpreter, and hands the CUDA libraries to every child process.
"""

import os
import sys

active = []
"""What `begin` set up; at most one."""


class Cures:
    """A finder of modules that finds nothing by itself, and so sees every import before the others do.

    Attributes:
        root: folder of the packages; relative paths are relative to it.
        libraries: shared libraries to open before TensorFlow does, each behind those that it needs.
        xla: variable XLA_FLAGS gets these flags, as pairs of name and path.
        modules: top-level modules that are always taken from `root`.
        told: what was cured, a line each.
        opened: the libraries that could be opened.
    """

    def __init__(self, root, libraries, xla, modules, told):
        self.root = root
        self.libraries = libraries
        self.xla = xla
        self.modules = frozenset(modules)
        self.told = told
        self.opened = []
        self._prepared = False

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002 - the protocol
        """The environment's own module for a protected name, else None; TensorFlow is prepared for on the way."""
        if name == "tensorflow" and not self._prepared:
            self._prepared = True
            self.prepare()
        if path is None and name in self.modules:
            from importlib.machinery import PathFinder

            return PathFinder.find_spec(name, [self.root])
        return None

    def prepare(self):
        """Open the libraries, and set the flags that the user did not set."""
        flags = os.environ.get("XLA_FLAGS", "")
        for name, place in self.xla:
            if name not in flags:
                where = os.path.join(self.root, place)
                flags += " {}={}".format(name, "'" + where + "'" if " " in where else where)
        if flags.strip():
            os.environ["XLA_FLAGS"] = flags.strip()
        if self.libraries:
            import ctypes

            for library in self.libraries:
                place = os.path.join(self.root, library)
                try:
                    # Not RTLD_GLOBAL: names of libraries are matched in either case, and symbols of CUDA in the global
                    # scope would reach into every other extension module.
                    ctypes.CDLL(place)
                except OSError:
                    # One that needs the driver, for instance. What TensorFlow lacks then, it says itself.
                    continue
                self.opened.append(place)


def begin(libraries=(), xla=(), modules=(), told=()):
    """Called at each start; a second call, of a folder that is reachable twice, does nothing."""
    if not active:
        active.append(Cures(os.path.dirname(os.path.abspath(__file__)), libraries, xla, modules, told))
        sys.meta_path.insert(0, active[0])
