"""Runs at every start of an environment's interpreter and binds the process to the generation that is active now.

`tfprov.envs.following` copies this file into the environment, beside the start-up files that call `begin`. It imports
nothing of tfprov and runs on Python 3.6 and newer.

A process that is started through the stable path would find its packages through that path, and after an update its
later imports would come from another generation. So `sys.path` and `sys.prefix` are rewritten to name the generation
that the stable path leads to at this moment. `sys.executable` becomes the stable path, because programs write it down
for later (kernels, services, first lines of scripts); workers of `multiprocessing` use their parent's generation.
"""

import os
import sys
import time

_TRIES = 6 if os.name == "nt" else 1
_PAUSE_SECONDS = 0.05
_HELD_AS = 100
"""File descriptor that marks a generation as in use: a high number, since programs count on low ones."""

_kept = []

bound = []
"""The folder of the generation, as the only element; empty until `begin` has run."""


def begin():
    """Bind this process to its generation. Runs last of the start-up files, so that it sees the `sys.path` they made.

    `site` processes the folder of a virtual environment twice, the second time under the name that was set here.
    """
    if bound:
        sys.path[:] = sorted(set(sys.path), key=sys.path.index)
        return
    try:
        started = sys.prefix
        folder = os.path.realpath(started)
        if _root_of(os.path.realpath(__file__)) != folder:
            return  # The interpreter of another environment that has this folder on its path.
        home = _led_to(folder)
        bound.append(home)
        _hold(home)
        _show_libraries(home)
        if home != folder:
            _go_on(started, home)
        elif sys.flags.isolated:
            # uv and editors use `-I` to ask an interpreter what it is, and cache the answer under the path they asked.
            return
        if os.path.basename(started) == os.path.basename(home):
            stable = os.path.join(os.path.dirname(os.path.dirname(started)), "current")
        else:
            _move(started, home)
            stable = started
        _name_executable(stable, home)
    except OSError:
        return


def _root_of(file):
    """The environment's folder, from the path of a file in its site-packages."""
    for _ in range(3 if os.name == "nt" else 4):
        file = os.path.dirname(file)
    return file


def _setting(folder, name):
    """The value of a key in the `pyvenv.cfg` of a folder; empty where the key or the file is missing."""
    for left in reversed(range(_TRIES)):
        try:
            with open(os.path.join(folder, "pyvenv.cfg"), encoding="utf-8", errors="surrogateescape") as stream:
                pairs = [line.partition("=") for line in stream]
            break
        except PermissionError:
            # On Windows, a file that is just being replaced cannot be opened.
            if not left:
                return ""
            time.sleep(_PAUSE_SECONDS)
        except OSError:
            return ""
    return next((value.strip() for key, _, value in pairs if key.strip() == name), "")


def _led_to(folder):
    """The generation that a folder leads to: the folder itself, unless it is a Windows front (`tfprov.envs.fronts`)."""
    for _ in range(3):
        further = _setting(folder, "tfprov-leads-to")
        if not further:
            break
        folder = os.path.join(folder if os.path.isabs(further) else os.path.dirname(folder), further)
    return os.path.realpath(folder)


def _go_on(started, home):
    """Process the start-up files of the generation that a front leads to.

    If that generation has another Python, because the front was switched while this process started, run the
    generation's own interpreter instead and exit with its status.
    """
    import site

    if _setting(home, "home") != _setting(started, "home") and hasattr(sys, "orig_argv"):
        import subprocess

        program = os.path.join(
            home, os.path.basename(os.path.dirname(sys.executable)), os.path.basename(sys.executable)
        )
        os._exit(subprocess.call([program, *sys.orig_argv[1:]]))
    site.addsitedir(os.path.join(home, "Lib", "site-packages"))


def _show_libraries(home):
    """Let the libraries of Visual C++ be found that a package brought.

    Windows looks for them beside the interpreter, and for one of a virtual environment that is beside the one which
    the environment was made from.
    """
    folder = os.path.join(home, "Scripts")
    add = getattr(os, "add_dll_directory", None)  # Windows, Python 3.8 and newer
    if add is not None and os.path.exists(os.path.join(folder, "msvcp140.dll")):
        _kept.append(add(folder))


def start():
    """Entry point of a front's launchers for native programs: run the program of the same name in the generation."""
    import subprocess

    folder, name = os.path.split(sys.argv[0])
    name = name if name.lower().endswith(".exe") else name + ".exe"
    child = subprocess.Popen([os.path.join(bound[0], os.path.basename(folder), name), *sys.argv[1:]])
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue  # The child was interrupted as well, and decides what happens.


def _hold(home):
    """Keep the generation's folder open until the process ends, so that tfprov sees the generation is in use."""
    if os.name == "nt":
        # Folders cannot be opened on Windows. While this file is open, the folder can be neither renamed nor deleted.
        _kept.append(open(os.path.join(home, "pyvenv.cfg"), "rb"))  # noqa: SIM115 - open as long as the process
        return
    handle = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    for number in range(_HELD_AS, _HELD_AS + 50):
        try:
            os.fstat(number)
        except OSError:
            try:
                os.dup2(handle, number, inheritable=False)
            except OSError:
                return  # The limit on open files is lower; the low number marks the generation as well.
            break
    os.close(handle)


def _move(started, home):
    """Rewrite paths in `sys` and `site` below the folder the process was started from, to name the generation."""
    sys.path[:] = [_moved(path, started, home) for path in sys.path]
    for name in ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix", "_stdlib_dir"):
        if hasattr(sys, name):
            setattr(sys, name, _moved(getattr(sys, name), started, home))
    for module in list(sys.modules.values()):
        path = getattr(module, "__path__", None)
        if isinstance(path, list):
            path[:] = [_moved(each, started, home) for each in path]
    site = sys.modules.get("site")
    if site is not None:
        site.PREFIXES[:] = [_moved(path, started, home) for path in site.PREFIXES]


def _moved(path, started, home):
    inside = isinstance(path, str) and (path + os.sep).startswith(started + os.sep)
    return home + path[len(started) :] if inside else path


def _name_executable(stable, home):
    """Set `sys.executable` to the stable path if that leads here; workers start in the generation itself."""
    folder, name = os.path.split(sys.executable or "")
    if _led_to(os.path.realpath(os.path.dirname(folder))) != home:
        return  # Python is embedded in another program.
    if _led_to(os.path.realpath(stable)) == home:
        sys.executable = os.path.join(stable, os.path.basename(folder), name)
        if os.name != "nt":  # On Windows a worker must be a direct child, and python.exe starts another process.
            sys.meta_path.insert(0, _Workers(os.path.join(home, os.path.basename(folder), name)))


class _Workers:
    """An import hook that finds nothing itself: it waits for `multiprocessing`, which starts `sys.executable`."""

    def __init__(self, executable):
        self.executable = executable

    def find_spec(self, name, path=None, target=None):
        """The spec of `multiprocessing.spawn`, patched to start workers by our executable; None for other modules."""
        if name != "multiprocessing.spawn":
            return None
        from importlib.machinery import PathFinder

        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                module.set_executable(self.executable)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # of this one loader
        return spec
