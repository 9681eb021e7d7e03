"""Files made from a verdict (JUnit XML, HTML page, receipt, statement), and the comparison with an older receipt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.harmless import lined
from tfprov.redact import redact
from tfprov.report import html, junit
from tfprov.report.page import PAGE
from tfprov.smoke import attestation
from tfprov.smoke import receipt as receipts
from tfprov.smoke.receipt import Difference
from tfprov.smoke.records import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """The files to write, and the receipt to compare with; None for those that are not requested.

    Attributes:
        attest: path of a statement that others can verify.
        sign_with: command that signs the statement; empty for none.
    """

    junit: Path | None = None
    html: Path | None = None
    receipt: Path | None = None
    against: Path | None = None
    attest: Path | None = None
    sign_with: str = ""

    def check(self) -> None:
        """Check that each file may be written.

        Raises:
            TfprovError: `path-not-ours` when a path holds something that tfprov did not write; `usage` for a signing
                command that cannot be used.
        """
        if self.sign_with:
            if self.attest is None:
                raise TfprovError("usage", "`--sign-with` signs the statement of `--attest`, which is not given")
            attestation.check_command(self.sign_with, "--sign-with")
        products = (
            (self.junit, junit.JUNIT),
            (self.html, PAGE),
            (self.receipt, receipts.RECEIPT),
            (self.attest, attestation.STATEMENT),
        )
        for path, product in products:
            if path is not None:
                product.check(path)


def save(
    found: Verdict,
    files: ReportFiles,
    *,
    title: str,
    now: datetime,
    version: str,
    lock: str | None,
    machine: Callable[[], Mapping[str, str]],
    environ: Mapping[str, str],
) -> tuple[Difference, ...]:
    """Write the requested files and compare with the older receipt.

    Args:
        found: good or bad.
        files: paths. The older receipt is read before anything is written, because it may be one of those paths.
        title: name of the environment.
        now: time of the test, with a time zone.
        version: version of tfprov.
        lock: digest of the lock; None when there is none.
        machine: describes the machine; called only for a receipt.
        environ: environment variables of the signing command.

    Returns:
        Differences from the older receipt; empty when there is none.

    Raises:
        TfprovError: the older receipt cannot be read; `path-not-ours`, see `ReportFiles.check`.
        OSError: a file cannot be written.
    """
    older = None if files.against is None else receipts.read(files.against)
    if files.junit is not None:
        junit.JUNIT.write(files.junit, junit.render(found).encode())
    if files.receipt is None and older is None and files.attest is None:
        if files.html is not None:
            PAGE.write(files.html, html.render(found, title=title, made=now).encode())
        return ()
    made = receipts.make(found, now=now, version=version, lock=lock, machine=machine())
    differences = () if older is None else receipts.compare(older, made)
    if files.html is not None:
        since = None if older is None else older.made
        PAGE.write(files.html, html.render(found, title=title, made=now, since=since, differences=differences).encode())
    if files.receipt is not None:
        receipts.write(files.receipt, made)
    if files.attest is not None:
        statement = attestation.statement(made, lock_name=f"lock of {title}")
        content = attestation.sealed(statement, sign_with=files.sign_with, environ=environ)
        attestation.STATEMENT.write(files.attest, content)
    return differences


def text(differences: Sequence[Difference]) -> str:
    """Differences from a receipt as text, one per line."""
    if not differences:
        return "it matches the receipt"
    lines = ["different from the receipt:"]
    for one in differences:
        mark = "!" if one.worse else " "
        lines.append(f"  {mark} {one.what}: {one.was or 'not there'} -> {one.now or 'not there'}")
    return redact(lined(lines))


def document(differences: Sequence[Difference]) -> list[dict[str, object]]:
    """Differences from a receipt as a JSON document."""
    return [asdict(one) for one in differences]


def loss(differences: Sequence[Difference]) -> TfprovError | None:
    """The error for a good verdict that proves less than the receipt; None when it proves as much."""
    worse = [one for one in differences if one.worse]
    if not worse:
        return None
    code = "gpu-missing-in-tf" if worse[0].what.startswith("GPU") else "probe-failed"
    return TfprovError(
        code,
        "less is proved here than in the receipt",
        evidence=tuple(f"{one.what}: {one.was} there, {one.now or 'nothing'} here" for one in worse[:10]),
    )
