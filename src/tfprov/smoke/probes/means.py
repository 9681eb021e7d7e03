"""No leg: what an environment has to cure itself with. Asked after a failed smoke test."""

import glob
import os
import re
import sys

from tfprov_probe import load

# What TensorFlow opens by name, and what those libraries open in turn.
OPENED = re.compile(
    r"^lib(cudart|cublas|cublasLt|cudnn|cufft|curand|cusolver|cusparse|nccl|cupti|nvrtc|nvJitLink)\.so\.[\d.]+$"
)


def run(probe):
    """Libraries, folders that stand in their way, and toolkits of CUDA, as facts."""
    root = package_root()
    own = own_libraries(root)
    crowded = crowding(own)
    also = {name for name in own if any(os.path.exists(os.path.join(folder, name)) for folder in crowded)}
    order = in_order(own, {name for name in own if OPENED.match(name)} | also)
    probe.facts(
        libraries=[os.path.relpath(own[name], root) for name in order], crowding=crowded, toolkits=toolkits(root)
    )


def package_root():
    """The folder of the packages that TensorFlow lies in, else the first one."""
    entries = [entry for entry in sys.path if os.path.basename(entry) == "site-packages"]
    with_tensorflow = [entry for entry in entries if os.path.isdir(os.path.join(entry, "tensorflow"))]
    return (with_tensorflow or entries or [sys.prefix])[0]


def own_libraries(root):
    """Paths of the CUDA libraries among the environment's packages, by file name."""
    found = sorted(glob.glob(os.path.join(glob.escape(root), "nvidia", "*", "lib", "lib*.so*")))
    return {os.path.basename(path): path for path in reversed(found)}


def crowding(own):
    """Folders on LD_LIBRARY_PATH that have a library of the same name, and are not the environment's."""
    homes = {os.path.realpath(os.path.dirname(path)) for path in own.values()}
    found = []
    for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":"):
        foreign = folder and folder not in found and os.path.realpath(folder) not in homes
        if foreign and any(os.path.exists(os.path.join(folder, name)) for name in own):
            found.append(folder)
    return found


def in_order(own, wanted):
    """The wanted names and what they need of the own ones, each behind those that it needs."""
    read_elf = load("linkage").read_elf
    done = []
    seen = set()

    def visit(name):
        if name in seen:
            return
        seen.add(name)
        try:
            needed = read_elf(own[name])["needed"]
        except (OSError, ValueError, LookupError, ArithmeticError):
            # No library: it will not be loaded either, and why is for the legs to say.
            return
        for other in needed:
            if other in own:
                visit(other)
        done.append(name)

    for name in sorted(wanted):
        visit(name)
    return done


def toolkits(root):
    """Folders with both ptxas and libdevice: those of the packages relative to them, then those of the machine."""
    own = sorted(glob.glob(os.path.join(glob.escape(root), "nvidia", "*")))
    named = [os.environ[name] for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    usual = ["/usr/local/cuda", *sorted(glob.glob("/usr/local/cuda-*"), reverse=True)]
    return [os.path.relpath(one, root) for one in own if is_toolkit(one)] + [
        one for one in dict.fromkeys(named + usual) if is_toolkit(one)
    ]


def is_toolkit(folder):
    """Whether XLA finds there what it calls."""
    return os.access(os.path.join(folder, "bin", "ptxas"), os.X_OK) and os.path.isfile(
        os.path.join(folder, "nvvm", "libdevice", "libdevice.10.bc")
    )
