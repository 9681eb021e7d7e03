"""The error class, the failure codes and the exit codes: one vocabulary for errors, journal and JSON.

A code is stable and searchable. Its group decides the exit status and which rungs may be tried next; its row gives its
meaning and a remedy for when nothing more precise is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Group(Enum):
    """Groups of failure codes; the value is the exit status of tfprov."""

    BUG = 1
    USAGE = 2
    INTERPRETER = 10
    PLATFORM = 11
    NETWORK = 12
    ARTIFACT = 13
    MACHINE = 14
    RESOLVE = 15
    PYTHON_DEPS = 16
    GPU = 17
    SMOKE = 18
    AUDIT = 19
    INTERRUPTED = 130

    @property
    def label(self) -> str:
        """The group's name as documents print it: `python-deps`."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A failure code.

    Attributes:
        name: in kebab-case; part of the interface, so a change of it is announced.
        group: decides the exit status.
        meaning: what is wrong, without a full stop.
        remedy: the next step when nothing more precise is known.
    """

    name: str
    group: Group
    meaning: str
    remedy: str


def _rows(group: Group, *rows: tuple[str, str, str]) -> list[Code]:
    return [Code(name=name, group=group, meaning=meaning, remedy=remedy) for name, meaning, remedy in rows]


_ALL = [
    *_rows(
        Group.BUG,
        ("internal", "tfprov itself failed", "report it with the journal that `tfprov log` prints"),
    ),
    *_rows(
        Group.USAGE,
        ("usage", "the command line cannot be understood", "see `tfprov --help`"),
        ("profile-invalid", "the profile has mistakes", "correct what is named above"),
        (
            "index-setting-invalid",
            "an index setting cannot be read; no other index is used instead",
            "correct it, or name the index with `index.url` in the profile",
        ),
        ("profile-missing", "there is no such profile", "name a file or one of the shipped profiles"),
        ("path-not-ours", "the path holds something that tfprov did not make", "choose another `environment.path`"),
        ("environment-missing", "the environment does not exist yet", "run `tfprov up` first"),
        ("environment-moved", "the environment was moved after it was made", "run `tfprov up`, which makes a new one"),
        ("environment-in-use", "processes use the environment", "end them, or pass `--force`"),
        (
            "rolled-back",
            "the environment was rolled back, and profile and lock were not",
            "pass `--keep-rollback` or `--no-keep-rollback`",
        ),
        ("lock-missing", "there is no lock, and none may be created", "run `tfprov lock`"),
        ("lock-invalid", "the lock cannot be read", "restore it, or renew it with `tfprov lock --upgrade`"),
        ("lock-unfit", "the lock does not fit the profile or this machine", "renew it with `tfprov lock --upgrade`"),
        ("bundle-missing", "there is no such bundle", "name a folder, an archive, or the URL of a served folder"),
        ("bundle-too-new", "the bundle was made by a newer tfprov", "start the tfprov inside it: `./bootstrap up`"),
        (
            "bundle-incomplete",
            "a delta needs files that only the older bundle has",
            "name that bundle too: `--bundle OLD`",
        ),
        ("extra-missing", "a part of tfprov that is needed is not installed", "install it as the hint says"),
        ("not-supported", "this version of tfprov cannot do that yet", "see the limits in the README"),
    ),
    *_rows(
        Group.INTERPRETER,
        ("python-unsupported", "no TensorFlow that may be used has a wheel for this Python", "pick another Python"),
        (
            "version-not-available",
            "the pinned version exists, but not for this Python or platform",
            "move the pin or the Python together",
        ),
        (
            "python-passed-over",
            "this Python is compatible, but a better one was chosen",
            "ask for it with `python.version` or `python.path`",
        ),
        ("python-not-found", "no Python on this machine can be used", "install one, or set `python.install = true`"),
        ("python-broken", "the interpreter cannot be used", "repair it or name another with `python.path`"),
        ("pip-too-old", "pip does not support the wheel tag", "upgrade pip in the environment, or use uv"),
        ("python-not-movable", "the interpreter cannot be relocated", "use one that uv or pyenv installed"),
        ("python-32bit", "32-bit interpreter", "use a 64-bit interpreter"),
        ("tf-not-in-env", "the running interpreter has no TensorFlow", "run the environment's own Python"),
    ),
    *_rows(
        Group.PLATFORM,
        ("platform-no-wheel", "no wheel for this system and processor", "use another package or another machine"),
        ("bundle-unfit", "the bundle is for other machines", "make one with `--platform` for this one"),
        ("musl-libc", "the C library is musl", "use an image with glibc"),
        (
            "glibc-too-old",
            "glibc or libstdc++ is older than the wheel needs",
            "use an older TensorFlow, conda, or a container",
        ),
        ("cpu-no-avx", "the processor lacks AVX", "use a build without AVX, or another machine"),
        ("verdict-stale", "the machine, profile or lock changed since the environment was proved", "run `tfprov up`"),
        ("rosetta-qemu", "an x86-64 build under emulation", "use a native arm64 interpreter or image"),
        ("windows-no-gpu", "a GPU is requested on native Windows", "use WSL2, or the CPU"),
        ("windows-dll-load", "a native runtime cannot be loaded on Windows", "install the Visual C++ runtime"),
    ),
    *_rows(
        Group.NETWORK,
        ("net-timeout", "connecting or reading took too long", "use longer time-outs, fewer connections, or a mirror"),
        ("net-reset", "the connection was cut", "run again to resume, or name a mirror"),
        ("net-proxy", "the proxy is misconfigured, refuses, or requires a login", "correct the proxy setting"),
        ("net-tls-cert", "the certificate is not trusted", "name the CA in `network.ca-bundle`, or check the clock"),
        ("net-dns", "the host name cannot be resolved", "check DNS, or name another index"),
        ("net-refused", "nothing listens at that address", "check the address and the firewall, or name a mirror"),
        ("net-portal", "a login page answers instead of the index", "log in to the network, or name its proxy"),
        ("mirror-http-error", "an index or mirror answers with an error", "try again later, or name a mirror"),
        ("offline-missing", "something is not available offline", "provide it with a bundle"),
        ("source-unreachable", "a git repository, or a commit in it, cannot be fetched", "check its URL and the ref"),
        ("conda-http", "conda cannot reach a channel", 'use a mirror, or `environment.kind = "venv"`'),
    ),
    *_rows(
        Group.ARTIFACT,
        (
            "signature-invalid",
            "a statement is unsigned, or not signed by the expected party",
            "prove the machine again with `tfprov smoke --attest FILE --sign-with COMMAND`",
        ),
        ("advisory-invalid", "advisories cannot be read", "provide the file again"),
        ("hash-mismatch", "the content differs from the hash in the lock", "renew the lock if the file was replaced"),
        (
            "repository-key-missing",
            "a repository of system packages is signed with a key that the system does not have",
            "install the key that the repository uses now, or take a newer image",
        ),
        (
            "metadata-mismatch",
            "the requirements in a wheel differ from those on its index",
            "report it to whoever runs the index, or renew the lock with another index",
        ),
        (
            "attestation-missing",
            "the index has no attestation of a file, and the profile requires one",
            'take a release that has one, or set `index.attestations = "prefer"`',
        ),
        (
            "attestation-invalid",
            "an attestation is not of the file, or not signed by the publisher that it names",
            "do not install the file; report it to whoever runs the index and to the project",
        ),
        (
            "publisher-changed",
            "a package is published by somebody else than when it was locked",
            "ask the project whether it moved; then delete the old `attestation-identities` in the lock",
        ),
        ("cache-corrupt", "a broken archive in the download or the cache", "run again; the broken file is dropped"),
        (
            "bundle-invalid",
            "the bundle is damaged or incomplete",
            "copy it again; `tfprov bundle --check` reads it all",
        ),
        ("conda-cache-corrupt", "a conda package cannot be unpacked", "clear that cache"),
    ),
    *_rows(
        Group.MACHINE,
        ("disk-full", "not enough space", "free some, or move `TFPROV_HOME` or `TMPDIR`"),
        (
            "disk-quota",
            "a disk quota is used up; the disk itself may have space",
            "delete some of your files, or ask for a larger quota",
        ),
        (
            "filesystem-feature",
            "the file system lacks a feature that is needed: links, locks, execution, names",
            "choose a folder on a local disk with `TFPROV_HOME` or `environment.path`",
        ),
        ("disk-io", "the disk cannot read or write", "see the system's log, check the disk, or choose another folder"),
        ("oom-killed", "the memory was exhausted", "give it more memory"),
        ("limit-reached", "a limit on open files or processes is reached", "raise it (`ulimit -n`, `ulimit -u`)"),
        ("permission-denied", "no permission to write", "choose a folder of your own with `TFPROV_HOME`"),
        ("read-only-fs", "the file system is read-only", "choose another folder with `TFPROV_HOME`"),
        ("externally-managed", "the Python belongs to the operating system", "install into an environment"),
        ("windows-long-path", "a path is longer than Windows allows", "use a shorter path, or enable long paths"),
        ("path-too-long", "a name is longer than the file system allows", "use a shorter one"),
        ("file-in-use", "another process holds the file", "close it and run again"),
        ("uninstall-metadata", "a package cannot be removed", "use a fresh environment"),
        (
            "install-failed",
            "an installer failed for a reason not recognised",
            "read the installer's output in the evidence",
        ),
        ("lock-timeout", "another tfprov held the lock for too long", "wait for it, or end it"),
    ),
    *_rows(
        Group.RESOLVE,
        ("resolver-conflict", "the requirements contradict each other", "relax one of those named"),
        ("tensorflow-gpu-package", "a removed placeholder package is requested", "ask for tensorflow"),
        ("package-name-wrong", "the index has no such package", "correct the name"),
        (
            "sdist-build-failed",
            "a package has no wheel and would have to be built",
            "use another version or another Python",
        ),
        ("build-failed", "a package without a wheel could not be built", "read the log, or use another version"),
        (
            "build-tool-missing",
            "a build needs a program or header that is not installed",
            "install what the hint names",
        ),
        ("conda-unsatisfiable", "the conda solver finds no set", "relax a pin, or use wheels"),
        ("conda-package-missing", "the package is not in the channels", "use another channel or name"),
        ("conda-clobber", "two conda packages own one path", "use one packaging of CUDA"),
        ("conda-pip-mix", "pip replaced files of conda packages", "use a fresh environment"),
        ("known-bad-release", "the pinned release is known not to work", "use the next patch release"),
    ),
    *_rows(
        Group.PYTHON_DEPS,
        ("numpy-abi", "NumPy 1 and 2 are mixed", "use `numpy<2`, or a newer TensorFlow"),
        ("protobuf-mismatch", "protobuf generations are mixed", "constrain protobuf"),
        (
            "companion-mismatch",
            "a companion package does not work with this TensorFlow or Keras",
            "use a release of it that works with this TensorFlow",
        ),
        (
            "tf1-code",
            "the program is written for TensorFlow 1, and this is TensorFlow 2",
            "call `tf.compat.v1`, or rewrite it with `tf_upgrade_v2`",
        ),
        (
            "tensorflow-too-old",
            "the program uses what only a newer TensorFlow has",
            "use the release that it is written for",
        ),
        ("ml-dtypes-mismatch", "ml_dtypes is older or newer than its users expect", "resolve both together"),
        (
            "system-library-missing",
            "a package needs a system library that is not installed",
            "install the system package that provides it",
        ),
        ("typing-extensions-mismatch", "typing_extensions is too old", "upgrade it, or use TensorFlow 2.14 or newer"),
        ("keras-mismatch", "Keras 2 and 3 are mixed", "use tf-keras, or another pair of versions"),
        ("h5py-mismatch", "h5py was built for another HDF5", "install both from one source"),
        ("setuptools-pkg-resources", "setuptools no longer has pkg_resources", "use `setuptools<81`"),
        ("shadowed-module", "a local file hides a package", "rename it"),
        ("path-leak", "packages from outside the environment are visible", "clean PYTHONPATH and the user site"),
        ("metal-plugin-mismatch", "tensorflow-metal does not match TensorFlow", "use a matching pair, or remove it"),
        ("several-tensorflows", "more than one TensorFlow is installed", "use a fresh environment"),
        (
            "import-failed",
            "TensorFlow, or a requested package, cannot be imported",
            "read the traceback in the evidence",
        ),
        ("package-drift", "the installed packages are not those in the lock", "run `tfprov repair`"),
        ("foreign-file", "a file among the packages belongs to no package", "remove it, or make a package of it"),
        ("file-damaged", "an installed file is missing or altered", "run `tfprov repair`"),
    ),
    *_rows(
        Group.GPU,
        (
            "gpu-libs-missing",
            "a CUDA or cuDNN library is not found",
            "use `tensorflow[and-cuda]`, or correct the library path",
        ),
        (
            "gpu-libs-foreign",
            "a CUDA library from outside the environment is used in place of its own",
            "clean LD_LIBRARY_PATH",
        ),
        ("cudnn-mismatch", "an older cuDNN is loaded", "upgrade cuDNN, or clean LD_LIBRARY_PATH"),
        ("cudnn-init-failed", "cuDNN or cuBLAS cannot create a handle", "enable memory growth, or use a free device"),
        (
            "cuda-toolkit-file-missing",
            "libdevice or ptxas is missing or fails",
            "install the nvcc wheel, and check XLA_FLAGS",
        ),
        ("gpu-no-driver", "there is no NVIDIA driver", "install a driver, or ask for the CPU"),
        ("gpu-no-device", "the driver shows no device", "check CUDA_VISIBLE_DEVICES and the scheduler"),
        ("gpu-missing-in-tf", "TensorFlow sees fewer devices than the driver", "read the reasons in the evidence"),
        ("docker-no-gpu", "the container has no access to the GPU", "start it with `--gpus all`"),
        ("wsl-libcuda", "the libcuda of WSL2 is not found", "put /usr/lib/wsl/lib on the library path"),
        (
            "gpu-driver-too-old",
            "the driver is older than the CUDA of the wheel",
            "use an older TensorFlow, or a newer driver",
        ),
        ("gpu-driver-mismatch", "kernel module and driver library differ", "restart the machine"),
        ("gpu-memory-in-use", "the GPU is busy, or its memory is in use", "use another device, or wait"),
        ("gpu-arch-unsupported", "the wheel has no code for this GPU", "use a vendor container, conda, or the CPU"),
        ("rocm", "ROCm libraries or targets do not fit", "use a matching tensorflow-rocm"),
        ("wheel-without-cuda", "the wheel for this platform has no CUDA", "use the CPU, WSL2, a container, or conda"),
        ("gpu-driver-changed", "the driver changed since the environment was proved", "run `tfprov up`"),
        ("gpu-changed", "the GPUs changed since the environment was proved", "run `tfprov up`, which proves it again"),
        ("nccl-failed", "NCCL fails between the GPUs", "run it with `NCCL_DEBUG=WARN` to see why"),
        ("gpu-unhealthy", "the GPU reports a hardware fault", "see the evidence; reset or replace it"),
    ),
    *_rows(
        Group.SMOKE,
        ("wrong-number", "an operation gave a wrong result", "do not use this device; report it with the receipt"),
        ("user-check-failed", "a check of the profile failed", "read its output in the evidence"),
        ("probe-crashed", "the check or a kernel on the GPU crashed", "read how it ended and its last lines"),
        ("probe-timeout", "the check did not end in time", "raise `smoke.timeout`, or check the device"),
        ("probe-failed", "the check failed for a reason not recognised", "read its last lines"),
    ),
    *_rows(
        Group.AUDIT,
        (
            "advisory-found",
            "advisories affect packages in the environment",
            "ask for a fixed version in the profile and run `tfprov up`, or accept them with `--accept ID`",
        ),
    ),
    *_rows(
        Group.INTERRUPTED,
        (
            "interrupted",
            "stopped by the user or a scheduler",
            "run the same command again; what was downloaded is kept",
        ),
    ),
]

CODES = MappingProxyType({code.name: code for code in _ALL})
"""Every failure code by name."""


class TfprovError(Exception):
    """A failure with its code, its evidence and the next step.

    Attributes:
        code: the failure code.
        what: one line that says what happened, and to what; backticks around literals, no full stop.
        evidence: observations, most telling first; a multi-line string is a block (a tool's own output).
        tried: what was attempted, in order, and how each attempt ended.
        hint: the next step; the code's own remedy when None.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        evidence: tuple[str, ...] = (),
        tried: tuple[str, ...] = (),
        hint: str | None = None,
    ) -> None:
        self.code = CODES[code]
        self.what = what
        self.evidence = evidence
        self.tried = tried
        self.hint = self.code.remedy if hint is None else hint
        super().__init__(what)

    @property
    def exit_code(self) -> int:
        """Exit status of a tfprov command that ends with this failure."""
        return self.code.group.value
