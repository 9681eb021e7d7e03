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
        ("profile-invalid", "the profile has mistakes", "correct the lines named in the report"),
        (
            "index-setting-invalid",
            "an index setting cannot be read; no other index serves instead",
            "correct it, or name the index with `index.url` in the profile",
        ),
        ("profile-missing", "there is no such profile", "name a file or one of the shipped profiles"),
        ("path-not-ours", "something that tfprov did not make is in the way", "choose another `environment.path`"),
        ("environment-missing", "the environment does not exist yet", "run `tfprov up` first"),
        ("environment-moved", "the environment was moved since it was made", "run `tfprov up`: it is made anew"),
        ("environment-in-use", "processes use the environment", "end them, or say `--force`"),
        (
            "rolled-back",
            "the environment was rolled back, and profile and lock were not",
            "say `--keep-rollback` or `--no-keep-rollback`",
        ),
        ("lock-missing", "there is no lock and none may be made", "run `tfprov lock`"),
        ("lock-invalid", "the lock cannot be read", "restore it, or renew it with `tfprov lock --upgrade`"),
        ("lock-unfit", "the lock does not fit the profile or this machine", "renew it with `tfprov lock --upgrade`"),
        ("bundle-missing", "there is no such bundle", "name a folder, an archive, or the address of a served folder"),
        ("bundle-too-new", "the bundle was made by a newer tfprov", "start the one inside it: `./bootstrap up`"),
        ("bundle-incomplete", "a delta lacks what only the older bundle has", "name that bundle too: `--bundle OLD`"),
        ("extra-missing", "a part of tfprov that the profile needs is not installed", "install it as the hint says"),
        ("not-supported", "this version of tfprov cannot do that yet", "see the limits in the README"),
    ),
    *_rows(
        Group.INTERPRETER,
        ("python-unsupported", "no wheel of any TensorFlow wanted for this Python", "pick another Python"),
        (
            "version-not-available",
            "the pinned version exists, but not for this Python or platform",
            "move the pin or the Python together",
        ),
        (
            "python-passed-over",
            "this Python fits, and a better one was taken",
            "ask for it with `python.version` or `python.path`",
        ),
        ("python-not-found", "no Python on this machine can be used", "install one, or set `python.install = true`"),
        ("python-broken", "the interpreter cannot be used", "repair it or name another with `python.path`"),
        ("pip-too-old", "pip does not know the wheel tag", "upgrade pip in the environment, or use uv"),
        ("python-not-movable", "the interpreter works at its own place only", "take one that uv or pyenv made"),
        ("python-32bit", "32-bit interpreter", "use a 64-bit interpreter"),
        ("tf-not-in-env", "the running interpreter has no TensorFlow", "run the environment's own Python"),
    ),
    *_rows(
        Group.PLATFORM,
        ("platform-no-wheel", "no wheel for this system and processor", "another package or another machine"),
        ("bundle-unfit", "the bundle is for other machines", "make one with `--platform` for this one"),
        ("musl-libc", "the C library is musl", "use an image with glibc"),
        (
            "glibc-too-old",
            "glibc or libstdc++ is older than the wheel needs",
            "older TensorFlow, conda, or a container",
        ),
        ("cpu-no-avx", "the processor lacks AVX", "a build without AVX, or another machine"),
        ("verdict-stale", "the machine, profile or lock is not the one that was proved", "run `tfprov up`"),
        ("rosetta-qemu", "an x86-64 build under emulation", "a native arm64 interpreter or image"),
        ("windows-no-gpu", "GPU asked for on native Windows", "WSL2, or the CPU"),
        ("windows-dll-load", "a native runtime cannot be loaded on Windows", "install the Visual C++ runtime"),
    ),
    *_rows(
        Group.NETWORK,
        ("net-timeout", "connecting or reading took too long", "longer time-outs, fewer connections, a mirror"),
        ("net-reset", "the connection was cut", "run again to resume, or name a mirror"),
        ("net-proxy", "the proxy is wrong, refuses, or wants a login", "correct the proxy setting"),
        ("net-tls-cert", "the certificate is not trusted", "name the CA in `network.ca-bundle`, or check the clock"),
        ("net-dns", "the host name cannot be resolved", "check DNS, or name another index"),
        ("net-refused", "nothing listens at that address", "check the address and the firewall, or name a mirror"),
        ("net-portal", "a login page answers instead of the index", "log in to the network, or name its proxy"),
        ("mirror-http-error", "an index or mirror answers with an error", "try again later, or name a mirror"),
        ("offline-missing", "the network may not be used, and something is not here", "bring it in with a bundle"),
        ("source-unreachable", "a git repository, or a commit of it, cannot be had", "check its address and the ref"),
        ("conda-http", "conda cannot reach a channel", 'a mirror, or `environment.kind = "venv"`'),
    ),
    *_rows(
        Group.ARTIFACT,
        (
            "signature-invalid",
            "a statement is not signed, or not by whom it has to be",
            "have the machine prove itself again, with `tfprov smoke --attest FILE --sign-with COMMAND`",
        ),
        ("advisory-invalid", "advisories cannot be read", "bring the file along once more"),
        ("hash-mismatch", "the content differs from the hash in the lock", "renew the lock if the file was replaced"),
        (
            "metadata-mismatch",
            "a wheel requires something else than its index says",
            "report it to whoever runs the index; with another one, renew the lock",
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
        ("bundle-invalid", "the bundle is damaged or not whole", "copy it again; `tfprov bundle --check` reads it all"),
        ("conda-cache-corrupt", "a conda package cannot be unpacked", "clear that cache"),
    ),
    *_rows(
        Group.MACHINE,
        ("disk-full", "not enough space", "free some, or move `TFPROV_HOME` or `TMPDIR`"),
        (
            "disk-quota",
            "a quota is used up; the disk may have space",
            "delete files of yours, or ask for a larger quota",
        ),
        (
            "filesystem-feature",
            "the file system lacks something that is needed: links, locks, execution, names",
            "choose a place on a local disk with `TFPROV_HOME` or `environment.path`",
        ),
        ("disk-io", "the disk cannot read or write", "see the system's log, check the disk, or choose another place"),
        ("oom-killed", "the memory was exhausted", "give it more memory"),
        ("limit-reached", "a limit on open files or processes is reached", "raise it (`ulimit -n`, `ulimit -u`)"),
        ("permission-denied", "no right to write", "choose a place of your own with `TFPROV_HOME`"),
        ("read-only-fs", "the file system is read-only", "choose another place with `TFPROV_HOME`"),
        ("externally-managed", "the Python belongs to the operating system", "install into an environment"),
        ("windows-long-path", "a path is longer than Windows allows", "a shorter path, or enable long paths"),
        ("path-too-long", "a name is longer than the file system allows", "use a shorter one"),
        ("file-in-use", "another process holds the file", "close it and run again"),
        ("uninstall-metadata", "a package cannot be removed", "use a fresh environment"),
        ("install-failed", "an installer failed for a reason not recognised", "read its last lines above"),
        ("lock-timeout", "another tfprov held the lock for too long", "wait for it, or end it"),
    ),
    *_rows(
        Group.RESOLVE,
        ("resolver-conflict", "the requirements cannot be met together", "loosen one of those named"),
        ("tensorflow-gpu-package", "a removed placeholder package is asked for", "ask for tensorflow"),
        ("package-name-wrong", "the index has no such package", "correct the name"),
        (
            "sdist-build-failed",
            "a package has no wheel and would have to be built",
            "another version or another Python",
        ),
        ("build-failed", "a package without a wheel could not be built", "read the log; take another version"),
        ("build-tool-missing", "a build needs a program or a header that is not here", "install what the hint names"),
        ("conda-unsatisfiable", "the conda solver finds no set", "loosen a pin, or use wheels"),
        ("conda-package-missing", "the package is not in the channels", "another channel or name"),
        ("conda-clobber", "two conda packages own one path", "use one packaging of CUDA"),
        ("conda-pip-mix", "pip replaced a part of conda's", "a fresh environment"),
        ("known-bad-release", "the pinned release is known not to work", "take the next patch release"),
    ),
    *_rows(
        Group.PYTHON_DEPS,
        ("numpy-abi", "NumPy 1 and 2 are mixed", "`numpy<2`, or a newer TensorFlow"),
        ("protobuf-mismatch", "protobuf generations are mixed", "constrain protobuf"),
        (
            "companion-mismatch",
            "a companion package does not go with this TensorFlow or Keras",
            "take the release of it that goes with this TensorFlow",
        ),
        (
            "tf1-code",
            "the program is written for TensorFlow 1, and this is TensorFlow 2",
            "call `tf.compat.v1`, or rewrite it with `tf_upgrade_v2`",
        ),
        (
            "tensorflow-too-old",
            "the program calls what only a newer TensorFlow has",
            "take the release that it is written for",
        ),
        ("ml-dtypes-mismatch", "ml_dtypes is older or newer than what uses it expects", "resolve both together"),
        (
            "system-library-missing",
            "a package needs a library of the operating system that is not installed",
            "install the package of the system that brings it",
        ),
        ("typing-extensions-mismatch", "typing_extensions is too old", "raise it; TensorFlow 2.14 or newer"),
        ("keras-mismatch", "Keras 2 and 3 are mixed", "tf-keras, or another pair"),
        ("h5py-mismatch", "h5py was built for another HDF5", "take both from one source"),
        ("setuptools-pkg-resources", "setuptools has no pkg_resources any more", "`setuptools<81`"),
        ("shadowed-module", "a local file hides a package", "rename it"),
        ("path-leak", "packages from outside the environment are visible", "clean PYTHONPATH and the user site"),
        ("metal-plugin-mismatch", "tensorflow-metal does not fit", "a matching pair, or remove it"),
        ("several-tensorflows", "more than one TensorFlow is installed", "a fresh environment"),
        (
            "import-failed",
            "TensorFlow, or a package that was asked for, cannot be imported",
            "read the traceback in the evidence",
        ),
        ("package-drift", "the installed packages are not those of the lock", "run `tfprov repair`"),
        ("foreign-file", "a file among the packages belongs to none of them", "remove it, or make a package of it"),
        ("file-damaged", "an installed file is missing or altered", "run `tfprov repair`"),
    ),
    *_rows(
        Group.GPU,
        ("gpu-libs-missing", "a CUDA or cuDNN library is not found", "tensorflow[and-cuda], or the library path"),
        (
            "gpu-libs-foreign",
            "a CUDA library from outside the environment is used in place of its own",
            "clean LD_LIBRARY_PATH",
        ),
        ("cudnn-mismatch", "an older cuDNN is loaded", "raise cuDNN, or clean LD_LIBRARY_PATH"),
        ("cudnn-init-failed", "no cuDNN or cuBLAS handle can be made", "memory growth, or a free device"),
        ("cuda-toolkit-file-missing", "libdevice or ptxas is missing or fails", "the nvcc wheel, and XLA_FLAGS"),
        ("gpu-no-driver", "there is no NVIDIA driver", "install a driver, or ask for the CPU"),
        ("gpu-no-device", "the driver shows no device", "check CUDA_VISIBLE_DEVICES and the scheduler"),
        ("gpu-missing-in-tf", "TensorFlow sees fewer devices than the driver", "read the reasons in the evidence"),
        ("docker-no-gpu", "the container has no access to the GPU", "start it with `--gpus all`"),
        ("wsl-libcuda", "the libcuda of WSL2 is not found", "put /usr/lib/wsl/lib on the library path"),
        ("gpu-driver-too-old", "the driver is older than the CUDA of the wheel", "older TensorFlow, or a newer driver"),
        ("gpu-driver-mismatch", "kernel module and driver library differ", "restart the machine"),
        ("gpu-memory-in-use", "the GPU is busy, or its memory is taken", "another device, or wait"),
        ("gpu-arch-unsupported", "the wheel has no code for this GPU", "a vendor container, conda, or the CPU"),
        ("rocm", "ROCm libraries or targets do not fit", "a matching tensorflow-rocm"),
        ("wheel-without-cuda", "the wheel for this platform has no CUDA", "the CPU, WSL2, a container, or conda"),
        ("gpu-driver-changed", "the driver is not the one that was proved", "run `tfprov up`"),
        ("gpu-changed", "the GPUs are not those that were proved", "run `tfprov up`: it is proved again"),
        ("nccl-failed", "NCCL fails between the GPUs", "run it with `NCCL_DEBUG=WARN` to see why"),
        ("gpu-unhealthy", "the GPU reports a fault of its own", "see the evidence; reset or replace it"),
    ),
    *_rows(
        Group.SMOKE,
        ("wrong-number", "an operation gave a wrong result", "do not use this device; report it with the receipt"),
        ("user-check-failed", "a check of the profile failed", "read its output in the evidence"),
        ("probe-crashed", "the check or a kernel on the GPU crashed", "read how it ended and its last lines"),
        ("probe-timeout", "the check did not end in time", "raise `smoke.timeout`, or look at the device"),
        ("probe-failed", "the check failed for a reason not recognised", "read its last lines"),
    ),
    *_rows(
        Group.AUDIT,
        (
            "advisory-found",
            "advisories speak of packages in the environment",
            "ask for a fixed version in the profile and run `tfprov up`, or accept them with `--accept ID`",
        ),
    ),
    *_rows(
        Group.INTERRUPTED,
        ("interrupted", "stopped by the user or a scheduler", "run the same command again; what arrived is kept"),
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
