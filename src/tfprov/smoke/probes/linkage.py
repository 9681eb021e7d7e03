"""Can the GPU libraries be loaded? Answered without a GPU and without a driver, as on a machine that builds images.

TensorFlow opens the libraries of CUDA by name when it looks for GPUs. The loader searches LD_LIBRARY_PATH, then the
RUNPATH of the library that asks, then the system's folders. This follows that search for each name, opens what it
finds, and asks the same of everything that those libraries need in turn.
"""

import ctypes
import glob
import os
import re
import shlex
import struct
import subprocess
import sys

from tfprov_probe import ENVIRONMENT, Failed, Skipped, load

# What TensorFlow opens before it believes in a GPU, with the number in the name by CUDA release.
WANTED = {
    "11": {"cudart": "11.0", "cublas": "11", "cublasLt": "11", "cufft": "10", "cusolver": "11", "cusparse": "11"},
    "12": {"cudart": "12", "cublas": "12", "cublasLt": "12", "cufft": "11", "cusolver": "11", "cusparse": "12"},
    "13": {"cudart": "13", "cublas": "13", "cublasLt": "13", "cufft": "12", "cusolver": "12", "cusparse": "12"},
}
# Come with the driver, not with the wheels: a machine without a GPU does not have them.
OF_THE_DRIVER = re.compile(r"^lib(cuda|nvidia-ml|nvidia-ptxjitcompiler|nvcuvid)\.so")
# Need a fabric or a GPU at load, or are stand-ins; nothing that TensorFlow opens.
NOT_FOR_TENSORFLOW = re.compile(r"nvshmem_(bootstrap|transport)|libcheckpoint|stubs")

# What exactly one file in the process may provide.
AUDITED = re.compile(
    r"lib(cudart|cublas|cublasLt|cudnn\w*|cufft|curand|cusolver|cusparse|nccl|cupti|nvrtc|nvJitLink"
    r"|tensorflow_framework|tensorflow_cc)[-.][\w.-]*so|lib(cuda)\.so"
)


def run(probe):
    """The legs, for an environment that has wheels of NVIDIA, or has to prove its GPU libraries in some other way.

    A TensorFlow that uses its GPUs has found its libraries, wherever they are. Where it is for the CPU alone, they are
    of another package, as of torch, and of whatever CUDA that is built for.
    """
    present = wheels() if probe.request["accelerator"] != "cpu" else {}
    if not present and not probe.request["must_link"]:
        return
    probe.leg(ENVIRONMENT, "gpu-libraries", wanted_libraries, present)
    probe.leg(ENVIRONMENT, "gpu-closure", closure)
    probe.leg(ENVIRONMENT, "gpu-toolkit", toolkit, present)


def wheels():
    """Versions of the installed wheels of NVIDIA, by project."""
    return {one.name: one.version for one in load("core").distributions() if one.name.startswith("nvidia-")}


def libraries_of_environment():
    """Real paths of the CUDA libraries in the environment's own packages, by their name without `lib` and number."""
    found = {}
    for entry in sys.path:
        for path in glob.glob(os.path.join(glob.escape(entry), "nvidia", "*", "lib", "lib*.so*")):
            name = os.path.basename(path)[3:].partition(".so")[0]
            found.setdefault(name, set()).add(os.path.realpath(path))
    return found


def tensorflow_home():
    """Folder of the module `tensorflow`, without importing it.

    Raises:
        Failed: `tf-not-in-env`.
    """
    origin = load("core").module_origin()
    if origin is None:
        raise Failed("tf-not-in-env", "there is no module `tensorflow`")
    return os.path.dirname(os.path.realpath(origin))


def search_path():
    """Folders that the loader searches for a name that TensorFlow opens, in order."""
    folders = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    home = tensorflow_home()
    for name in ("libtensorflow_framework.so.2", "libtensorflow_framework.so.1", "libtensorflow_cc.so.2"):
        path = os.path.join(home, name)
        if os.path.exists(path):
            folders.extend(folder for folder in read_elf(path)["runpath"] if folder not in folders)
    return folders


def wanted_libraries(present):
    """Every library that TensorFlow opens by name is found, is the environment's own, and can be loaded."""
    if sys.platform != "linux":
        raise Skipped("CUDA wheels exist for Linux only")
    releases = {name.rpartition("-cu")[2] for name in present if "-cu" in name}
    release = max((one for one in releases if one in WANTED), default="12")
    cudnn = [version.partition(".")[0] for name, version in present.items() if name.startswith("nvidia-cudnn")]
    names = [f"lib{name}.so.{number}" for name, number in WANTED[release].items()]
    folders = search_path()
    names += [f"libcudnn.so.{cudnn[0]}" if cudnn else guess_cudnn(folders)]
    # A cured environment has opened its libraries by their path before TensorFlow asks for them by name. Looked up for
    # all of them before the first is opened here, which may open others.
    given = {name: already_open(name) for name in names}
    own = libraries_of_environment()
    missing = []
    foreign = []
    loaded = []
    for name in names:
        path = given[name] or next(
            (os.path.join(folder, name) for folder in folders if os.path.exists(os.path.join(folder, name))), None
        )
        try:
            ctypes.CDLL(path or name)
        except OSError as error:
            known = f"neither in LD_LIBRARY_PATH nor in the {len(folders)} folders of TensorFlow's run path"
            missing.append(f"{name}: {error if path else known}")
            continue
        mine = own.get(name[3:].partition(".so")[0], set())
        if path is not None and mine and os.path.realpath(path) not in mine:
            foreign.append((name, f"{name}: `{path}` is found before the environment's own `{min(mine)}`"))
        loaded.append(name)
    if missing:
        raise Failed("gpu-libs-missing", "\n".join(missing + [text for _, text in foreign]))
    if foreign:
        code = "cudnn-mismatch" if foreign[0][0].startswith("libcudnn") else "gpu-libs-foreign"
        listed = "\n".join(text for _, text in foreign)
        raise Failed(code, f"{listed}\nLD_LIBRARY_PATH is `{os.environ.get('LD_LIBRARY_PATH', '')}`")
    return f"loaded {', '.join(loaded)}"


class LinkMap(ctypes.Structure):
    """The beginning of `struct link_map`."""

    _fields_ = (("address", ctypes.c_void_p), ("name", ctypes.c_char_p))


def already_open(name):
    """Path of the library that the loader gives for that name without a search, because it is open; None when none is.

    The loader's own answer: a name matches an open library by its SONAME, wherever the file lies.
    """
    try:
        library = ctypes.CDLL(name, mode=os.RTLD_NOLOAD)
    except OSError:
        return None
    place = ctypes.POINTER(LinkMap)()
    linkmap = 2  # RTLD_DI_LINKMAP of dlfcn.h
    if ctypes.CDLL(None).dlinfo(ctypes.c_void_p(library._handle), linkmap, ctypes.byref(place)) != 0:
        return None
    return os.fsdecode(place.contents.name) or None


def provided(maps):
    """Real paths of the libraries of CUDA and TensorFlow among the mapped files of a process, by name.

    Args:
        maps: lines of `/proc/PID/maps`.
    """
    by_name = {}
    for line in maps:
        fields = line.split(None, 5)
        path = fields[5].strip() if len(fields) == 6 else ""
        found = AUDITED.match(os.path.basename(path))
        # WSL2 has one libcuda in /usr/lib/wsl/lib, which opens that of the driver of Windows: both are the driver's.
        if found and path.startswith("/") and not path.startswith("/usr/lib/wsl/drivers/"):
            by_name.setdefault(found.group(1) or found.group(2), set()).add(os.path.realpath(path))
    return by_name


def mismatched(by_name, build):
    """Libraries of another generation than TensorFlow was built with, as pairs of name and sentence.

    Args:
        by_name: paths by name of the library, `cudnn`.
        build: what `tf.sysconfig.get_build_info()` says; not every release says everything.
    """
    wrong = []
    for name, key in (("cudnn", "cudnn_version"), ("cudart", "cuda_version")):
        built = re.match(r"\d+", str(build.get(key) or ""))
        for path in sorted(by_name.get(name, ())):
            loaded = re.search(r"\.so\.(\d+)", os.path.basename(path))
            if built and loaded and built.group() != loaded.group(1):
                wrong.append(
                    (
                        name,
                        f"{name} {loaded.group(1)} is loaded from `{path}`, but TensorFlow was built with {build[key]}",
                    )
                )
    return wrong


def guess_cudnn(folders):
    """Name of the cuDNN on the search path; that of the oldest release still in use when there is none."""
    patterns = [os.path.join(glob.escape(folder), "libcudnn.so.?") for folder in folders]
    found = [os.path.basename(path) for pattern in patterns for path in glob.glob(pattern)]
    return found[0] if found else "libcudnn.so.9"


def closure():
    """Every library in the wheels of NVIDIA finds what it needs, and can be loaded."""
    if sys.platform != "linux":
        raise Skipped("CUDA wheels exist for Linux only")
    own = sorted(path for paths in libraries_of_environment().values() for path in paths)
    if not own:
        raise Skipped("the GPU libraries are not in the environment")
    driver = can_load("libcuda.so.1")
    broken = []
    without_driver = []
    for path in own:
        name = os.path.basename(path)
        if NOT_FOR_TENSORFLOW.search(path):
            continue
        try:
            needed = read_elf(path)["needed"]
        except (OSError, ValueError, struct.error) as error:
            broken.append(f"{name}: cannot be read as a library: {error}")
            continue
        try:
            ctypes.CDLL(path)
        except OSError as error:
            lacks = str(error)
            if not driver and (any(map(OF_THE_DRIVER.match, needed)) or "libcuda.so" in lacks):
                without_driver.append(name)
            else:
                broken.append(f"{name}: {lacks}")
    if broken:
        raise Failed("gpu-libs-missing", "\n".join(broken))
    text = f"{len(own) - len(without_driver)} of {len(own)} libraries were loaded"
    if without_driver:
        names = ", ".join(without_driver)
        text += f"; {names} cannot be loaded without the driver's libcuda.so.1, which is not on this machine"
    return text


def can_load(name):
    """Whether the loader finds that library."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def told_toolkit():
    """The folder that XLA_FLAGS names for them; None when it names none."""
    try:
        flags = shlex.split(os.environ.get("XLA_FLAGS", ""))
    except ValueError:
        return None
    told = [flag.partition("=")[2] for flag in flags if flag.startswith("--xla_gpu_cuda_data_dir=")]
    return told[-1] if told else None


def toolkit(present):
    """The compiler that XLA calls and the library that it links are there and answer."""
    load("core").module_origin()  # a cured environment sets XLA_FLAGS when TensorFlow is looked for
    told = told_toolkit()
    if told is None and not any(name.startswith("nvidia-cuda-nvcc") for name in present):
        raise Skipped("the environment has no wheel of nvcc")
    folders = toolkits_of_environment() if told is None else [told]
    if not folders:
        raise Failed("cuda-toolkit-file-missing", "the wheel of nvcc is installed, but its folder is missing")
    ptxas = os.path.join(folders[0], "bin", "ptxas")
    device = os.path.join(folders[0], "nvvm", "libdevice", "libdevice.10.bc")
    absent = [path for path in (ptxas, device) if not os.path.exists(path)]
    if absent:
        raise Failed("cuda-toolkit-file-missing", "\n".join(f"`{path}` is missing" for path in absent))
    try:
        answer = subprocess.run(
            [ptxas, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Failed("cuda-toolkit-file-missing", f"`{ptxas}` does not run: {error}") from error
    return answer.stdout.decode("utf-8", "replace").strip().splitlines()[-1]


def toolkits_of_environment():
    """Folders into which the wheels of nvcc put their files: one of its own, or since CUDA 13 one for all wheels."""
    return [
        folder
        for entry in sys.path
        for kind in ("cuda_nvcc", "cu[0-9]*")
        for folder in sorted(glob.glob(os.path.join(glob.escape(entry), "nvidia", kind)))
        if os.path.isdir(folder)
    ]


def read_elf(path):
    """What a 64-bit little-endian ELF library needs: its `needed` names and its `runpath`, with $ORIGIN filled in.

    Raises:
        ValueError: it is no such library.
    """
    with open(path, "rb") as stream:
        head = stream.read(64)
        if head[:6] != b"\x7fELF\x02\x01":
            raise ValueError("not a 64-bit ELF file")
        program_offset, _, _, _, entry_size, count = struct.unpack_from("<QQIHHH", head, 32)
        stream.seek(program_offset)
        table = stream.read(entry_size * count)
        segments = [struct.unpack_from("<IIQQQQQQ", table, entry_size * index) for index in range(count)]

        def offset_of(address):
            for kind, _, offset, start, _, size, _, _ in segments:
                if kind == 1 and start <= address < start + size:
                    return address - start + offset
            raise ValueError("an address lies outside of the file")

        tags = []
        for kind, _, offset, _, _, size, _, _ in segments:
            if kind == 2:
                stream.seek(offset)
                dynamic = stream.read(size)
                tags = [struct.unpack_from("<qQ", dynamic, position) for position in range(0, len(dynamic) - 15, 16)]
        if not tags:
            raise ValueError("it has no dynamic section")
        values = dict(tags)
        stream.seek(offset_of(values[5]))
        strings = stream.read(values[10])

    def text(position):
        return strings[position : strings.index(b"\0", position)].decode("utf-8", "replace")

    origin = os.path.dirname(os.path.realpath(path))
    raw = [text(value) for tag, value in tags if tag in (15, 29)]
    folders = [folder for part in raw for folder in part.split(":") if folder]
    return {
        "needed": [text(value) for tag, value in tags if tag == 1],
        "runpath": [
            os.path.normpath(folder.replace("$ORIGIN", origin).replace("${ORIGIN}", origin)) for folder in folders
        ],
    }
