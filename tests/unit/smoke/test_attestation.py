from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tfprov.errors import TfprovError
from tfprov.report import fleet
from tfprov.report.verdicts import ReportFiles, save
from tfprov.smoke.attestation import Envelope, check_command, opened, sealed, statement, unverified
from tfprov.smoke.receipt import make
from tfprov.smoke.records import Device, Leg, Verdict
from told import refusal

NOW = datetime(2031, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
GOOD = Leg(leg="matmul", ok=True, seconds=0.1)
SKIPPED = Leg(leg="all-reduce", ok=True, seconds=0.0, skipped=True)
BAD = Leg(leg="matmul", ok=False, seconds=0.1, code="wrong-number", evidence="off by 3")
LOCK = "ab" * 32


def verdict(*legs: Leg) -> Verdict:
    return Verdict(level="quick", devices=(Device(name="CPU:0", kind="cpu", legs=legs),), tensorflow="2.21.0")


def test_a_statement_says_what_the_receipt_says_in_the_words_of_in_toto() -> None:
    receipt = make(verdict(GOOD, SKIPPED), now=NOW, version="0.1", lock=LOCK, machine={"system": "x"})
    found = statement(receipt, lock_name="pylock.train.toml")
    predicate = found["predicate"]
    assert isinstance(predicate, dict)
    own = predicate.pop("tfprov")
    assert found == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "pylock.train.toml", "digest": {"sha256": LOCK}}],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": "PASSED",
            "configuration": [
                {"name": "machine", "digest": {"sha256": receipt.facts}},
                {"name": "tfprov 0.1", "annotations": {"level": "quick"}},
            ],
            "passedTests": ["CPU:0 matmul"],
            "warnedTests": ["CPU:0 all-reduce"],
            "failedTests": [],
        },
    }
    assert (own["receipt"], own["lock"], own["made"]) == (1, LOCK, "2031-02-03T04:05:06+00:00")
    failed = statement(make(verdict(BAD, GOOD), now=NOW, version="0.1", lock=LOCK, machine={}), lock_name="x")[
        "predicate"
    ]
    assert isinstance(failed, dict)
    assert (failed["result"], failed["failedTests"]) == ("FAILED", ["CPU:0 matmul"])


def test_without_a_lock_there_is_no_subject() -> None:
    unlocked = make(verdict(GOOD), now=NOW, version="0.1", lock=None, machine={})
    assert refusal(lambda: statement(unlocked, lock_name="x")) == (
        *("usage", "an environment without a lock has nothing that a statement could be about"),
        "write a receipt with `--receipt`, or take it over with `tfprov adopt`",
    )


@pytest.fixture
def key(tmp_path: Path) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path / "kéys of the site"
    folder.mkdir()
    private = ec.generate_private_key(ec.SECP256R1())
    (folder / "key.pem").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (folder / "pub.pem").write_bytes(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return folder


def signing(key: Path) -> str:
    return f"openssl dgst -sha256 -sign {shlex.quote(str(key / 'key.pem'))} -out {{}}.sig {{}}"


def verifying(key: Path) -> str:
    return f"openssl dgst -sha256 -verify {shlex.quote(str(key / 'pub.pem'))} -signature {{}}.sig {{}}"


def attested(path: Path, found: Verdict, sign_with: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    files = ReportFiles(attest=path, sign_with=sign_with)
    files.check()
    save(found, files, title="train", now=NOW, version="0.1", lock=LOCK, machine=dict, environ=os.environ)
    return path


def test_a_signature_is_good_for_a_verifier_that_knows_dsse_alone(tmp_path: Path, key: Path) -> None:
    content = json.loads(attested(tmp_path / "a.json", verdict(GOOD), signing(key)).read_text())
    payload = base64.b64decode(content["payload"])
    (signature,) = content["signatures"]
    kind = content["payloadType"].encode()
    # The encoding as the specification of DSSE writes it.
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    public = serialization.load_pem_public_key((key / "pub.pem").read_bytes())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(base64.b64decode(signature["sig"]), signed, ec.ECDSA(hashes.SHA256()))


def test_gather_believes_what_was_signed_and_nothing_else(tmp_path: Path, key: Path) -> None:
    results = tmp_path / "results"
    attested(results / "good.json", verdict(GOOD), signing(key))
    attested(results / "bad.json", verdict(BAD), signing(key))
    attested(results / "unsigned.json", verdict(GOOD))
    forged = json.loads((results / "bad.json").read_text())
    forged["payload"] = json.loads((results / "good.json").read_text())["payload"]
    (results / "forged.json").write_text(json.dumps(forged))
    (results / "plain.json").write_text(json.dumps({"command": "smoke", "ok": True}))
    files = sorted(results.glob("*.json"))
    hosts = {one.name: one for one in fleet.gather(files, verify_with=verifying(key), environ=os.environ)}
    assert {name: (one.state, one.code) for name, one in hosts.items()} == {
        "good": ("verified", None),
        "bad": ("failed", None),
        "unsigned": ("failed", "signature-invalid"),
        "forged": ("failed", "signature-invalid"),
        "plain": ("failed", "signature-invalid"),
    }
    assert hosts["unsigned"].evidence == ("it is not signed",)
    assert hosts["plain"].evidence == ("it is not a statement",)
    assert [(check.device, check.leg) for check in hosts["good"].checks] == [("CPU:0", "matmul")]
    # Without a command the statement counts as what it says.
    assert {one.name: one.state for one in fleet.gather(files)}["unsigned"] == "verified"


def test_a_receipt_is_a_result_too(tmp_path: Path) -> None:
    files = ReportFiles(receipt=tmp_path / "a.json")
    save(verdict(GOOD), files, title="train", now=NOW, version="0.1", lock=LOCK, machine=dict, environ={})
    (host,) = fleet.gather([tmp_path / "a.json"])
    assert (host.state, host.tensorflow) == ("verified", "2.21.0")


@pytest.mark.skipif(os.name != "posix", reason="programs of a shell")
@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("true", "the command of `--sign-with` does not name the file that it is about"),
        ("true '{}", "the command of `--sign-with` cannot be read: No closing quotation"),
        ("true {}", "the command of `--sign-with` left no signature: it ended with status 0"),
        (
            "sh -c 'echo no key >&2; exit 3' {}",
            "the command of `--sign-with` left no signature: it ended with status 3",
        ),
        (
            "no-such-program {}",
            "the command of `--sign-with` cannot be started: [Errno 2] No such file or directory: 'no-such-program'",
        ),
    ],
)
def test_a_command_that_does_not_sign_is_said_and_nothing_is_written(tmp_path: Path, command: str, what: str) -> None:
    with pytest.raises(TfprovError) as raised:
        attested(tmp_path / "a.json", verdict(GOOD), command)
    assert (raised.value.code.name, raised.value.what) == ("usage", what)
    if "left no signature" in what:
        words = "it has to sign the file `{}` and to write `{}.sig`, without asking for anything"
        assert raised.value.hint == words
    elif "does not name" in what:
        assert raised.value.hint == "`{}` stands for the file, `{}.sig` for its signature"
    assert list(tmp_path.iterdir()) == []


def test_a_backslash_belongs_to_a_path_of_windows() -> None:
    command = r"'C:\Program Files\openssl.exe' dgst -out {}.sig C:\keys\{}"
    assert check_command(command, "--sign-with", windows=True) == [
        r"C:\Program Files\openssl.exe",
        *("dgst", "-out", "{}.sig"),
        r"C:\keys\{}",
    ]
    assert check_command(r"my\ key {} # {}", "--sign-with", windows=False) == ["my key", "{}", "#", "{}"]


def test_envelopes_of_others_are_known_and_stay(tmp_path: Path) -> None:
    other = sealed({"_type": "https://in-toto.io/Statement/v1"}, sign_with="", environ={})
    (tmp_path / "a.json").write_bytes(other)
    assert opened(json.loads(other)) is not None
    with pytest.raises(TfprovError) as raised:
        ReportFiles(attest=tmp_path / "a.json").check()
    assert raised.value.code.name == "path-not-ours"
    with pytest.raises(TfprovError, match="not the result of a host"):
        fleet.gather([tmp_path / "a.json"])
    words = "`--sign-with` signs the statement of `--attest`, which is not given"
    assert refusal(ReportFiles(sign_with="true {}").check)[:2] == ("usage", words)


@pytest.mark.skipif(os.name == "nt", reason="a command for a POSIX shell")
def test_a_statement_with_thousands_of_signatures_starts_few_commands(tmp_path: Path) -> None:
    envelope = Envelope(payload=b"{}", signatures=(b"x",) * 1000)
    command = f"sh -c 'echo >> {tmp_path}/started; exit 1' {{}}"
    assert unverified(envelope, verify_with=command, environ=os.environ)
    assert len((tmp_path / "started").read_text()) < 100
