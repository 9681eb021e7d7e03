"""Results of `adopt`: what was found, written and changed, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from tfprov.harmless import lined
from tfprov.redact import redact
from tfprov.report import documents
from tfprov.report.text import findings as findings_text
from tfprov.report.text import outcome
from tfprov.words import count, quoted

if TYPE_CHECKING:
    from tfprov.adopt.records import Beside, ForeignEnvironment, VersionChange
    from tfprov.pipeline.adopting import Adoption, Surveyed
    from tfprov.report.documents import Document

_FEW = 12
_KINDS = {
    "editable": "editable project",
    "local": "local project",
    "startup": "file that runs when Python starts",
    "file": "file that no package owns",
    "command": "command that no package owns",
    "leftover": "leftover of pip",
}


def text(result: Adoption) -> str:
    """The result of an adoption as text: environment, defects, version changes, next commands."""
    found = result.found
    lines = [f"{found.named}: {what(found)}"]
    if result.findings:
        told = findings_text(result.findings).splitlines()
        lines += ["", "what is wrong with it:", *(f"  {line}" for line in told if not line.startswith("  fix:"))]
    if result.changes:
        lines += ["", "changes from the original:", *_changes(result.changes)]
    else:
        lines += ["", "every version stays as it was found"]
    own = result.carried
    if own.paths:
        lines += ["", f"in no package, and carried over in {own.wheel}:", *(f"  {path}" for path in own.paths)]
    beside = [one for one in found.beside if one.kind != "leftover" and one.path not in own.paths]
    if beside:
        lines += ["", "in no package, and not carried over:", *_beside(beside, own.left)]
    lines += [f"note: {note}" for note in result.wanted.notes]
    lines += ["", f"profile   {result.profile}", f"lock      {result.lock}"]
    if result.outcome is None:
        lines += [f"next      tfprov plan {result.profile.name}; tfprov up {result.profile.name}"]
        return redact(lined(lines))
    lines += ["", *outcome(result.outcome, profile=result.profile.name).splitlines()]
    lines += [
        f"  before    kept in {result.kept}",
        "            `tfprov rollback` goes back to it; `tfprov remove --old` deletes it",
    ]
    return redact(lined(lines))


def what(found: ForeignEnvironment) -> str:
    """A short description of an environment: kind, Python, number of packages."""
    makers = {"conda": "a conda environment", "interpreter": "the packages of an interpreter"}
    kind = makers.get(found.maker, f"an environment made by {found.maker}")
    python = f"Python {found.python.version}" if found.python.version else "an unknown Python"
    return f"{kind}, {python}, {count(len(found.versions), 'package')}"


def _changes(changes: Iterable[VersionChange]) -> Iterator[str]:
    moved = [one for one in changes if one.before is not None and one.after is not None]
    gone = [one for one in changes if one.after is None]
    new = [one for one in changes if one.before is None]
    for group, template in ((moved, "{0.what} {0.before} -> {0.after}"), (gone, "- {0.what} {0.before}")):
        for one in group:
            yield f"  {template.format(one)}"
            yield f"      {one.why}"
    for one in new[:_FEW]:
        yield f"  + {one.what} {one.after}"
        yield f"      {one.why}"
    if len(new) > _FEW:
        yield f"  + {len(new) - _FEW} more that the requested packages need: `--json` has them all"


def _beside(beside: Iterable[Beside], why: Mapping[str, str]) -> Iterator[str]:
    for one in beside:
        yield f"  {one.path}  ({_KINDS[one.kind]}{f': {one.what}' if one.what else ''})"
        if one.path in why:
            yield f"      {why[one.path]}"


def document(result: Adoption) -> Document:
    """The result of an adoption as a JSON document."""
    wanted = asdict(result.wanted)
    return {
        # The `changes` of an outcome compare with an older environment of tfprov, which does not exist yet.
        **(documents.outcome(result.outcome) if result.outcome else {}),
        "found": found_document(result.found),
        "findings": [asdict(one) for one in result.findings],
        "asked": wanted,
        "changes": [asdict(one) for one in result.changes],
        "profile": {"path": result.profile, "text": result.text},
        "lock": result.lock,
        "carried": {
            "wheel": result.profile.with_name(result.carried.wheel) if result.carried.files else None,
            "paths": result.carried.paths,
            "left": result.carried.left,
        },
        "kept": result.kept,
    }


def survey_text(surveyed: Sequence[Surveyed]) -> str:
    """Environments with a TensorFlow that tfprov did not make, each with its defects and the command to adopt it."""
    lines = []
    for one in surveyed:
        found = one.found
        wrong = Counter(each.code for each in one.findings if each.kind != "advice")
        state = ", ".join(f"{code} ({number})" if number > 1 else code for code, number in wrong.items())
        lines.append(str(found.named))
        lines.append(f"  {one.tensorflow or 'TensorFlow of an unknown release'}; {what(found)}")
        lines.append(f"  {f'wrong: {state}' if state else 'no problem is visible in its metadata'}")
        where = "" if one.refusal else " --in-place"
        lines.append(f"  tfprov adopt {quoted(str(found.named))}{where}{f'  ({one.refusal})' if one.refusal else ''}")
    return redact(lined(lines)) if lines else "no environment with a TensorFlow that tfprov did not make"


def survey_document(surveyed: Sequence[Surveyed]) -> Document:
    """The same environments as a JSON document."""
    return {
        "environments": [
            {
                **found_document(one.found),
                "tensorflow": one.tensorflow or None,
                "findings": [asdict(each) for each in one.findings],
                "in_place": not one.refusal,
                "refusal": one.refusal or None,
            }
            for one in surveyed
        ]
    }


def found_document(found: ForeignEnvironment) -> Document:
    """An environment that tfprov did not make, as a JSON document."""
    return {
        "path": found.named,
        "root": found.root,
        "kind": found.kind,
        "maker": found.maker,
        "python": {"version": found.python.version, "path": found.python.path, "problem": found.python.why or None},
        "made_at": found.made_at,
        "packages": [
            {"name": one.project, "version": one.version, "requested": one.is_requested, "installer": one.installer}
            for one in found.distributions
        ],
        "beside": [asdict(one) for one in found.beside],
    }
