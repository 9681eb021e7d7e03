"""The quick level: what is installed, whether it can be imported, and one forward and one backward pass a device.

The reference is computed here with Python's own 64-bit floats: neither NumPy nor TensorFlow has a part in it.
"""

import importlib.util
import math
import os
import platform
import random
import re
import sys

from tfprov_probe import ENVIRONMENT, Failed, Skipped, load

# Projects that bring the module `tensorflow`. Some of them are, on some platforms, empty and only depend on another of
# them; which one is real is decided by who owns the files, not by the name.
TENSORFLOWS = re.compile(
    r"^(tensorflow|tensorflow-(cpu|gpu|rocm|macos|intel|cpu-aws|aarch64|directml)|intel-tensorflow(-avx512)?|nvidia-tensorflow|tf-nightly(-(cpu|gpu|rocm|macos|intel))?)$"
)
# Written anew by whoever installs, moves or compiles the environment; their RECORD lines prove nothing.
UNSTABLE = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "WHEEL")
INTERESTING = (
    "numpy",
    "protobuf",
    "keras",
    "tf-keras",
    "h5py",
    "ml-dtypes",
    "typing-extensions",
    "tensorboard",
    "wrapt",
)
FLOAT32_LIMIT = 1e-5


def run(probe):
    """The legs of the quick level, the root cause first; False if TensorFlow cannot be used."""
    found = distributions()
    probe.facts(
        python=platform.python_version(),
        cures=cures(),
        packages=versions_of(found),
        installed={one.name: one.version for one in found},
        requires=[line for one in owners(found)[0] for line in one.requires()],
    )
    probe.leg(ENVIRONMENT, "distribution", one_tensorflow, found, probe.request)
    probe.leg(ENVIRONMENT, "files", files_present, found)
    if not probe.leg(ENVIRONMENT, "import", import_tensorflow, probe):
        return False
    probe.leg(ENVIRONMENT, "version", right_version, probe, found)
    probe.leg(ENVIRONMENT, "devices", list_devices, probe)
    # A GPU that takes the process down does so here. Then each is tried in a process of its own.
    alone = probe.request["gpus"]
    owner = ENVIRONMENT if alone is None else f"GPU:{alone[0]}" if alone else "CPU:0"
    if not probe.leg(owner, "context", make_context, probe):
        return False
    for name, placed in probe.one_cpu():
        probe.leg(name, "matmul", matmul, probe.tensorflow(), placed)
        probe.leg(name, "gradient", gradient, probe.tensorflow(), placed)
    return True


def cures():
    """What this environment was given after an earlier smoke test failed, as its own start-up says."""
    hook = sys.modules.get("_tfprov_cures")
    return [text for one in getattr(hook, "active", ()) for text in one.told]


class Distribution:
    """One installed project, read from its metadata folder without importing anything."""

    def __init__(self, root, folder):
        self.root = root
        self.folder = folder
        stem = folder.rsplit(".", 1)[0]
        name, _, version = stem.partition("-")
        self.name = re.sub(r"[-_.]+", "-", name).lower()
        self.version = version.partition("-py")[0] if folder.endswith(".egg-info") else version
        self.record = os.path.join(root, folder, "RECORD")

    def files(self):
        """Rows of RECORD as (path, hash, size); nothing when there is no RECORD."""
        try:
            with open(self.record, encoding="utf-8", errors="surrogateescape", newline="") as stream:
                for line in stream:
                    path, digest, size = ([*line.rstrip("\r\n").rsplit(",", 2), "", ""])[:3]
                    if path[:1] == '"':
                        path = path[1:-1].replace('""', '"')
                    yield path, digest, size
        except OSError:
            return

    def top_level(self):
        """Its modules, where its builder lists them."""
        try:
            with open(os.path.join(self.root, self.folder, "top_level.txt"), encoding="utf-8") as stream:
                return [name for name in stream.read().split() if name.isidentifier() and name[0] != "_"]
        except (OSError, ValueError):
            return []

    def installer(self):
        """Who installed it; empty when that is not recorded."""
        try:
            with open(os.path.join(self.root, self.folder, "INSTALLER"), encoding="utf-8") as stream:
                return stream.read().strip()
        except OSError:
            return ""

    def requires(self):
        """Its requirements, as they stand in the metadata."""
        for name in ("METADATA", "PKG-INFO"):
            try:
                with open(os.path.join(self.root, self.folder, name), encoding="utf-8", errors="replace") as stream:
                    return [line[15:].strip() for line in stream if line.startswith("Requires-Dist: ")]
            except OSError:
                continue
        return []

    def __str__(self):
        return f"{self.name} {self.version} in {self.root}"


def distributions():
    """Every project on `sys.path`. A folder that is reachable in two ways (`lib` and `lib64`) counts once."""
    found = []
    seen = set()
    for entry in sys.path:
        real = os.path.realpath(entry)
        if real in seen or not os.path.isdir(real):
            continue
        seen.add(real)
        found.extend(
            Distribution(entry, name)
            for name in sorted(os.listdir(real))
            if name.endswith((".dist-info", ".egg-info")) and not name.startswith("~")
        )
    return found


def versions_of(found):
    """Versions of TensorFlow and of what it breaks over, by project."""
    return {one.name: one.version for one in found if one.name in INTERESTING or TENSORFLOWS.match(one.name)}


def owners(found):
    """The TensorFlow projects that really own the module, and those that only stand for another one."""
    named = [one for one in found if TENSORFLOWS.match(one.name)]
    real = []
    for one in named:
        rows = [path for path, _, _ in one.files()]
        # Without a RECORD (old conda packages) nothing says who owns the files; then the name has to do.
        if not rows or "tensorflow/__init__.py" in rows:
            real.append(one)
    return real, [one for one in named if one not in real]


def one_tensorflow(found, request):
    """Exactly one TensorFlow owns the module, it is the one in the lock, and nothing hides it."""
    real, stubs = owners(found)
    origin = module_origin()
    if not real:
        if origin is not None:
            raise Failed(
                "shadowed-module", f"`{origin}` answers to the name tensorflow, and no installed project owns it"
            )
        listed = ", ".join(str(one) for one in stubs) or "no project of that name"
        raise Failed("tf-not-in-env", f"searched {os.pathsep.join(sys.path)}: {listed}")
    if len(real) > 1:
        raise Failed("several-tensorflows", "\n".join(str(one) for one in real))
    (owner,) = real
    home = os.path.join(os.path.realpath(owner.root), "tensorflow")
    if origin is not None and os.path.dirname(os.path.realpath(origin)) != home:
        raise Failed("shadowed-module", f"`{origin}` hides the tensorflow of {owner}")
    package, version = request["expected_package"], request["expected_version"]
    if package is not None and package != owner.name and package not in [one.name for one in stubs]:
        raise Failed("file-damaged", f"the lock has {package}, but {owner} is installed")
    if version is not None and version != owner.version:
        raise Failed("file-damaged", f"the lock has {version}, but {owner} is installed")
    return str(owner)


def module_origin():
    """File that `import tensorflow` would load, without loading it; None when there is none."""
    # Through every finder, as an import does it: an environment may have one that keeps foreign modules out.
    spec = importlib.util.find_spec("tensorflow")
    if spec is None:
        return None
    if spec.origin not in (None, "namespace"):
        return spec.origin
    # A folder without __init__.py: what is left of a removed package, or a damaged one.
    return None


def checked_files(one):
    """Rows of RECORD that must hold for ever: (path on disk, hash, size)."""
    if one.installer() == "conda":
        # conda writes its prefix into files after their RECORD was made.
        return
    for path, digest, size in one.files():
        # Scripts beside the library are rewritten for each place; compiled files for each interpreter, and virtualenv
        # lists those of the pip that it seeds where they never are.
        compiled = path[-4:] == ".pyc" or "__pycache__" in path
        parts = path.split("/")
        if not compiled and parts[0] and ".." not in parts and parts[-1] not in UNSTABLE and "\0" not in path:
            yield one.root + os.sep + path, digest, size


def files_present(found):
    """Every installed file is there and has the size that it was installed with."""
    wrong = []
    count = 0
    for one in found:
        for path, _, size in checked_files(one):
            count += 1
            try:
                actual = os.stat(path).st_size
            except OSError as error:
                wrong.append(f"{one.name}: `{path}` is missing ({error.strerror})")
                continue
            if size.isdecimal() and size.lstrip("0") != str(actual or ""):
                wrong.append(f"{one.name}: `{path}` has {actual} bytes instead of {size}")
    if wrong:
        more = [f"and {len(wrong) - 20} more"] if len(wrong) > 20 else []
        raise Failed("file-damaged", "\n".join(wrong[:20] + more))
    if not count:
        raise Skipped("there is no record of the installed files (conda and Debian keep other records)")
    return f"{count} files have the recorded size"


def import_tensorflow(probe):
    """TensorFlow can be imported and is more than an empty folder."""
    tf = probe.tensorflow()
    probe.facts(
        tensorflow=str(tf.__version__),
        origin=imported_from(),
        build={key: str(value) for key, value in tf.sysconfig.get_build_info().items()},
    )
    return f"tensorflow {tf.__version__} from {imported_from()}"


def imported_from():
    """File of what was imported. Of TensorFlow 1.15 the legs use another module, which lies elsewhere."""
    return str(sys.modules["tensorflow"].__file__)


def right_version(probe, found):
    """The module is the one that the metadata speaks of."""
    tf = probe.tensorflow()
    real, _ = owners(found)
    if len(real) == 1:
        home = os.path.join(os.path.realpath(real[0].root), "tensorflow")
        if os.path.dirname(os.path.realpath(imported_from())) != home:
            raise Failed("shadowed-module", f"`{imported_from()}` was imported instead of {real[0]}")
        # 2.15.0.post1 calls itself 2.15.0, and 2.22.0rc0 calls itself 2.22.0-rc0.
        if release(tf.__version__) != release(real[0].version):
            raise Failed("file-damaged", f"the module says {tf.__version__}, its metadata {real[0]}")
    known = versions_of(found)
    return ", ".join(f"{name} {known[name]}" for name in sorted(known))


def release(version):
    """The leading numbers of a version."""
    return re.match(r"\d+(?:\.\d+){0,2}", str(version)).group()


def list_devices(probe):
    """TensorFlow has a processor, and as many GPUs as were promised."""
    tf = probe.tensorflow()
    physical = tf.config.list_physical_devices()
    gpus = [one for one in physical if one.device_type == "GPU"]
    driver = driver_count(probe.request)
    probe.facts(gpus=len(gpus), driver_gpus=driver)
    if not [one for one in physical if one.device_type == "CPU"]:
        raise Failed("probe-failed", f"TensorFlow lists no CPU: {physical}")
    request = probe.request
    if request["accelerator"] == "cpu" or request["gpu"] == "later":
        wanted = request["require_gpus"] if request["gpu"] == "now" else 0
    else:
        promised = request["accelerator"] in ("cuda", "rocm", "metal")
        wanted = max(request["require_gpus"], 1 if promised else 0)
    if request["accelerator"] == "cuda" and tf.sysconfig.get_build_info().get("is_cuda_build") is False:
        # Also where no GPU is asked for until later: this build will not find one then.
        raise Failed("wheel-without-cuda", "`tf.sysconfig.get_build_info()` says that this build has no CUDA")
    if len(gpus) < wanted:
        # The reason stands in TensorFlow's log, which the reader of these records has; where we are is half of it.
        probe.facts(place=place())
        raise Failed("gpu-missing-in-tf", f"TensorFlow lists {len(gpus)} of at least {wanted} GPUs")
    return f"{len(physical) - len(gpus)} CPU, {len(gpus)} GPU"


def driver_count(request):
    """How many GPUs the driver shows to everybody; None when it cannot be asked or something narrows the view down."""
    if request["accelerator"] not in ("cuda", "auto") or request["gpu"] == "later":
        return None
    if os.environ.get("CUDA_VISIBLE_DEVICES") is not None:
        return None
    return load("health").count()


def place():
    """`container` or `wsl` where a GPU has to be let in from outside; empty elsewhere."""
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        return "container"
    return "wsl" if "microsoft" in platform.release().lower() else ""


def make_context(probe):
    """Every device that is tested can be initialised; all at once, and not in the middle of somebody's matmul."""
    tf = probe.tensorflow()
    tested = probe.devices()
    descriptions = {}
    for ours, theirs in tested:
        if theirs.startswith("GPU"):
            details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[int(ours[4:])])
            capability = ".".join(str(part) for part in details.get("compute_capability", ()))
            descriptions[ours] = "{}, compute capability {}".format(
                details.get("device_name", "GPU"), capability or "unknown"
            )
    if descriptions:
        probe.facts(descriptions=descriptions)
    return ", ".join(one.name.replace("/device:", "") for one in tf.config.list_logical_devices())


def fresh(rows, columns, generator):
    """Random numbers between -1 and 1 that float32 holds exactly, so that both sides compute from the same input."""
    return [[generator.randrange(-(2**20), 2**20) / 2.0**20 for _ in range(columns)] for _ in range(rows)]


def product(left, right):
    """Matrix product in 64 bits."""
    columns = list(zip(*right))
    return [[math.fsum(map(float.__mul__, row, column)) for column in columns] for row in left]


def judged(result, reference, what, limit=FLOAT32_LIMIT):
    """Evidence that a result is right, as relative Frobenius error.

    Raises:
        Failed: `wrong-number`; also for a result that is not a number, or has another shape.
    """
    shape = (len(result), len(result[0]))
    if shape != (len(reference), len(reference[0])):
        raise Failed("wrong-number", f"{what} has shape {shape}, the reference {(len(reference), len(reference[0]))}")
    off = math.fsum((got - true) ** 2 for a, b in zip(result, reference) for got, true in zip(a, b))
    size = math.fsum(true * true for row in reference for true in row)
    error = math.sqrt(off / size) if off >= 0 else off
    text = f"{what}: relative error {error:.2g}, limit {limit:.0e}"
    # Written so that NaN, which compares false with everything, does not pass.
    if not error <= limit:
        raise Failed("wrong-number", text)
    return text


def placed_on(tensor, device):
    """The tensor.

    Raises:
        Failed: `gpu-missing-in-tf` when it was computed elsewhere.
    """
    if not str(tensor.device).endswith(":" + device):
        raise Failed("gpu-missing-in-tf", f"the result is on `{tensor.device}`, but `{device}` was requested")
    return tensor


def exact_float32(tf, device):
    """Switch TF32 off: with it the limit would have to be 300 times wider. The standard level tests TF32 by itself."""
    if device.startswith("GPU"):
        tf.config.experimental.enable_tensor_float_32_execution(False)


def matmul(tf, device):
    """A matrix product on the device agrees with 64 bits, and was really computed there."""
    seed = random.SystemRandom().randrange(2**32)
    generator = random.Random(seed)  # noqa: S311 - test data that can be made again from its seed
    left, right = fresh(37, 64, generator), fresh(64, 29, generator)
    # Metal counts no memory.
    counted = device.startswith("GPU") and sys.platform != "darwin"
    with tf.device("/" + device):
        a, b = tf.constant(left, tf.float32), tf.constant(right, tf.float32)
        exact_float32(tf, device)
        if counted:
            tf.config.experimental.reset_memory_stats(device)
        result = placed_on(tf.matmul(a, b), device)
        numbers = result.numpy().tolist()
    text = judged(numbers, product(left, right), f"37x64 by 64x29, seed {seed}")
    if counted:
        peak = tf.config.experimental.get_memory_info(device)["peak"]
        operands = 4 * (37 * 64 + 64 * 29)
        if peak < operands:
            raise Failed(
                "gpu-missing-in-tf", f"the GPU's own memory peaked at {peak} bytes, the operands are {operands}"
            )
        text += f", device memory peaked at {peak} bytes"
    return text


def gradient(tf, device):
    """A gradient through a product, a bias and a square on the device agrees with the derivative in 64 bits."""
    seed = random.SystemRandom().randrange(2**32)
    generator = random.Random(seed)  # noqa: S311 - test data that can be made again from its seed
    inputs, weights = fresh(23, 31, generator), fresh(31, 17, generator)
    with tf.device("/" + device):
        x, w = tf.constant(inputs, tf.float32), tf.constant(weights, tf.float32)
        exact_float32(tf, device)
        with tf.GradientTape() as tape:
            tape.watch(w)
            loss = tf.reduce_sum(tf.square(tf.matmul(x, w)))
        slope = placed_on(tape.gradient(loss, w), device)
        numbers = slope.numpy().tolist()
    # d/dw of the sum of (xw)^2 is 2 x'(xw).
    doubled = [[2.0 * number for number in row] for row in product(inputs, weights)]
    reference = product([list(column) for column in zip(*inputs)], doubled)
    return judged(numbers, reference, f"gradient of the squared 23x31 by 31x17, seed {seed}")
