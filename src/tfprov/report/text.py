"""Results as plain text of any width. Colour is added by the terminal; nothing depends on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from tfprov.envs.differences import shortened
from tfprov.envs.layout import executables_in
from tfprov.errors import Group, TfprovError
from tfprov.harmless import lined
from tfprov.redact import redact
from tfprov.words import count, duration, powershell_quoted, quoted, size

if TYPE_CHECKING:
    from pathlib import Path, PurePath

    from tfprov.envs.generations import Environment
    from tfprov.envs.records import Defect, Flaw
    from tfprov.fetch.store import Swept
    from tfprov.host.records import MachineChange
    from tfprov.lock.records import Lock
    from tfprov.pipeline.cache import Kept
    from tfprov.pipeline.next_steps import Situation
    from tfprov.pipeline.records import Outcome
    from tfprov.pipeline.support_report import Part
    from tfprov.plan.records import Decision, Plan, Refused
    from tfprov.smoke.records import Device, Verdict

_LABEL = 10
_FINDINGS = 6
_NAMED = 4
"""Most refused candidates that are named on a line."""
_BLOCK_LINES = 24
_SCRIPTS = {"fish": "activate.fish", "csh": "activate.csh", "tcsh": "activate.csh", "pwsh": "activate.ps1"}
"""Activation script for shells that cannot read the one for sh, by name of the shell."""


def error(failure: TfprovError) -> str:
    """A failure: what happened, on what evidence, what was tried, what to do next."""
    lines = [f"error[{failure.code.name}]: {failure.what}"]
    lines += _block("tried", (f"{number}. {text}" for number, text in enumerate(failure.tried, start=1)))
    lines += _block("evidence", _shortened(failure.evidence))
    if failure.hint:
        lines += ["", f"hint: {failure.hint}"]
    if failure.code.group not in {Group.BUG, Group.USAGE, Group.INTERRUPTED}:
        lines.append(f"more: `tfprov explain --code {failure.code.name}`")
    return redact(lined(lines))


def next_steps(situation: Situation) -> str:
    """What was found in a folder, and the commands to continue with."""
    width = max(len(command) for command, _ in situation.steps)
    steps = (f"  {command:{width}}  {what}" for command, what in situation.steps)
    return lined((situation.words, "", *steps, "", "`tfprov --help` lists all commands"))


def outcome(
    result: Outcome, *, profile: str, shell: str = "", unchanged: str = "is already verified: nothing to do"
) -> str:
    """The outcome of `up`, and how to use the environment.

    Args:
        result: of the run.
        profile: as the user named it.
        shell: path of the user's shell, which decides how to activate; empty for a shell like sh.
        unchanged: what to say of an environment that needed nothing.
    """
    seal = result.generation.sealed
    target = seal.target
    head = f"TensorFlow {seal.tensorflow} on Python {seal.python_version}"
    place = result.environment.stable
    if result.rolled_back:
        lines = [f"{head} stays in use: generation {result.generation.number}, after the rollback"]
    elif result.already:
        lines = [f"{head} {unchanged}"]
    else:
        lines = [f"{head} is verified ({seal.level})"]
        extras = f"[{','.join(target.extras)}]" if target.extras else ""
        lines += _block("chosen", (f"{target.package}{extras} {target.version}, {target.accelerator}", seal.why))
        if result.decision:
            lines += _block("python", (f"{seal.python_version} ({seal.python})", result.decision.python.why))
        if result.verdict:
            lines += _block("devices", (device_line(device) for device in result.verdict.devices))
            lines += _block("note", (result.verdict.note,) if result.verdict.note else ())
        lines += _block("changes", (shortened(result.changes),) if result.changes else ())
        lines += _block("cured", (str(cure) for cure in seal.cures))
        moved = f"{size(result.bytes_fetched)} fetched, {size(result.bytes_reused)} from the store"
        lines += _block("bytes", (f"{moved}, {size(seal.bytes)} on disk",))
        slow = [f"{name} {duration(seconds)}" for name, seconds in result.stages if seconds >= 0.1]
        total = sum(seconds for _, seconds in result.stages)
        lines += _block("time", (f"{duration(total)}: {', '.join(slow)}",))
    lines += _block("place", (str(place),))
    # A conda environment has no such scripts; a shell runs those of its packages.
    conda = seal.kind == "conda"
    folder = executables_in(place)
    lines += _block(
        "use",
        (
            f"tfprov run {quoted(profile)} -- python",
            *(
                (f"tfprov shell {quoted(profile)}",)
                if conda
                else activation(folder, shell, for_cmd=(folder / "activate.bat").is_file())
            ),
        ),
    )
    return redact(lined(lines))


def activation(folder: PurePath, shell: str, *, for_cmd: bool = True) -> tuple[str, ...]:
    """The commands that activate an environment.

    Args:
        folder: of its scripts.
        shell: path of the user's shell; empty on Windows, for PowerShell and cmd.
        for_cmd: whether there is a script for cmd: virtualenv makes none where the path has a character such as `&`.
    """
    name = shell.rpartition("/")[2]
    script = str(folder / _SCRIPTS.get(name, "activate"))
    windows = not name and folder.name == "Scripts"
    powershell = f"& {powershell_quoted(str(folder / 'activate.ps1'))}"
    if windows:
        cmd = f"{quoted(str(folder / 'activate.bat'), windows=True)}  (cmd)"
        return (f"{powershell}  (PowerShell)", *((cmd,) if for_cmd else ()))
    return (powershell if name == "pwsh" else f"source {quoted(script, windows=False)}",)


def lock(found: Lock) -> str:
    """A lock: path, content, download size and changes."""
    target = found.target
    known = [file.size for file in found.files if file.size is not None]
    lines = [f"{found.path} holds {count(len(found.files), 'file')}: {target.package} {target.version}"]
    lines[0] += f" for Python {target.python} on {target.platform}"
    if len(known) == len(found.files):
        lines += _block("size", (f"{size(sum(known))} to download",))
    lines += _block("renewed", found.changes or ("no: it was up to date",))
    return redact(lined(lines))


def device_line(device: Device) -> str:
    """One device: its name, whether it passed, failed checks, and skipped checks with reasons."""
    name = f"{device.name} ({device.description})" if device.description else device.name
    skipped = [leg for leg in device.legs if leg.skipped]
    reasons = "; ".join(f"{leg.leg}: {_first_line(leg.evidence)}" for leg in skipped)
    left_out = f", {len(skipped)} skipped ({reasons})" if skipped else ""
    if device.ok:
        return f"{name}: passed {count(len(device.legs) - len(skipped), 'check')}{left_out}"
    bad = "; ".join(f"{leg.leg}: {leg.code}" for leg in device.legs if not leg.ok)
    return f"{name}: FAILED: {bad or 'nothing was checked'}{left_out}"


def verdict(found: Verdict) -> str:
    """A verdict: each leg of each device, then the numbers of passed, failed and skipped checks."""
    lines = [f"TensorFlow {found.tensorflow or '(not importable)'}: {'verified' if found.ok else 'NOT verified'}"]
    lines[0] += f" ({found.level}, {duration(found.seconds)})"
    for device in found.devices:
        lines.append(f"  {device.name}" + (f"  {device.description}" if device.description else ""))
        for leg in device.legs:
            mark = "skip" if leg.skipped else "ok  " if leg.ok else "FAIL"
            code = f"  {leg.code}" if leg.code else ""
            first, *rest = leg.evidence.splitlines() or [""]
            lines.append(f"    {mark} {leg.leg:<18} {duration(leg.seconds):>7}{code}  {first}".rstrip())
            lines += [f"         {text}" for text in rest]
    lines.append(f"  {tally(found)}")
    lines += [f"  cured: {text}" for text in found.cures]
    if found.note:
        lines.append(f"  note: {found.note}")
    return redact(lined(lines))


def tally(found: Verdict) -> str:
    """Numbers of passed, failed and skipped checks, with the reasons for the skipped ones."""
    legs = [leg for _, leg in found.legs]
    skipped = [leg for leg in legs if leg.skipped]
    parts = [f"{sum(leg.ok and not leg.skipped for leg in legs)} passed"]
    failed = sum(not leg.ok for leg in legs)
    parts += [f"{failed} failed"] if failed else []
    if skipped:
        reasons: dict[str, list[str]] = {}
        for leg in skipped:
            reasons.setdefault(_first_line(leg.evidence), []).append(leg.leg)
        why = "; ".join(f"{', '.join(dict.fromkeys(names))}: {reason}" for reason, names in reasons.items())
        parts.append(f"{len(skipped)} skipped ({why})")
    return ", ".join(parts)


def plan(found: Plan, *, verbose: bool = False) -> str:
    """A plan: choices, refused candidates with reasons, and sizes as far as they are known."""
    lines = ["tfprov up would make:"]
    lines += _decision(found.decision)
    if found.changes is not None:
        lines += _block("changes", (", ".join(found.changes) or "none: the same packages",))
    known = [
        f"{size(value)} {word}"
        for value, word in (
            (found.download_bytes, "to download"),
            (found.unpacked_bytes, "unpacked"),
            (found.peak_disk_bytes, "of disk at most"),
        )
        if value is not None
    ]
    if found.fetch_bytes is not None:
        here = " (the rest is in the store)" if found.fetch_bytes < (found.download_bytes or 0) else ""
        known[: found.download_bytes is not None] = [f"{size(found.fetch_bytes)} to download{here}"]
    if found.files is not None:
        known.append(count(found.files, "file"))
    lines += _block("size", ((", ".join(known),) if known else ("unknown before the lock",)))
    moved = found.download_bytes if found.fetch_bytes is None else found.fetch_bytes
    if found.build_seconds is not None and moved is not None:
        slow, fast = (duration(moved / speed) for speed in (10e6, 100e6))
        lines += _block(
            "time", (f"about {duration(found.build_seconds)}, and the download: {slow} at 10 MB/s, {fast} at 100 MB/s",)
        )
    lines += _block("notes", found.notes)
    if found.refused:
        lines += ["", f"refused ({len(found.refused)}):"]
        lines += refusals(found.refused, verbose=verbose)
    return redact(lined(lines))


def refusals(refused: Iterable[Refused], *, verbose: bool = False) -> list[str]:
    """Refused candidates grouped by reason, on one line per reason."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for one in refused:
        by_reason.setdefault((one.code, one.why), []).append(one.what)
    lines = []
    for (code, why), names in by_reason.items():
        shown = ", ".join(names) if verbose else shortened(names, most=_NAMED)
        lines.append(f"  {shown}")
        lines.append(f"    {code}: {why}")
    return lines


def findings(found: Iterable[Defect]) -> str:
    """The findings of `doctor`, by code, a few of each."""
    from tfprov.envs.records import Defect

    by_code: dict[str, list[Defect]] = {}
    for one in found:
        by_code.setdefault(one.code, []).append(one)
    if not by_code:
        return "every file matches its package, and nothing interferes with the environment"
    lines = []
    for code, group in by_code.items():
        lines.append(f"{code}: {count(len(group), 'finding')}")
        kinds = list(Defect.alike(group))
        for one, others in kinds[:_FINDINGS]:
            lines.append(f"  {one.path}{others}")
            lines.append(f"    expected {one.expected}; found {one.found}")
        if len(kinds) > _FINDINGS:
            lines.append(f"  … and {len(kinds) - _FINDINGS} more: `--json` has them all")
        lines.append(f"  fix: {group[0].fix}")
    return redact(lined(lines))


def kept(found: Iterable[Kept]) -> str:
    """Folders with their sizes, one per line, and the total."""
    folders = tuple(found)
    rows = [f"{one.what:<12} {size(one.bytes):>9}  {count(one.files, 'file'):>14}  {one.path}" for one in folders]
    total = size(sum(one.bytes for one in folders))
    return lined([*rows, f"{'together':<12} {total:>9}  (shared files are counted once, in the first)"])


def swept(found: Swept) -> str:
    """What was deleted from the disk, as one line."""
    if not found.files and not found.bytes:
        return "nothing to remove: what is kept is in use, or within the limit (`tfprov cache info`)"
    return f"removed {count(found.files, 'file')}, {size(found.bytes)} of the disk"


def support_report(parts: Iterable[Part]) -> str:
    """The parts of a support report, one per line, shown before it is written."""
    rows = [f"  {part.name:<28} {size(len(part.text.encode())):>9}  {part.what}" for part in parts]
    return lined(["the report would contain (without credentials, user names, host names and homes):", *rows])


def listing(
    environments: Iterable[Environment],
    flaws: Mapping[Path, Flaw] = MappingProxyType({}),
    differences: Mapping[Path, tuple[str, ...]] = MappingProxyType({}),
    changes: Mapping[Path, tuple[MachineChange, ...]] = MappingProxyType({}),
) -> str:
    """Environments with their generations.

    Args:
        environments: in display order.
        flaws: reasons why generations must not be used, by folder.
        differences: changes of packages from the generation before, by folder.
        changes: changes of this machine since a generation was proved, by folder.
    """
    from tfprov.pipeline.named import of_nobody

    lines = []
    for environment in environments:
        active = environment.active()
        generations = environment.generations()
        lines.append(f"{environment.owner.name}  {environment.place}")
        if environment.owner.is_known:
            lines.append(f"  profile {environment.owner.profile}")
        else:
            damage = of_nobody(environment)
            lines += [f"  damaged ({damage.code.name}): {damage.what}", f"  next    {damage.hint}"]
        for generation in reversed(generations):
            seal = generation.seal
            if seal is None:
                continue
            mark = "*" if active and generation.number == active.number else " "
            if seal.adopted:
                lines.append(f"  {mark} {generation.number}  as it was found at {seal.adopted} on {seal.sealed_at}")
                continue
            lines.append(
                f"  {mark} {generation.number}  TensorFlow {seal.tensorflow} ({seal.target.accelerator})"
                f"  Python {seal.python_version}  {size(seal.bytes)}  verified {seal.sealed_at} ({seal.level})"
            )
            if generation.path in differences:
                lines.append(f"      {shortened(differences[generation.path]) or 'the same packages'}")
            lines += [f"      cured: {cure}" for cure in seal.cures]
            if generation.path in flaws:
                lines.append(f"      unusable ({flaws[generation.path].code}): {flaws[generation.path].words}")
            lines += [f"      stale ({each.code}): {each}" for each in changes.get(generation.path, ())]
        if not generations:
            lines.append("    no verified generation")
    return lined(lines) if lines else "no environments yet: `tfprov up PROFILE` makes one"


def _first_line(text: str) -> str:
    return (text.splitlines() or ["no reason given"])[0]


def _shortened(evidence: Iterable[str]) -> list[str]:
    """The evidence, with long blocks (a tool's output, a traceback) cut in the middle; `--json` has all of it."""
    rows: list[str] = []
    for text in evidence:
        block = [row for row in text.splitlines() if row.strip()]
        left_out = len(block) - _BLOCK_LINES
        if left_out > 1:
            half = _BLOCK_LINES // 2
            block[half:-half] = [f"… {left_out} lines; `--json` shows them"]
        rows += block
    return rows


def _decision(decision: Decision) -> list[str]:
    chosen = decision.tensorflow
    extras = f"[{','.join(chosen.extras)}]" if chosen.extras else ""
    where = f" ({decision.python.path})" if decision.python.path else " (to be installed)"
    lines = _block("chosen", (f"{chosen.package}{extras} {chosen.version} on {chosen.accelerator}", chosen.why))
    lines += _block("python", (f"{decision.python.version}{where}", decision.python.why))
    lines += _block("with", (f"{one.requirement}: {one.why}" for one in (*decision.also, *decision.constraints)))
    lines += _block("without", (f"{one.requirement}: {one.why}" for one in decision.without))
    lines += _block("variables", (f"{one.name}={one.value}: {one.why}" for one in decision.variables))
    return lines


def _block(label: str, texts: Iterable[str]) -> list[str]:
    """Texts under a label; the lines of a multi-line text stay together."""
    rows = [row for text in texts if text for row in text.splitlines()]
    return [f"  {label if number == 0 else '':<{_LABEL}}{row}" for number, row in enumerate(rows)]
