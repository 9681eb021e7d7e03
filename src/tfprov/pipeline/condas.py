"""The stages of a conda environment where they differ from those of a virtual environment: lock and build."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import tomlkit
from packaging.utils import canonicalize_name

from tfprov.conda import channels as places
from tfprov.conda import client, prefix, specs, virtual
from tfprov.conda.client import LinkPackage, Solve, Way
from tfprov.conda.engine import Engine, find_engine
from tfprov.conda.records import Channel, CondaHeader, CondaInputs, CondaPart, Package, Solved
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.fetch.addresses import expand, origin_of
from tfprov.fetch.credentials import Login, service_of
from tfprov.fetch.fetch import Fetched
from tfprov.fetch.routes import Route
from tfprov.fetch.sources import Network
from tfprov.fetch.store import Store, sha256_of
from tfprov.host.records import Facts, Interpreter
from tfprov.ladder.climb import Policy, Step, climb
from tfprov.ladder.rungs import Rung
from tfprov.lock import pylock
from tfprov.lock.records import Header, Lock, LockedFile, Target
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


# --- the lock --------------------------------------------------------------------------------------------------------


def lock(run: Run) -> Lock:
    """The conda packages and wheels for this machine, from the lock on disk; made or renewed first where needed.

    Raises:
        TfprovError: `lock-missing` or `lock-unfit` where it may not be; what the solver or the resolver said.
    """
    path = run.lock_path
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
        subdir=_subdir(run.get(Facts)),
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
    with tempfile.TemporaryDirectory(prefix="tfprov-conda-") as scratch:
        client.write_lock(
            path,
            header=CondaHeader(
                inputs=_inputs(run.loaded),
                target=target,
                virtual=solved.virtual,
                specs=tuple(spec.plain for spec in wanted),
            ),
            subdir=_subdir(facts),
            channels=tuple(channel.name for channel in _channels(run)),
            packages=solved.packages,
            wheels=wheels,
            environ=clean_environment(run.request.environ),
            scratch=Path(scratch),
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
        channels=_channels(run),
        subdir=_subdir(facts),
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
        shutil.rmtree(cache, ignore_errors=True)
        return act(retries=6, seconds=900.0)

    mirrors = max((len(channel.mirrors) for channel in question.channels), default=0)
    steps = [
        Step(Rung.NORMAL, act),
        *(Step(Rung.OTHER_ROUTE, partial(act, route=route)) for route in others),
        *(Step(Rung.OTHER_SOURCE, partial(act, mirror=number)) for number in range(mirrors)),
        Step(Rung.PATIENT, partial(act, retries=8, seconds=900.0)),
        Step(Rung.FRESH, fresh),
    ]
    policy = Policy(tries=2, deadline=run.deadline)
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
    with tempfile.TemporaryDirectory(prefix="tfprov-conda-") as folder:
        environ = clean_environment(run.request.environ, **network.tool_environment(route))
        known = places.credentials(found, logins)
        environ["RATTLER_AUTH_FILE"] = str(places.write_credentials(Path(folder) / "credentials.json", known))
        yield Way(cache=cache, environ=environ)


def _refused(run: Run, host: str) -> bool:
    """Whether a channel of this host refused in this run: only then is the keyring asked, which may open a window."""
    del host
    return any(attempt.code == "mirror-http-error" for attempt in run.attempts)


def _channels(run: Run) -> tuple[Channel, ...]:
    return places.channels(run.loaded.profile.conda, run.loaded.folder, lambda text: expand(text, run.request.environ))


def _subdir(facts: Facts) -> str:
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
    with tempfile.TemporaryDirectory(prefix="tfprov-prefer-") as folder:
        prefer = Path(folder) / "pylock.toml"
        prefer.write_text(_preferences(older), encoding="utf-8")
        resolved, wheel_target = resolve_for(
            run, decision, facts, (), prefer=prefer if older else None, platform=_triple(run), conda=provided
        )
        whole = Path(folder) / "pylock.whole.toml"
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


# --- the way to the files ---------------------------------------------------------------------------------------------


def reachable(run: Run, files: tuple[LockedFile, ...]) -> tuple[LockedFile, ...]:
    """The conda packages among the files with the tokens and mirrors of their channels. For the fetch alone."""
    found = _channels(run)
    if not any(channel.token or channel.mirrors for channel in found):
        return files
    bases = {
        channel.name: package.channel
        for channel in found
        for package in run.get(CondaPart).packages
        if "://" not in channel.name and package.channel.endswith(f"/{channel.name}")
    }
    return tuple(
        file
        if file.is_wheel
        else dataclasses.replace(
            file, url=places.with_token(file.url, found), elsewhere=places.mirrored(file.url, found, bases)
        )
        for file in files
    )


def with_logins(run: Run, network: Network) -> Network:
    """The network with the users and passwords of the channels."""
    more = tuple(
        Login(origin_of(channel.name), *channel.login) for channel in _channels(run) if channel.login is not None
    )
    return dataclasses.replace(network, logins=(*network.logins, *more)) if more else network


# --- the environment --------------------------------------------------------------------------------------------------


def make(run: Run, path: Path) -> None:
    """Link the locked conda packages into an empty folder, and say in it what was asked for.

    Raises:
        TfprovError: why not; the folder is to be given up then.
    """
    part = run.get(CondaPart)
    steps = [Step(Rung.NORMAL, partial(_link, run, path)), Step(Rung.FRESH, partial(_link_fresh, run, path))]
    policy = Policy(tries=1, deadline=run.deadline)
    climb("build", steps, emit=run.emit, skip=run.loaded.profile.strategies.skip, policy=policy)
    prefix.own(path, part.packages)
    prefix.write_history(path, part.packages, part.header.specs)


def check_projects(run: Run) -> None:
    """Make sure that no wheel is put over a project of a conda package; see `prefix.check_projects`."""
    wheels: dict[str, str] = {
        canonicalize_name(file.name): file.version for file in run.get(Lock).files if file.is_wheel
    }
    prefix.check_projects(run.get(CondaPart).packages, _cache(run), wheels)


def _cache(run: Run) -> Path:
    return run.home.cache / "conda" / "packages"


def _archives(run: Run) -> tuple[LinkPackage, ...]:
    """Where the archives lie; they are fetched first when one is neither in the store nor unpacked."""
    store, packages = Store(run.home.store), run.get(CondaPart).packages
    unpacked = {one.stem: (_cache(run) / one.stem / "info" / "index.json").is_file() for one in packages}
    if run.find(Fetched) is None and not all(unpacked[one.stem] or store.has(one.file) for one in packages):
        from tfprov.pipeline.stages import FETCH

        run.do(FETCH)
    sizes = {file.filename: file.size for file in run.get(Lock).files}
    found = []
    for package in packages:
        archive = store.path(package.sha256, package.filename)
        size = archive.stat().st_size if archive.is_file() else sizes.get(package.filename)
        found.append(
            LinkPackage(package=dataclasses.replace(package, size=size), path=archive if archive.is_file() else None)
        )
    return tuple(found)


def _link(run: Run, path: Path) -> None:
    environ = clean_environment(run.request.environ)
    engine = _engine(run)
    if engine is not None:
        engine.link(path, _archives(run), cache=run.home.cache / "conda", environ=environ, seconds=_LINK_SECONDS)
        return
    client.require_extra()
    client.link(path, _archives(run), cache=_cache(run), environ=environ, emit=run.emit, seconds=_LINK_SECONDS)


def _link_fresh(run: Run, path: Path) -> None:
    """Once more, without what was unpacked and with archives whose hash was read again."""
    from tfprov.pipeline.stages import FETCH

    store, lost = Store(run.home.store), False
    for package in run.get(CondaPart).packages:
        shutil.rmtree(_cache(run) / package.stem, ignore_errors=True)
        archive = store.path(package.sha256, package.filename)
        if not archive.is_file() or sha256_of(archive) != package.sha256:
            shutil.rmtree(archive.parent, ignore_errors=True)
            lost = True
    if lost:
        run.do(FETCH)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    _link(run, path)


def _engine(run: Run) -> Engine | None:
    """The installed program that the profile wants to link with; None for the library."""
    asked = run.loaded.profile.conda
    if asked.engine == "library":
        return None
    named = run.loaded.resolve(asked.executable) if asked.executable else None
    return find_engine(named, run.get(Facts).conda.value, environ=clean_environment(run.request.environ))
