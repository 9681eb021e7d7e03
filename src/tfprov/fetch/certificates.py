"""Trusted certificates: the system's, and those that the profile or the environment add."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from tfprov import paths
from tfprov.errors import TfprovError
from tfprov.fetch.addresses import expand
from tfprov.host.records import Facts
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
    """PEM files to trust beside the system's certificates: the profile's, then those that the machine's tools use.

    Args:
        profile: what is asked.
        folder: base of the profile's relative paths.
        facts: the machine's own bundle.
        environ: for `${NAME}`, and the variables that other tools read.

    Raises:
        TfprovError: `profile-invalid` when the profile names a file that does not exist.
    """
    found: list[Path] = []
    if profile.network.ca_bundle is not None:
        bundle = (folder / Path(expand(profile.network.ca_bundle, environ)).expanduser()).absolute()
        if not bundle.is_file():
            raise TfprovError("profile-invalid", f"`network.ca-bundle` names `{bundle}`, which does not exist")
        found.append(bundle)
    named = [environ.get(name) for name in _VARIABLES]
    for name in (*named, facts.certificates.value):
        # A variable of other tools that names a missing file is no reason to stop.
        if name and Path(name).is_file() and Path(name) not in found:
            found.append(Path(name))
    return tuple(found)


@lru_cache(maxsize=8)
def tls_context(certificates: tuple[Path, ...]) -> ssl.SSLContext:
    """A TLS context that trusts the system's store and these files. Cached, because loading the store takes a while.

    Raises:
        TfprovError: `net-tls-cert` when a file contains no certificate.
    """
    import truststore

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for path in certificates:
        try:
            context.load_verify_locations(cafile=str(path))
        except ssl.SSLError as error:
            raise TfprovError(
                "net-tls-cert", f"`{path}` contains no PEM certificate", evidence=(str(error),)
            ) from error
    return context


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
    content = b"\n".join(dict.fromkeys(path.read_bytes().strip() for path in parts if path is not None)) + b"\n"
    target = folder / f"{hashlib.sha256(content).hexdigest()[:16]}.pem"
    if not target.is_file():
        paths.write_atomic(target, content)
    return target
