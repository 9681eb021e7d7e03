"""Trusted certificates: the system's, and those that the profile or the environment add."""

from __future__ import annotations

import hashlib
import re
import ssl
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from tfprov import writing
from tfprov.contents import content_of, is_readable
from tfprov.errors import TfprovError
from tfprov.fetch.addresses import expand
from tfprov.host.records import Facts
from tfprov.paths import expanded
from tfprov.profile.records import Profile

_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")

# Where Linux distributions keep the system's certificates when the ssl module was built for another place.
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def certificates_of(profile: Profile, folder: Path, facts: Facts, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """PEM files to trust beside the system's certificates: the profile's, then those of the machine's other tools.

    Args:
        profile: the profile.
        folder: base of the profile's relative paths.
        facts: the machine's own bundle.
        environ: for `${NAME}`, and for the variables of other tools.

    Raises:
        TfprovError: `profile-invalid` when the profile names a file that does not exist.
    """
    found: list[Path] = []
    if profile.network.ca_bundle is not None:
        bundle = (folder / expanded(expand(profile.network.ca_bundle, environ))).absolute()
        if not bundle.is_file():
            raise TfprovError("profile-invalid", f"`network.ca-bundle` names `{bundle}`, which does not exist")
        found.append(bundle)
    named = [environ.get(name) for name in _VARIABLES]
    for name in (*named, facts.certificates.value):
        # A variable of other tools that names a missing or closed file is no reason to stop.
        if name and is_readable(name) and Path(name) not in found:
            found.append(Path(name))
    return tuple(found)


@lru_cache(maxsize=8)
def tls_context(certificates: tuple[Path, ...]) -> ssl.SSLContext:
    """A TLS context that trusts the system's store and these files. Cached, because loading the store takes a while.

    Raises:
        TfprovError: `net-tls-cert` when a file contains no certificate.
    """
    context = _system_context()
    for path in certificates:
        try:
            context.load_verify_locations(cafile=str(path))
        except ssl.SSLError as error:
            raise TfprovError(
                "net-tls-cert", f"`{path}` contains no PEM certificate", evidence=(str(error),)
            ) from error
    return context


def _system_context() -> ssl.SSLContext:
    """A context that trusts what the system trusts.

    On Linux the certificates are in a file or folder, which is read once here: truststore reads it for every
    connection, which takes longer (22 ms of processor time) than the rest of the handshake.
    """
    if sys.platform in ("darwin", "win32"):
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_default_verify_paths()
    defaults = ssl.get_default_verify_paths()
    if defaults.cafile is None and not _holds_certificates(defaults.capath):
        found = next((path for path in _SYSTEM_BUNDLES if Path(path).is_file()), None)
        if found is not None:
            context.load_verify_locations(cafile=found)
    return context


def _holds_certificates(folder: str | None) -> bool:
    """Whether a folder has certificates under the hashed names that OpenSSL looks for."""
    return folder is not None and any(re.fullmatch(r"[0-9a-fA-F]{8}\.\d", path.name) for path in Path(folder).iterdir())


def bundle(certificates: tuple[Path, ...], folder: Path | None) -> Path:
    """One PEM file with the system's certificates and these, because child processes take a single file.

    Args:
        certificates: at least one.
        folder: where the file is written; None to use the first of `certificates` alone.
    """
    if folder is None:
        return certificates[0]
    found = ssl.get_default_verify_paths()
    system = [Path(name) for name in (found.cafile, *_SYSTEM_BUNDLES) if name]
    parts = [next((path for path in system if path.is_file()), None), *certificates]
    content = b"\n".join(dict.fromkeys(content_of(path).strip() for path in parts if path is not None)) + b"\n"
    target = folder / f"{hashlib.sha256(content).hexdigest()[:16]}.pem"
    if not target.is_file():
        writing.write_atomic(target, content)
    return target
