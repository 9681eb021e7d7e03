"""A Sigstore of one's own: an authority, a log of certificates and a transparency log, by the rules of the public one.

What it signs the real library verifies, once `trust` has put its roots where the library keeps those of the public one.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from pypi_attestations import AttestationType

_CLAIMS = "1.3.6.1.4.1.57264.1."
_CERTIFICATE_TIMESTAMPS = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ISSUER = "https://token.actions.githubusercontent.com"
_DAY = datetime.timedelta(days=1)
_KIND = "application/vnd.in-toto+json"


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


@dataclass
class Sigstore:
    """Its keys, and the certificate of its authority."""

    authority: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    certificates: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    log: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    now: datetime.datetime = field(
        default_factory=lambda: datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    )

    def __post_init__(self) -> None:
        usage = dict.fromkeys(
            (
                *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
                *("encipher_only", "decipher_only", "digital_signature"),
            ),
            False,
        )
        self.root = (
            self._certificate(self.authority, "authority", days=10)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
            .sign(self.authority, hashes.SHA256())
        )

    def trust(self, cache: Path) -> None:
        """Make its roots those of the public Sigstore, for programs with this folder of caches."""
        start = (self.now - 10 * _DAY).isoformat().replace("+00:00", "Z")
        document = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [self._log_document(self.log, start)],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "test", "commonName": "authority"},
                    "uri": "https://authority.example",
                    "certChain": {"certificates": [{"rawBytes": _text(self.root.public_bytes(Encoding.DER))}]},
                    "validFor": {"start": start},
                }
            ],
            "ctlogs": [self._log_document(self.certificates, start)],
            "timestampAuthorities": [],
        }
        place = cache / "sigstore-python" / "tuf" / "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev" / "trusted_root.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(document), encoding="utf-8")

    def provenance(self, wheel: Path, repository: str) -> bytes:
        """What an index has of a wheel that the workflow `release.yml` of a repository published."""
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": wheel.name, "digest": {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}}],
            "predicateType": AttestationType.PYPI_PUBLISH_V1.value,
            "predicate": None,
        }
        payload = json.dumps(statement).encode()
        key = _key()
        signature = self._sign(key, b"DSSEv1 %d %s %d %s" % (len(_KIND), _KIND.encode(), len(payload), payload))
        leaf = self._leaf(key, repository)
        envelope = {"signature": _text(signature), "statement": _text(payload)}
        material = {
            "certificate": _text(leaf.public_bytes(Encoding.DER)),
            "transparency_entries": [self._entry(payload, signature, leaf)],
        }
        attestation = {"version": 1, "verification_material": material, "envelope": envelope}
        publisher = {"kind": "GitHub", "repository": repository, "workflow": "release.yml", "environment": None}
        bundle = {"publisher": publisher, "attestations": [attestation]}
        return json.dumps({"version": 1, "attestation_bundles": [bundle]}).encode()

    def _certificate(self, key: ec.EllipticCurvePrivateKey, name: str, *, days: int) -> x509.CertificateBuilder:
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        subject = issuer if name == "authority" else x509.Name([])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - days * _DAY)
            .not_valid_after(self.now + days * _DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.public_key()), False)
        )

    def _leaf(self, key: ec.EllipticCurvePrivateKey, repository: str) -> x509.Certificate:
        """The certificate of a workflow, with the promise of the log of certificates (RFC 6962) in it."""
        home = f"https://github.com/{repository}"
        workflow = f"{home}/.github/workflows/release.yml@refs/tags/v1"
        claims = {8: _ISSUER, 12: home, 13: "0" * 40, 14: "refs/tags/v1", 18: workflow}
        usage = dict.fromkeys(
            (
                *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
                *("encipher_only", "decipher_only", "key_cert_sign", "crl_sign"),
            ),
            False,
        )
        builder = (
            self._certificate(key, "", days=1)
            .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(workflow)]), critical=True)
        )
        for number, claim in claims.items():
            text = claim.encode()
            length = bytes([len(text)]) if len(text) < 128 else bytes([0x81, len(text)])
            oid = x509.ObjectIdentifier(f"{_CLAIMS}{number}")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, b"\x0c" + length + text), critical=False)
        before = builder.sign(self.authority, hashes.SHA256()).tbs_certificate_bytes
        milliseconds = int(self.now.timestamp() * 1000)
        issuer = hashlib.sha256(self._public(self.authority)).digest()
        length = struct.pack("!I", len(before))[1:]
        signed = struct.pack("!BBQH", 0, 0, milliseconds, 1) + issuer + length + before + b"\0\0"
        signature = self._sign(self.certificates, signed)
        promise = b"\0" + hashlib.sha256(self._public(self.certificates)).digest() + struct.pack("!Q", milliseconds)
        promise += b"\0\0" + b"\x04\x03" + struct.pack("!H", len(signature)) + signature
        several = struct.pack("!HH", len(promise) + 2, len(promise)) + promise
        octets = b"\x04" + (b"\x81" if len(several) > 127 else b"") + bytes([len(several)]) + several
        found = builder.add_extension(x509.UnrecognizedExtension(_CERTIFICATE_TIMESTAMPS, octets), critical=False)
        return found.sign(self.authority, hashes.SHA256())

    def _entry(self, payload: bytes, signature: bytes, leaf: x509.Certificate) -> dict[str, object]:
        """The entry of the transparency log, which is the only one in it."""
        verifier = _text(leaf.public_bytes(Encoding.PEM))
        spec = {
            "envelopeHash": {"algorithm": "sha256", "value": "0" * 64},
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
            "signatures": [{"signature": _text(signature), "verifier": verifier}],
        }
        body = json.dumps({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}, separators=(",", ":")).encode()
        identity, at = hashlib.sha256(self._public(self.log)).digest(), int(self.now.timestamp())
        promised = {"body": _text(body), "integratedTime": at, "logID": identity.hex(), "logIndex": 0}
        promise = self._sign(self.log, json.dumps(promised, separators=(",", ":")).encode())
        root = _text(hashlib.sha256(b"\0" + body).digest())
        note = f"log.example - 1\n1\n{root}\n"
        signed = _text(identity[:4] + self._sign(self.log, note.encode()))
        return {
            "logIndex": "0",
            "logId": {"keyId": _text(identity)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(at),
            "inclusionPromise": {"signedEntryTimestamp": _text(promise)},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": root,
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\N{EM DASH} log.example {signed}\n"},
            },
            "canonicalizedBody": _text(body),
        }

    def _log_document(self, key: ec.EllipticCurvePrivateKey, start: str) -> dict[str, object]:
        public = self._public(key)
        return {
            "baseUrl": "https://log.example",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": _text(public),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": {"start": start},
            },
            "logId": {"keyId": _text(hashlib.sha256(public).digest())},
        }

    @staticmethod
    def _public(key: ec.EllipticCurvePrivateKey) -> bytes:
        return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @staticmethod
    def _sign(key: ec.EllipticCurvePrivateKey, content: bytes) -> bytes:
        return key.sign(content, ec.ECDSA(hashes.SHA256()))
