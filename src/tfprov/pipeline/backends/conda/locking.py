"""Makes and reads the lock of a conda environment: its conda packages, and wheels in addition to them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from tfprov.conda import channels as places
from tfprov.conda import client, specs, virtual
from tfprov.conda.client import Solve
from tfprov.conda.records import CondaHeader, CondaInputs, CondaLock, CondaPart, Package, Solved
from tfprov.contents import content_of
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.host.records import Facts, Interpreter
from tfprov.lock import pylock
from tfprov.lock.merging import check_merged
from tfprov.lock.records import Header, LockedFile
from tfprov.lock.target_records import Target
from tfprov.pipeline.backends.conda.solving import asked_of, channels_of, solve, subdir_of, veil_of
from tfprov.pipeline.backends.venv.lock_on_disk import inputs, platform_of, require_change_allowed
from tfprov.pipeline.backends.venv.locking import resolve_for
from tfprov.pipeline.backends.venv.resolving import Provided, Selection
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.records import Choice, Locked
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.demands import gather
from tfprov.plan.records import Decision, LockedChoice, Plan
from tfprov.plan.tags import marker_environment, supported_tags
from tfprov.process import clean_environment
from tfprov.products import foreign
from tfprov.profile.records import Loaded
from tfprov.redact import without_userinfo
from tfprov.structured import minor_of
from tfprov.temporary import temporary
from tfprov.times import moment
from tfprov.wants.conda_specs import CondaSpec


def lock(context: Context, machine: Machine, choice: Choice) -> Locked:
    """The conda packages and wheels for a machine, from the lock on disk, which is made or renewed if necessary.

    Raises:
        TfprovError: `lock-missing` or `lock-unfit` when the lock must not be changed; `lock-invalid`; the failure of
            the solver or the resolver.
    """
    path, plan = context.lock_path, choice.plan
    if context.request.host is not None:
        machine = _reached_from_here(context, machine)
    if context.loaded.profile.lock.platforms:
        told = "`lock.platforms` is for venvs: this conda lock is for one platform; `tfprov lock --host` makes another"
        context.emit(Note(text=told, level="warning"))
    changes = _why_solve(context, machine) or tuple(filter(None, (choice.instead,)))
    if changes:
        require_change_allowed(context, changes)
        _make(context, machine, plan, path)
    part, wheels, digest = _read(context, machine)
    python = part.python
    if python is None:
        raise TfprovError("lock-invalid", f"`{path}` contains no Python")
    found = CondaLock(
        path=path,
        digest=digest,
        target=part.header.target,
        files=_files(part.packages, wheels),
        changes=changes,
        part=part,
    )
    interpreter = Interpreter(path=f"conda {python.stem}", version=python.version, found_by="conda")
    return Locked(plan=plan, interpreter=interpreter, lock=found)


def expected_files(context: Context, machine: Machine, choice: Choice) -> tuple[LockedFile, ...] | None:
    """See `Backend.expected_files`. Solving is slow, so it is done only if there is an environment to compare with."""
    request = context.request
    if request.host is not None:
        return None
    try:
        if not _why_solve(context, machine):
            part, wheels, _ = _read(context, machine)
            return _files(part.packages, wheels)
        if request.locked or context.environment.active() is None:
            return None
        solved, _, wheels, _ = _content(context, machine, choice.plan)
        return _files(solved.packages, wheels)
    except TfprovError:
        return None  # `up` reports why, after trying everything that may help


def _files(packages: Sequence[Package], wheels: Sequence[LockedFile]) -> tuple[LockedFile, ...]:
    files = (*(package.file for package in packages), *wheels)
    return tuple(sorted(files, key=lambda file: (file.name, file.filename)))


def _reached_from_here(context: Context, machine: Machine) -> Machine:
    """The other machine, with the network settings and interpreters of this one, which does the work."""
    from tfprov.host import facts as host_facts

    here = host_facts.gather(context.request.environ, cache=context.home.cache / "interpreters.json")
    reached = dataclasses.replace(
        machine.facts,
        index=here.index,
        proxies=here.proxies,
        certificates=here.certificates,
        interpreters=here.interpreters,
    )
    return Machine(context, reached)


def choose(context: Context, machine: Machine) -> Choice:
    """See `Backend.choose`. Which packages the channels have, the solver finds out when the lock is made."""
    locked = _locked_choice(context, machine)
    offered = None if locked is not None or context.request.host is not None else machine.offers
    return Choice(plan=decide(context.loaded.asked, machine.facts, table(), offered, locked))


def _locked_choice(context: Context, machine: Machine) -> LockedChoice | None:
    """The choice in an up-to-date lock, which the plan must follow; None when a new lock will be made."""
    if context.request.upgrade or context.request.host is not None or not context.lock_path.exists():
        return None
    part, _, _ = _read(context, machine)
    if _inputs(context.loaded).changes_from(part.header.inputs):
        return None
    target = part.header.target
    return LockedChoice(
        package=target.package, version=target.version, python_minor=target.python, accelerator=target.accelerator
    )


def _read(context: Context, machine: Machine) -> tuple[CondaPart, tuple[LockedFile, ...], str]:
    path = context.lock_path
    try:
        raw = content_of(path)
    except OSError as error:
        raise TfprovError("lock-invalid", f"`{path}` cannot be read", evidence=(str(error),)) from error
    check_merged(path, raw)
    digest = hashlib.sha256(raw).hexdigest()
    client.require_extra()
    part, wheels = client.read_lock(
        path,
        subdir=subdir_of(machine.facts),
        environ=clean_environment(context.request.environ),
        cache=_answers(context),
        digest=digest,
        emit=context.emit,
    )
    return part, wheels, digest


def _answers(context: Context) -> Path:
    """Folder of what the worker read in locks, by their content."""
    return context.home.cache / "conda" / "locks"


def _why_solve(context: Context, machine: Machine) -> tuple[str, ...]:
    if not context.lock_path.exists():
        return ("there is no lock yet",)
    if context.request.upgrade:
        if b"created_by: tfprov" not in content_of(context.lock_path):
            raise foreign(context.lock_path, "`metadata.custom_metadata` does not name it")
        return ("an upgrade was asked for",)
    part, _, _ = _read(context, machine)
    return _inputs(context.loaded).changes_from(part.header.inputs)


def _inputs(loaded: Loaded) -> CondaInputs:
    profile = loaded.profile
    common = {field.name: getattr(inputs(loaded), field.name) for field in dataclasses.fields(inputs(loaded))}
    return CondaInputs(
        **common,
        # As written in the profile: with the names of variables, never with their values.
        channels=profile.conda.channels,
        conda_packages=profile.conda.packages,
        conda_tensorflow=profile.conda.tensorflow,
        cuda=profile.conda.cuda or "",
    )


def _make(context: Context, machine: Machine, plan: Plan, path: Path) -> None:
    solved, wanted, wheels, target = _content(context, machine, plan)
    veil = veil_of(context)
    with temporary("conda") as scratch:
        client.write_lock(
            path,
            header=CondaHeader(
                inputs=_inputs(context.loaded),
                target=target,
                virtual=solved.virtual,
                specs=tuple(spec.plain for spec in wanted),
            ),
            subdir=subdir_of(machine.facts),
            channels=tuple(veil.template(channel.name) for channel in channels_of(context)),
            packages=solved.packages,
            wheels=wheels,
            environ=clean_environment(context.request.environ),
            scratch=scratch,
            cache=_answers(context),
            emit=context.emit,
        )


def _content(
    context: Context, machine: Machine, plan: Plan
) -> tuple[Solved, tuple[CondaSpec, ...], tuple[LockedFile, ...], Target]:
    """The content of a new lock: conda packages, the requested specs, wheels, and the target.

    Raises:
        TfprovError: `several-tensorflows`; the failure of the solver or the resolver.
    """
    client.require_extra()
    decision, profile = plan.decision, context.loaded.profile
    older = _older(context, machine)
    asked, _ = asked_of(context)
    specs.check_one_tensorflow(asked, profile.conda.tensorflow)
    solved, wanted = _solve(context, machine, decision, asked, older[0] if older else ())
    python = solved.named("python")
    if python is None:
        raise TfprovError("conda-package-missing", "the channels have no Python for this platform")
    own = [package.name for package in solved.packages if package.name in specs.TENSORFLOWS]
    if own and profile.conda.tensorflow == "wheel":
        raise TfprovError(
            "several-tensorflows",
            f"a conda package installs `{own[0]}`, but TensorFlow is installed from a wheel",
            evidence=tuple(f"`{one.stem}` needs `{own[0]}`" for one in solved.packages if own[0] in one.depends),
            hint='use `conda.tensorflow = "conda"`, or leave out the package that needs it',
        )
    wheels, target = _wheels(context, machine, decision, solved, python=python, older=older[1] if older else ())
    return solved, wanted, tuple(wheels), target


def _older(context: Context, machine: Machine) -> tuple[tuple[Package, ...], tuple[LockedFile, ...]] | None:
    """The packages and wheels of the lock on disk, whose versions to keep; None without one, and for an upgrade."""
    if context.request.upgrade or not context.lock_path.exists():
        return None
    part, wheels, _ = _read(context, machine)
    return part.packages, wheels


def _solve(
    context: Context, machine: Machine, decision: Decision, asked: Sequence[CondaSpec], older: tuple[Package, ...]
) -> tuple[Solved, tuple[CondaSpec, ...]]:
    profile, facts = context.loaded.profile, machine.facts
    accelerator = decision.tensorflow.accelerator
    python = decision.python
    wanted = [specs.of_python((python.version, *python.alternatives), profile.python.version)]
    if profile.conda.tensorflow == "conda":
        clauses = [clause.specifier for clause in gather(context.loaded.asked, facts).clauses]
        wanted.append(specs.of_tensorflow(clauses, accelerator))
    # Users expect pip in a conda environment. Unlike conda, the library does not add it.
    wanted += [CondaSpec(name="pip"), *(spec for spec in asked if spec.name != "pip")]
    has = virtual.about_cuda(accelerator, _cuda(context, machine, decision) if accelerator == "cuda" else None)
    elsewhere = context.request.host is not None
    if elsewhere:
        has = (*virtual.of_facts(facts), *has)
    channels = channels_of(context)
    question = Solve(
        channels=channels,
        subdir=subdir_of(facts),
        specs=tuple(map(str, wanted)),
        virtual=has,
        detect=not elsewhere,
        prefer=older,
        relax=tuple(specs.relaxations(wanted, has, channels, cuda=accelerator == "cuda")),
        exclude_newer=None if profile.index.exclude_newer is None else moment(profile.index.exclude_newer),
    )
    return solve(context, machine, question), tuple(wanted)


def _cuda(context: Context, machine: Machine, decision: Decision) -> str | None:
    """The CUDA version to assume for the solver: the highest one that the driver supports; None if unknown.

    If GPUs are to be used on a later target (`smoke.gpu`), it is `conda.cuda` of the profile, or the version that
    TensorFlow needs.
    """
    profile, driver = context.loaded.profile, machine.facts.driver.value
    if profile.smoke.gpu == "now":
        return driver.cuda if driver else None
    if profile.conda.cuda is not None:
        return profile.conda.cuda
    known = table()
    if profile.conda.tensorflow == "conda":
        found = next((row.cuda for row in known.conda if row.cuda), None)
    else:
        built = {row.version: row.cuda.built_for for row in known.releases if row.cuda is not None}
        found = minor_of(built.get(decision.tensorflow.version, next(iter(built.values()))))
    context.emit(
        Note(text=f"the driver of the target is assumed to support CUDA {found}; if it does not, set `conda.cuda`")
    )
    return found


def _wheels(
    context: Context,
    machine: Machine,
    decision: Decision,
    solved: Solved,
    *,
    python: Package,
    older: tuple[LockedFile, ...],
) -> tuple[tuple[LockedFile, ...], Target]:
    """The wheels in addition to the conda packages, and the target of the lock."""
    facts, loaded = machine.facts, context.loaded
    own = solved.named("tensorflow") if loaded.profile.conda.tensorflow == "conda" else None
    minor = minor_of(python.version)
    if own is not None:
        target = Target(
            package="tensorflow",
            version=own.version,
            extras=(),
            accelerator=decision.tensorflow.accelerator,
            python=minor,
            platform=platform_of(facts),
        )
        if not loaded.requirements:
            return (), target
    projects = specs.projects([(one.name, one.version) for one in solved.packages if one.python])
    provided = Provided(python=python.version, projects=projects, has_tensorflow=own is not None)
    decision = dataclasses.replace(decision, python=dataclasses.replace(decision.python, version=python.version))
    with temporary("wheels") as folder:
        selection = Selection(
            decision=decision,
            facts=facts,
            interpreter=Interpreter(path="", version=python.version),
            constraints=loaded.constraints,
            platform=_triple(context, facts),
            provided=provided,
        )
        prefer = tuple((canonicalize_name(file.name), file.version) for file in older if file.version)
        resolved, wheel_target = resolve_for(context, machine, selection, prefer=prefer)
        whole = folder / "pylock.whole.toml"
        pylock.write(whole, resolved, Header(inputs=inputs(loaded), target=wheel_target))
        found = pylock.read(
            whole,
            environment=marker_environment(python.version, "cpython", facts),
            tags=supported_tags(python.version, False, facts),
        )
    wheels = tuple(
        dataclasses.replace(file, url=places.without_token(without_userinfo(file.url))) for file in found.files
    )
    return wheels, target if own is not None else wheel_target


def _triple(context: Context, facts: Facts) -> str | None:
    """The platform of another machine (`--host`) as uv names it; None for this one."""
    if context.request.host is None:
        return None
    from tfprov.lock.platforms import PLATFORMS
    from tfprov.pipeline.other_platforms import name_of

    return PLATFORMS[name_of(facts)].triple
