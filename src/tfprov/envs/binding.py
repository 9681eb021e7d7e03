"""What an environment does at every start of its interpreter: the process stays with the generation that it began in.

`tfprov.envs.following` copies this file into an environment, beside files that have it call `begin`. It imports
nothing of tfprov and runs on Python 3.6 and newer.

A process that is started through the stable path would find its packages through it, and after an update the modules
that it imports later would be those of another generation. So the paths of the packages, and `sys.prefix`, are made
those of the generation that the stable path leads to at this moment. `sys.executable` is the stable path, because it is
what programs write down for later (kernels, services, first lines of scripts); the workers that `multiprocessing`
starts get what their parent has.
"""

import os
import sys

_HELD_AS = 100
"""Number of the open file that shows who uses a generation: high, since programs count on low ones."""

_kept = []

bound = []
"""The folder of the generation; nothing before `begin`."""


def begin():
    """Called at each start, after all the others, whose entries of `sys.path` are seen so.

    `site` reads the folder of a virtual environment twice, and the second time by the name that it got here.
    """
    if bound:
        sys.path[:] = sorted(set(sys.path), key=sys.path.index)
        return
    try:
        started = sys.prefix
        folder = os.path.realpath(started)
        if _root_of(os.path.realpath(__file__)) != folder:
            return  # Another Python that reads this folder.
        home = _led_to(folder)
        bound.append(home)
        _hold(home)
        if home != folder:
            _go_on(started, home)
        elif sys.flags.isolated:
            # uv and editors ask an interpreter so what it is, and keep the answer for the path that they asked.
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
    """The environment's folder, from a file among its packages."""
    for _ in range(3 if os.name == "nt" else 4):
        file = os.path.dirname(file)
    return file


def _setting(folder, name):
    """A line of the settings of an environment; nothing where it has none."""
    try:
        with open(os.path.join(folder, "pyvenv.cfg"), encoding="utf-8", errors="surrogateescape") as stream:
            pairs = [line.partition("=") for line in stream]
    except OSError:
        return ""
    return next((value.strip() for key, _, value in pairs if key.strip() == name), "")


def _led_to(folder):
    """The generation that a folder leads to: itself, unless it is a front of Windows; see `tfprov.envs.fronts`."""
    for _ in range(3):
        further = _setting(folder, "tfprov-leads-to")
        if not further:
            break
        folder = os.path.join(folder if os.path.isabs(further) else os.path.dirname(folder), further)
    return os.path.realpath(folder)


def _go_on(started, home):
    """Read what an interpreter reads at its start, from the generation that a front leads to.

    Where that is of another Python, because it was switched while this one began, its own interpreter goes on.
    """
    import site

    if _setting(home, "home") != _setting(started, "home") and hasattr(sys, "orig_argv"):
        import subprocess

        program = os.path.join(
            home, os.path.basename(os.path.dirname(sys.executable)), os.path.basename(sys.executable)
        )
        os._exit(subprocess.call([program, *sys.orig_argv[1:]]))
    site.addsitedir(os.path.join(home, "Lib", "site-packages"))


def start():
    """What a command of a front does that is a program of its own: start that program of the generation."""
    import subprocess

    folder, name = os.path.split(sys.argv[0])
    name = name if name.lower().endswith(".exe") else name + ".exe"
    child = subprocess.Popen([os.path.join(bound[0], os.path.basename(folder), name), *sys.argv[1:]])
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue  # It was told as well, and decides.


def _hold(home):
    """Keep the folder open until the process ends: who deletes generations sees that this one is in use."""
    if os.name == "nt":
        # A folder cannot be opened there. With this file open it can be neither renamed nor deleted.
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
                return  # No more than so many files are allowed; the low number does, too.
            break
    os.close(handle)


def _move(started, home):
    """Let everything that names the folder by which the process was started name the generation."""
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
    """Name the interpreter by the stable path while that leads here, and let workers be started in the generation."""
    folder, name = os.path.split(sys.executable or "")
    if _led_to(os.path.realpath(os.path.dirname(folder))) != home:
        return  # Python is embedded in another program.
    if _led_to(os.path.realpath(stable)) == home:
        sys.executable = os.path.join(stable, os.path.basename(folder), name)
        if os.name != "nt":  # There a worker must be a child of ours, and python.exe starts another one.
            sys.meta_path.insert(0, _Workers(os.path.join(home, os.path.basename(folder), name)))


class _Workers:
    """A finder that finds nothing by itself; it sees `multiprocessing` come, which starts what `sys.executable` is."""

    def __init__(self, executable):
        self.executable = executable

    def find_spec(self, name, path=None, target=None):
        """The module that starts workers, which is told by which interpreter; None for every other."""
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
