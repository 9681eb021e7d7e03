"""Hashes of the installed files against their RECORD: of the native libraries at the standard level, of all at deep."""

import base64
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

from tfprov_probe import ENVIRONMENT, Failed, Skipped, load

NATIVE = (".so", ".pyd", ".dll", ".dylib")


def run(probe):
    """One leg: `hashes`."""
    probe.leg(ENVIRONMENT, "hashes", right_hashes, load("core"), probe.request["level"])


def right_hashes(core, level):
    """Every file that is checked has the hash that it was installed with."""
    rows = [
        (one.name, path, digest)
        for one in core.distributions()
        for path, digest, _ in core.checked_files(one)
        if digest and (level == "deep" or is_native(path))
    ]
    if not rows:
        raise Skipped("there is no record of file hashes")
    wrong = []
    # Hashing gives Python's lock up; more threads than processors would only wait for each other.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for (name, path, digest), actual in zip(rows, pool.map(lambda row: hash_of(row[1], row[2]), rows)):
            if actual is None:
                wrong.append(f"{name}: `{path}` cannot be read")
            elif actual != digest:
                wrong.append(f"{name}: `{path}` has the hash {actual} instead of {digest}")
    if wrong:
        more = [f"and {len(wrong) - 20} more"] if len(wrong) > 20 else []
        raise Failed("file-damaged", "\n".join(wrong[:20] + more))
    return f"{len(rows)} files have the recorded hash"


def is_native(path):
    """Whether the file is loaded as machine code: `libcudnn.so.9` is, too."""
    name = os.path.basename(path)
    return name.endswith(NATIVE) or ".so." in name


def hash_of(path, like):
    """The file's hash in the notation of RECORD, by the algorithm of `like`; None when it cannot be read."""
    algorithm = like.partition("=")[0]
    if not os.path.isfile(path):  # a pipe or a device would be read without end
        return None
    try:
        digest = hashlib.new(algorithm)
        with open(path, "rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
    except (OSError, ValueError):
        return None
    return f"{algorithm}={base64.urlsafe_b64encode(digest.digest()).decode().rstrip('=')}"
