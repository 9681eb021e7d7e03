"""Runs at every start of a cured environment's interpreter, and applies its cures when TensorFlow is imported.

`tfprov.envs.cures` copies this file into an environment as `_tfprov_cures.py`, with a function `start` appended that
passes the cures to `begin`, beside start-up files that have Python call it. It imports nothing of tfprov and runs on
Python 3.6 and newer.

Until TensorFlow is imported, no library is loaded and no variable is changed: a program that does not use TensorFlow
pays for one small module. LD_LIBRARY_PATH cannot be changed here, because the loader reads it once, when the process
starts. Instead the right libraries are opened by path first: the loader does not search again for a name that is
loaded, neither in LD_LIBRARY_PATH nor anywhere else. Restarting the process with another LD_LIBRARY_PATH would work as
well, but it breaks programs that embed an interpreter, and passes the CUDA libraries on to every child process.
"""

import os
import sys

active = []
"""The import hook that `begin` has set up; at most one."""


class Cures:
    """An import hook that sees every import before other finders do, and applies cures on the way.

    Attributes:
        root: the site-packages folder; relative paths start from it.
        libraries: shared libraries to open before TensorFlow does, each after those that it needs.
        xla: flags to add to XLA_FLAGS, as pairs of name and path.
        modules: top-level modules that are always imported from `root`.
        told: descriptions of the cures, one line each.
        opened: libraries that could be opened.
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
        """The environment's own module for a protected name, else None; for TensorFlow, calls `prepare` first."""
        if name == "tensorflow" and not self._prepared:
            self._prepared = True
            self.prepare()
        if path is None and name in self.modules:
            from importlib.machinery import PathFinder

            return PathFinder.find_spec(name, [self.root])
        return None

    def prepare(self):
        """Open the libraries, and add those XLA flags that the user has not set."""
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
                    # Not RTLD_GLOBAL: the loader matches library names in either case, and in the global scope symbols
                    # of CUDA would reach into every other extension module.
                    ctypes.CDLL(place)
                except OSError:
                    # A library that needs the driver, for instance. TensorFlow itself reports what it lacks.
                    continue
                self.opened.append(place)


def begin(libraries=(), xla=(), modules=(), told=()):
    """Set up the cures. Called at each start; a second call, from a folder reachable by two paths, does nothing."""
    if not active:
        active.append(Cures(os.path.dirname(os.path.abspath(__file__)), libraries, xla, modules, told))
        sys.meta_path.insert(0, active[0])
