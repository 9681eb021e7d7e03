"""The lock of a conda environment: solving, the wheels beside the conda packages, what a lock on disk holds."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import tomlkit
from packaging.utils import canonicalize_name

from tfprov.conda import channels as places
from tfprov.conda import client, specs, virtual
from tfprov.conda.client import Solve, Way
from tfprov.conda.records import Channel, CondaHeader, CondaInputs, CondaPart, Package, Solved
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.fetch.addresses import expand
from tfprov.fetch.credentials import service_of
from tfprov.fetch.routes import Route
from tfprov.host.records import Facts, Interpreter
from tfprov.ladder.climb import Policy, Step, climb
from tfprov.ladder.rungs import Rung
from tfprov.lock import pylock
from tfprov.lock.records import Header, Lock, LockedFile, Target
from tfprov.paths import temporary
from tfprov.pipeline.locking import Provided, as_asked, inputs, platform_of, resolve_for
from tfprov.pipeline.run import Run
from tfprov.plan.compat import table
from tfprov.plan.records import Decision, LockedChoice, Plan
from tfprov.plan.tags import architecture, marker_environment, supported_tags
from tfprov.plan.wanted import gather
from tfprov.process import clean_environment
from tfprov.profile.records import Loaded
from tfprov.redact import without_userinfo

_LINK_SECONDS = 1800.0
_NETWORK = frozenset(
    {"net-timeout", "net-reset", "net-proxy", "net-tls-cert", "net-dns", "net-refused", "conda-http", "net-portal"}
)


def is_conda(loaded: Loaded) -> bool:
    """Whether the profile asks for a conda environment."""
    return loaded.profile.environment.kind == "conda"


def lock(run: Run) -> Lock:
    """The conda packages and wheels for this machine, from the lock on disk; made or renewed first where needed.

    Raises:
        TfprovError: `lock-missing` or `lock-unfit` where it may not be; what the solver or the resolver said.
    """
    path = run.lock_path
    if run.request.host is not None:
        run.put(_reached_from_here(run))
    if run.loaded.profile.lock.platforms:
        told = "`lock.platforms` is for venvs: this conda lock is for one platform; `tfprov lock --host` makes another"
        run.emit(Note(text=told, level="warning"))
    changes = _why_solve(run)
    if changes:
        if run.request.locked:
            code = "lock-unfit" if path.exists() else "lock-missing"
            raise TfprovError(code, f"`{path}` may not be made or changed, and would have to be", evidence=changes)
        for change in changes:
            run.emit(Note(text=f"resolving: {change}", level="detail"))
        _make(run, path)
    part, wheels, digest = _read(run)
    run.put(part)
    python = part.python
    if python is None:
        raise TfprovError("lock-invalid", f"`{path}` holds no Python")
    run.put(Interpreter(path=f"conda {python.stem}", version=python.version, found_by="conda"))
    files = (*(package.file for package in part.packages), *wheels)
    return Lock(
        path=path,
        digest=digest,
        target=part.header.target,
        files=tuple(sorted(files, key=lambda file: (file.name, file.filename))),
        changes=changes,
    )


def _reached_from_here(run: Run) -> Facts:
    """The facts of the other machine, with the way to the network of this one."""
    from tfprov.host import facts as host_facts

    here = host_facts.gather(run.request.environ, cache=run.home.cache / "interpreters.json")
    there = run.get(Facts)
    return dataclasses.replace(
        there, index=here.index, proxies=here.proxies, certificates=here.certificates, interpreters=here.interpreters
    )


def locked_choice(run: Run) -> LockedChoice | None:
    """What an up-to-date lock holds, for the plan to be bound to; None when a lock will be made."""
    if run.request.upgrade or run.request.host is not None or not run.lock_path.exists():
        return None
    part, _, _ = _read(run)
    if _inputs(run.loaded).changes_from(part.header.inputs):
        return None
    target = part.header.target
    return LockedChoice(
        package=target.package, version=target.version, python_minor=target.python, accelerator=target.accelerator
    )


def _read(run: Run) -> tuple[CondaPart, tuple[LockedFile, ...], str]:
    path = run.lock_path
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise TfprovError("lock-invalid", f"`{path}` cannot be read", evidence=(str(error),)) from error
    client.require_extra()
    part, wheels = client.read_lock(
        path,
        subdir=subdir_of(run.get(Facts)),
        environ=clean_environment(run.request.environ),
        cache=run.home.cache / "conda" / "locks",
        digest=digest,
        emit=run.emit,
    )
    return part, wheels, digest


def _why_solve(run: Run) -> tuple[str, ...]:
    if not run.lock_path.exists():
        return ("there is no lock yet",)
    if run.request.upgrade:
        if b"created_by: tfprov" not in run.lock_path.read_bytes():
            raise TfprovError(
                "path-not-ours",
                f"`{run.lock_path}` was not made by tfprov",
                evidence=("`metadata.custom_metadata` does not name it",),
                hint="move it away; tfprov never overwrites what it did not make",
            )
        return ("an upgrade was asked for",)
    part, _, _ = _read(run)
    return _inputs(run.loaded).changes_from(part.header.inputs)


def _inputs(loaded: Loaded) -> CondaInputs:
    profile = loaded.profile
    common = {field.name: getattr(inputs(loaded), field.name) for field in dataclasses.fields(inputs(loaded))}
    return CondaInputs(
        **common,
        # As they are written: with the names of variables, never with their values.
        channels=profile.conda.channels,
        conda_packages=profile.conda.packages,
        conda_tensorflow=profile.conda.tensorflow,
        cuda=profile.conda.cuda or "",
    )


def _make(run: Run, path: Path) -> None:
    client.require_extra()
    facts, decision, profile = run.get(Facts), run.get(Plan).decision, run.loaded.profile
    older = _older(run)
    asked = [specs.parse(text, where="conda.packages") for text in profile.conda.packages]
    specs.check_one_tensorflow(asked, profile.conda.tensorflow)
    solved, wanted = _solve(run, decision, asked, older[0] if older else ())
    python = solved.named("python")
    if python is None:
        raise TfprovError("conda-package-missing", "the channels have no Python for this platform")
    own = [package.name for package in solved.packages if package.name in specs.TENSORFLOWS]
    if own and profile.conda.tensorflow == "wheel":
        raise TfprovError(
            "several-tensorflows",
            f"a conda package brings `{own[0]}`, and TensorFlow comes as a wheel",
            evidence=tuple(_who_needs(own[0], solved)),
            hint='use `conda.tensorflow = "conda"`, or leave out the package that needs it',
        )
    wheels, target = _wheels(run, decision, solved, python, older[1] if older else ())
    with temporary("conda") as scratch:
        client.write_lock(
            path,
            header=CondaHeader(
                inputs=_inputs(run.loaded),
                target=target,
                virtual=solved.virtual,
                specs=tuple(spec.plain for spec in wanted),
            ),
            subdir=subdir_of(facts),
            channels=tuple(channel.name for channel in channels_of(run)),
            packages=solved.packages,
            wheels=wheels,
            environ=clean_environment(run.request.environ),
            scratch=scratch,
            emit=run.emit,
        )


def _older(run: Run) -> tuple[tuple[Package, ...], tuple[LockedFile, ...]] | None:
    """What the lock that is renewed holds, to keep its versions; None for none, and for an upgrade."""
    if run.request.upgrade or not run.lock_path.exists():
        return None
    part, wheels, _ = _read(run)
    return part.packages, wheels


def _who_needs(name: str, solved: Solved) -> Iterator[str]:
    for package in solved.packages:
        if name in package.depends:
            yield f"`{package.stem}` needs `{name}`"


def _solve(
    run: Run, decision: Decision, asked: list[specs.Spec], older: tuple[Package, ...]
) -> tuple[Solved, tuple[specs.Spec, ...]]:
    profile, facts = run.loaded.profile, run.get(Facts)
    accelerator = decision.tensorflow.accelerator
    python = decision.python
    wanted = [specs.of_python((python.version, *python.alternatives), profile.python.version)]
    if profile.conda.tensorflow == "conda":
        clauses = [clause.specifier for clause in gather(as_asked(run.loaded)).clauses]
        wanted.append(specs.of_tensorflow(clauses, accelerator))
    # People expect it in a conda environment, and the library does not add it as conda does.
    wanted += [specs.Spec(name="pip"), *(spec for spec in asked if spec.name != "pip")]
    machine = virtual.about_cuda(accelerator, _cuda(run, decision))
    elsewhere = run.request.host is not None
    if elsewhere:
        machine = (*virtual.of_facts(facts), *machine)
    question = Solve(
        channels=channels_of(run),
        subdir=subdir_of(facts),
        specs=tuple(map(str, wanted)),
        virtual=machine,
        detect=not elsewhere,
        prefer=older,
        relax=tuple(specs.relaxations(wanted, machine, cuda=accelerator == "cuda")),
        exclude_newer=profile.index.exclude_newer,
    )
    return solve(run, question), tuple(wanted)


def _cuda(run: Run, decision: Decision) -> str | None:
    """The CUDA that the driver serves; where it is only planned for, what the profile says or TensorFlow needs."""
    profile, driver = run.loaded.profile, run.get(Facts).driver.value
    if profile.smoke.gpu == "now":
        return driver.cuda if driver else None
    if profile.conda.cuda is not None:
        return profile.conda.cuda
    known = table()
    if profile.conda.tensorflow == "conda":
        found = next((row.cuda for row in known.conda if row.cuda), None)
    else:
        version = decision.tensorflow.version
        built = next((row.cuda.built_for for row in known.releases if row.version == version), None)
        found = ".".join((built or known.releases[0].cuda.built_for).split(".")[:2])
    run.emit(Note(text=f"the driver of the target is taken to serve CUDA {found}; `conda.cuda` says otherwise"))
    return found


def solve(run: Run, question: Solve) -> Solved:
    """The answer of the solver, over the ladder; from cached indexes when no channel can be reached."""
    cache = run.home.cache / "conda" / "index"
    first, *others = run.network.ordered_routes()
    offline = run.network.offline

    def act(route: Route = first, **changes: object) -> Solved:
        with _way(run, question.channels, route, cache) as way:
            return client.solve(question, dataclasses.replace(way, **{"offline": offline, **changes}), emit=run.emit)  # type: ignore[arg-type]  # fields of Way by name

    def fresh() -> Solved:
        # The old index stays until there is a better one: it may be all there is when the network goes.
        new = cache.with_name(f"{cache.name}.{os.getpid()}.new")
        try:
            found = act(retries=4, seconds=900.0, cache=new)
            shutil.rmtree(cache, ignore_errors=True)
            new.rename(cache)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return found

    mirrors = max((len(channel.mirrors) for channel in question.channels), default=0)
    steps = [
        Step(Rung.NORMAL, act),
        *(Step(Rung.OTHER_ROUTE, partial(act, route=route)) for route in others),
        *(Step(Rung.OTHER_SOURCE, partial(act, mirror=number)) for number in range(mirrors)),
        # The library doubles its waits: four are half a minute.
        Step(Rung.PATIENT, partial(act, retries=4, seconds=900.0)),
        Step(Rung.FRESH, fresh),
    ]
    policy = Policy(tries=3, first_wait=0.25, deadline=run.deadline)
    try:
        return climb("lock", steps, emit=run.emit, skip=run.loaded.profile.strategies.skip, policy=policy)
    except TfprovError as error:
        if error.code.name not in _NETWORK or not cache.is_dir():
            raise
        try:
            found = act(offline=True)
        except TfprovError:
            raise error from None
        run.emit(Note(text=f"{error.what}: the index read earlier is used, as it was then", level="warning"))
        return found


@contextlib.contextmanager
def _way(run: Run, found: tuple[Channel, ...], route: Route, cache: Path) -> Iterator[Way]:
    """How the worker reaches the channels on a route. Credentials lie in a file of this user that is deleted after."""
    network = run.network
    logins: dict[str, tuple[str, str]] = {}
    for channel in found:
        for url in (channel.name, *channel.mirrors):
            host = urlsplit(url).hostname
            login = network.login(url) if host else None
            if host and login is None and channel.token is None and channel.login is None and _refused(run, host):
                login = network.keyring.ask(service_of(url))
            if host and login is not None:
                logins[host] = login
    with temporary("conda") as folder:
        environ = clean_environment(run.request.environ, **network.tool_environment(route))
        known = places.credentials(found, logins)
        environ["RATTLER_AUTH_FILE"] = str(places.write_credentials(folder / "credentials.json", known))
        yield Way(cache=cache, environ=environ)


def _refused(run: Run, host: str) -> bool:
    """Whether a channel of this host refused in this run: only then is the keyring asked, which may open a window."""
    del host
    return any(attempt.code == "mirror-http-error" for attempt in run.attempts)


def channels_of(run: Run) -> tuple[Channel, ...]:
    """The channels of the profile, credentials included."""
    return places.channels(run.loaded.profile.conda, run.loaded.folder, lambda text: expand(text, run.request.environ))


def subdir_of(facts: Facts) -> str:
    """What conda calls the platform of the facts."""
    return places.subdir(facts.system.value, architecture(facts.machine.value))


def _wheels(
    run: Run, decision: Decision, solved: Solved, python: Package, older: tuple[LockedFile, ...]
) -> tuple[tuple[LockedFile, ...], Target]:
    """The wheels beside the conda packages, and what the lock is for."""
    facts, loaded = run.get(Facts), run.loaded
    own = solved.named("tensorflow") if loaded.profile.conda.tensorflow == "conda" else None
    minor = ".".join(python.version.split(".")[:2])
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
    with temporary("prefer") as folder:
        prefer = folder / "pylock.toml"
        prefer.write_text(_preferences(older), encoding="utf-8")
        resolved, wheel_target = resolve_for(
            run, decision, facts, (), prefer=prefer if older else None, platform=_triple(run), conda=provided
        )
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


def _triple(run: Run) -> str | None:
    """What uv calls the platform of a machine that is not this one."""
    if run.request.host is None:
        return None
    from tfprov.lock.platforms import PLATFORMS
    from tfprov.pipeline.elsewhere import name_of

    return PLATFORMS[name_of(run.get(Facts))].triple


def _preferences(older: tuple[LockedFile, ...]) -> str:
    document = tomlkit.document()
    document["lock-version"] = "1.0"
    document["created-by"] = "tfprov"
    listed = tomlkit.aot()
    for file in older:
        entry = tomlkit.table()
        entry["name"], entry["version"] = canonicalize_name(file.name), file.version
        listed.append(entry)
    document["packages"] = listed
    return tomlkit.dumps(document)
