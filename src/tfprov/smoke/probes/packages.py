"""Whether the packages that were asked for can be imported, and their commands started: a leg each, in one process.

A module that takes the process down, or never comes back, costs its own leg: the next process goes on behind it.
"""

import gc
import importlib
import os
import re
import sys

from tfprov_probe import ENVIRONMENT, Failed, Skipped, load

# Folders that projects install beside their package by mistake; nobody imports them by that name.
_BYCATCH = {
    "test",
    "tests",
    "testing",
    "doc",
    "docs",
    "example",
    "examples",
    "script",
    "scripts",
    "tools",
    "benchmarks",
}
# Projects of whose metadata it shows that a package is used beside TensorFlow, also where only an extra asks for them.
_OF_TENSORFLOW = re.compile(r"(tensorflow|keras|tf[-_.])", re.IGNORECASE)
# Modules that connect to the display when they are imported. Tried on Linux without one: each raises then.
_OF_A_DISPLAY = {"mouseinfo", "pyautogui", "pynput", "pystray"}
_NO_WINDOWS = {
    "MPLBACKEND": "Agg",
    "QT_QPA_PLATFORM": "offscreen",
    "SDL_VIDEODRIVER": "dummy",
    "SDL_AUDIODRIVER": "dummy",
}


def run(probe):
    """A leg `package NAME` for each distribution that the request names, or for every one that is there."""
    os.environ.update(_NO_WINDOWS)
    core = load("core")
    found = {plain(one.name): one for one in core.distributions()}
    asked = probe.request["packages"]
    if probe.request["all_packages"]:
        asked = asked + [[name, True] for name in sorted(found) if name not in {plain(each) for each, _ in asked}]
    skipped = {plain(name) for name in probe.request["skip_imports"]}
    # Read before anything is imported: a module may use up what a file is opened with, and then no list has a module.
    every = {key: modules_of(one) for key, one in found.items() if key in {plain(name) for name, _ in asked}}
    gc.disable()
    for name, may_lack in asked:
        leg, key = "package " + name, plain(name)
        probe.leg(ENVIRONMENT, leg, imports, found.get(key), every.get(key), skipped, may_lack, probe.arm)


def imports(one, every, skipped, may_lack, arm=lambda: None):
    """Each of the top-level modules of a distribution can be imported, and each of its commands could start."""
    if one is None:
        if may_lack:
            raise Skipped("it is not meant for this system or Python, or left out for another package with its modules")
        raise Failed("import-failed", "it is not installed")
    modules = [name for name in every if not skipped.intersection((plain(name), plain(one.name)))]
    if not modules:
        if every:
            raise Skipped("left out by `smoke.skip-imports`")
        listed = any(True for _ in one.files())
        raise Skipped("it has no module to import" if listed else "nothing says which modules it has: no RECORD")
    if not has_display() and _OF_A_DISPLAY.intersection(modules):
        raise Skipped("it connects to a display when it is imported, and there is none here")
    own = os.getpid()
    if speaks_of_tensorflow(one):
        # Those who use it have imported that before, and some packages do more when they find it.
        importlib.import_module("tensorflow")
        # The limit is meant for the package.
        arm()
    for name in modules:
        importlib.import_module(name)
        if os.getpid() != own:
            # The module forked and let its child return: that one must not go on with the legs of its parent.
            os._exit(0)
    own_modules = {name.partition(".")[0] for name in every}
    started = [start(name, target, own_modules) for name, target in commands_of(one) if plain(name) not in skipped]
    commands = "; commands: {}".format(", ".join(started)) if started else ""
    return "{} {}: {}{}".format(one.name, one.version, ", ".join(modules), commands)


def speaks_of_tensorflow(one):
    """Whether a distribution is one of those that stand beside TensorFlow, by its name or by what it may ask for."""
    return any(map(_OF_TENSORFLOW.match, [one.name, *one.requires()]))


def has_display():
    """Whether a program that is started here could open a window."""
    return not sys.platform.startswith("linux") or bool({"DISPLAY", "WAYLAND_DISPLAY"}.intersection(os.environ))


def start(name, target, own_modules):
    """Load what a command would call, and call nothing; what is to be told of it.

    A command may need a package that no metadata asks for: that is told, and is no fault of the environment. Some say
    so by a name that was only to be imported where that package is.
    """
    module, _, attributes = target.partition(":")
    try:
        found = importlib.import_module(module)
        for attribute in attributes.split(".") if attributes else ():
            found = getattr(found, attribute)
    except Exception as error:
        lacking = lacks(error, own_modules)
        if lacking is not None:
            return f"{name} (cannot start {lacking})"
        told = f"{type(error).__name__}: {error}"
        # What was raised first says what it is; its code is that of the leg.
        raise ImportError(f"its command `{name}` cannot start: {told}") from error
    return name


def lacks(error, own_modules):
    """Which optional package is missing, if that is why an import failed; None where it failed over what is there."""
    while error is not None:
        lacking = (getattr(error, "name", None) or "").partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and lacking and lacking not in own_modules:
            return f"without `{lacking}`, which is not installed"
        if isinstance(error, NameError):
            return f"as {error}: it may come with a package that is not installed"
        error = error.__cause__
    return None


def commands_of(one):
    """The commands of a distribution as pairs of name and `module:function`; not those that need an extra."""
    found, section = [], ""
    try:
        with open(os.path.join(one.root, one.folder, "entry_points.txt"), encoding="utf-8") as stream:
            for line in map(str.strip, stream):
                if line.startswith("["):
                    section = line[1:-1].strip()
                elif section == "console_scripts" and "=" in line and "[" not in line and line[:1] not in "#;":
                    name, _, target = line.partition("=")
                    found.append((name.strip(), target.strip()))
    except (OSError, ValueError):
        return []
    return sorted(found)


def modules_of(one):
    """The modules that stand for a distribution, sorted: its top-level ones; below a namespace what it has there."""
    paths = [path.replace("\\", "/") for path, _, _ in one.files() if path.endswith((".py", ".so", ".pyd"))]
    packages = {path.rpartition("/")[0] for path in paths if path.rpartition("/")[2].startswith("__init__.")}
    found = {path.partition(".")[0] for path in paths if "/" not in path}
    for folder in packages:
        parts = folder.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts))]
        # Below a package lie its own parts, and templates that only look like modules.
        if not packages.intersection(above):
            found.add(".".join(parts))
    names = {name for name in found if all(part.isidentifier() for part in name.split(".")) and name[0] != "_"}
    if not names:
        # An editable project has its modules elsewhere, and some installers keep no RECORD.
        names = set(one.top_level())
    if not names and not paths:
        own = one.name.replace("-", "_")
        place = os.path.join(one.root, own)
        if os.path.isfile(os.path.join(place, "__init__.py")) or os.path.isfile(place + ".py"):
            names = {own}
    return sorted({name for name in names if not is_bycatch(name)} or names)


def is_bycatch(name):
    """Whether a module only got among the others because whoever built the distribution did not leave it out."""
    parts = name.split(".")
    return parts[0] in _BYCATCH or parts[-1] in ("test", "tests") or "src" in parts


def plain(name):
    """A name of a project as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()
