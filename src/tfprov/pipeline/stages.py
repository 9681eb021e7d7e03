"""The stages: each takes what the earlier ones made and calls the verb of its room."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from tfprov.bundle.opened import Bundle
from tfprov.conda import activation
from tfprov.conda.client import has_extra, require_extra
from tfprov.conda.prefix import is_conda as is_conda_prefix
from tfprov.conda.prefix import owned_files
from tfprov.conda.records import CondaPart
from tfprov.envs import durable, venv
from tfprov.envs import python as pythons
from tfprov.envs.generations import python_in
from tfprov.envs.records import Generation, Seal
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.fetch.fetch import Fetched, fetch, sizes
from tfprov.fetch.store import Store
from tfprov.host import facts as host_facts
from tfprov.host.records import Facts, Interpreter
from tfprov.install import space
from tfprov.install.ahead import compiling
from tfprov.install.installers import Installer, Pip, Uv
from tfprov.install.records import Installed
from tfprov.install.wheelhouse import Wheelhouse, wheelhouse
from tfprov.ladder.climb import Policy, Step, climb
from tfprov.ladder.rungs import Rung
from tfprov.lock.records import Lock, LockedFile, Target
from tfprov.paths import Home
from tfprov.pipeline import conda_prefixes, condas, limits, unpacked
from tfprov.pipeline.cures import Cured
from tfprov.pipeline.imaging import beside_the_smoke_test, image_of, sweep_images
from tfprov.pipeline.locking import as_asked, lock, locked_choice, offers
from tfprov.pipeline.run import PROFILE, Run, Stage
from tfprov.pipeline.tools import networked, uv_executable
from tfprov.pipeline.unbundling import adopt, require_local, with_size
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.records import Plan
from tfprov.process import clean_environment
from tfprov.profile.records import Loaded
from tfprov.smoke.records import Request as SmokeRequest
from tfprov.smoke.records import Verdict
from tfprov.smoke.runner import smoke
from tfprov.smoke.verdict import as_document, as_error

_INSTALL_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Activated:
    """The stable path leads to a verified generation."""

    generation: Generation
    pruned: int
    summary: str = ""


def _facts(run: Run) -> Facts:
    if run.request.host is not None:
        try:
            text = run.request.host.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TfprovError("usage", f"`{run.request.host}` cannot be read", evidence=(str(error),)) from error
        return host_facts.load(text)
    python = run.loaded.profile.python.path
    return host_facts.gather(
        run.request.environ,
        folders=folders(run.home),
        also=run.loaded.resolve(python) if python else None,
        cache=run.home.cache / "interpreters.json",
    )


def folders(home: Home) -> dict[str, Path]:
    """Where a run writes, by purpose: the disk facts are asked for these."""
    return {"data": home.environments, "cache": home.cache, "temporary": Path(tempfile.gettempdir())}


def _plan(run: Run) -> Plan:
    loaded, facts = run.loaded, run.get(Facts)
    locked = condas.locked_choice(run) if condas.is_conda(loaded) else locked_choice(run)
    offered = None if locked is not None or run.request.host is not None else offers(run)
    plan = decide(as_asked(loaded), facts, table(), offered, locked)
    for note in plan.notes:
        run.emit(Note(text=note))
    return plan


def _interpreter(run: Run) -> Interpreter:
    """The interpreter of the plan, brought if it is not there."""
    chosen = run.get(Plan).decision.python
    if condas.is_conda(run.loaded):
        # Which one exactly, the lock says; it is linked with the environment.
        require_extra()
        return Interpreter(path="conda", version=chosen.version, found_by="conda")
    if chosen.path is not None:
        known = (found for found in run.get(Facts).interpreters.value if found.path == chosen.path)
        return next(known, Interpreter(path=chosen.path, version=chosen.version))
    if run.network.offline:
        raise TfprovError(
            "python-not-found",
            f"Python {chosen.version} is not on this machine, and the network may not be used",
            hint=f"install Python {chosen.version}, or make the bundle again with `--with-python`",
        )
    folder = run.home.data / "pythons"
    asked = run.loaded.profile.python.version
    from tfprov.host.interpreters import probe

    try:
        path = pythons.bring(
            f"=={chosen.version}.*" + (f",{asked}" if asked else ""),
            uv=uv_executable(),
            folder=folder,
            cache=run.home.cache / "uv",
            environ=networked(run),
            timeout=_INSTALL_SECONDS,
        )
    except TfprovError as error:
        # Asked last: the channels of the profile, where the libraries for them are there.
        if not has_extra():
            raise
        run.emit(Note(text=f"{error.what}: asking the conda channels for one", level="warning"))
        try:
            path = conda_prefixes.bring_python(run, chosen.version, asked)
        except TfprovError as second:
            error.tried = (*error.tried, f"conda channels: {second.code.name}: {second.what}")
            raise error from second
        return probe(path, found_by="conda", environ=run.request.environ)
    return probe(path, found_by="uv", environ=run.request.environ)


def _lock(run: Run) -> Lock:
    return condas.lock(run) if condas.is_conda(run.loaded) else lock(run)


def _fetch(run: Run) -> Fetched:
    run.put(unpacked.began(run.home.cache / "uv"))
    lock = run.get(Lock)
    store = Store(run.home.store)
    network, wanted = run.network, lock.files
    if condas.is_conda(run.loaded):
        wanted = conda_prefixes.reachable(run, wanted, run.get(CondaPart).packages)
        network = conda_prefixes.with_logins(run, network)
    limit = limits.cap(run.request.environ, store.root)
    bundle = run.find(Bundle)
    files = wanted
    if bundle is not None:
        files = tuple(with_size(file, bundle) for file in files)
    if not network.offline:
        files = sizes(files, network=network, store=store)
    known = {file.sha256: file.size for file in files}
    run.put(
        dataclasses.replace(
            lock, files=tuple(dataclasses.replace(file, size=known[file.sha256]) for file in lock.files)
        )
    )
    _make_room(run, store, files)
    if bundle is not None:
        files = adopt(bundle, files, store, run.emit)
    if run.network.offline:
        require_local(run, files, store)
    skip = run.loaded.profile.strategies.skip
    fetched = fetch(files, store=store, network=network, emit=run.emit, deadline=run.deadline, skip=skip)
    limits.trim(store, limit, run.emit)
    return fetched


def _make_room(run: Run, store: Store, files: tuple[LockedFile, ...]) -> None:
    """Refuse what cannot end for want of space; wheels that nobody needs now go first."""

    def check() -> None:
        space.check(
            space.need(files, [store.has(file) for file in files], unpacked=run.get(Plan).unpacked_bytes),
            store=run.home.store,
            cache=run.home.cache / "uv",
            target=run.environment.root,
            temporary=Path(tempfile.gettempdir()),
        )

    lease = store.hold({file.sha256 for file in files})
    try:
        check()
    except TfprovError as error:
        if error.code.name != "disk-full" or not limits.trim(store, 0, run.emit).files:
            raise
        check()
    finally:
        if lease is not None:
            lease.release()


def _build(run: Run) -> Generation:
    generation = run.environment.begin()
    _make_venv(run, generation.path)
    return generation


def _build_from_image(run: Run) -> Generation:
    """A generation with all its files, made by linking."""
    image = image_of(run)
    damaged = image.damage(thorough=run.request.thorough)
    if damaged:
        run.emit(Note(text=f"{len(damaged)} files of the image were damaged: taking them from their wheels again"))
        run.do(FETCH)
        wheels = [path for path in run.get(Fetched).paths.values() if path.suffix == ".whl"]
        # Who wrote into a linked file wrote into uv's copy too, and a later install would bring it back.
        unpacked.forget(run, image.owners(damaged))
        if not image.heal(damaged, wheels):
            image.drop()
            raise TfprovError(
                "cache-corrupt",
                "the image of the environment is damaged beyond repair",
                evidence=tuple(f"`{entry.path}` is not in any wheel" for entry in damaged[:5]),
            )
    generation = run.environment.begin()
    _make_venv(run, generation.path, with_pip=False)
    spare = run.environment.aside()
    image.lay_down(generation.path, there=image.take_over(generation.path, spare) if spare else ())
    return generation


def _make_venv(run: Run, path: Path, *, with_pip: bool = True) -> None:
    interpreter = run.get(Interpreter)
    if condas.is_conda(run.loaded):
        conda_prefixes.make(run, path)
        return
    venv.create(
        path,
        python=Path(interpreter.path),
        version=interpreter.version,
        prompt=run.loaded.profile.name,
        cache=run.home.cache / "virtualenv",
        environ=run.request.environ,
        with_pip=with_pip,
    )


def _install(run: Run) -> Installed:
    generation, lock = run.get(Generation), run.get(Lock)
    files = tuple(file for file in lock.files if file.is_wheel)
    environ = clean_environment(run.request.environ)
    if condas.is_conda(run.loaded):
        conda_prefixes.check_projects(run)
        # A channel may mark its Python as managed by conda; this environment is ours to install into.
        environ["UV_BREAK_SYSTEM_PACKAGES"] = "true"
        if not files:
            return Installed(installer="conda", files=len(lock.files))
    uv_cache = run.home.cache / "uv"

    def install(installer: Installer, wheels: Wheelhouse) -> Installed:
        python = python_in(generation.path)
        installer.install(wheels, python=python, environ=environ, timeout=_INSTALL_SECONDS)
        try:
            unpacked.believe(generation.path, run.get(unpacked.Began), others=owned_files(generation.path))
        except TfprovError:
            unpacked.forget(run, None)
            raise
        return Installed(installer=installer.name, files=len(lock.files))

    def again(installer: Installer, wheels: Wheelhouse) -> Installed:
        # What a failed installer left behind is not trusted: the next one gets an empty environment.
        shutil.rmtree(generation.path)
        generation.path.mkdir()
        _make_venv(run, generation.path)
        return install(installer, wheels)

    def fresh(installer: Installer, wheels: Wheelhouse) -> Installed:
        heal_store(run)
        return again(installer, wheels)

    with run.environment.scratch() as work:
        wheels = wheelhouse(files, run.get(Fetched).paths, work / "requirements.txt")
        steps = [
            Step(Rung.NORMAL, partial(install, Uv(uv=uv_executable(), cache=uv_cache), wheels)),
            Step(Rung.FRESH, partial(fresh, Uv(uv=uv_executable(), cache=work / "uv"), wheels)),
            Step(Rung.OTHER_INSTALLER, partial(again, Pip(), wheels)),
        ]
        policy = Policy(tries=2, deadline=run.deadline)
        skip = run.loaded.profile.strategies.skip
        with compiling(
            tuple(run.get(Fetched).paths.values()),
            python=python_in(generation.path),
            work=work,
            environ=clean_environment(run.request.environ),
        ) as place_bytecode:
            installed = climb("install", steps, emit=run.emit, skip=skip, policy=policy)
            count = place_bytecode()
            run.emit(Note(text=f"{count} modules were compiled meanwhile", level="detail"))
        return installed


def smoke_request(loaded: Loaded, target: Target) -> SmokeRequest:
    """What a profile wants proved of a locked TensorFlow."""
    wanted = loaded.profile.smoke
    return SmokeRequest(
        level=wanted.level,
        accelerator=target.accelerator,
        require_gpus=wanted.require_gpus,
        gpu=wanted.gpu,
        timeout=wanted.timeout,
        scripts=tuple(loaded.resolve(script) for script in wanted.scripts),
        expected_version=target.version,
        expected_package=target.package,
    )


def smoke_digest(request: SmokeRequest) -> str:
    """Digest of everything that a smoke test depends on besides the environment: the request and the user's scripts."""
    digest = hashlib.sha256(json.dumps(asdict(request), default=str, sort_keys=True).encode())
    for script in request.scripts:
        digest.update(script.read_bytes())
    return digest.hexdigest()


def activated(generation: Generation, environ: Mapping[str, str]) -> Mapping[str, str]:
    """What the activation of a conda environment sets, for its smoke test; nothing for a virtual environment."""
    if not is_conda_prefix(generation.path):
        return {}
    clean = clean_environment(environ)
    found = activation.variables(generation.path, generation.path.parents[1].name, clean)
    return {name: value for name, value in found.items() if clean.get(name) != value}


def _smoke(run: Run) -> Verdict:
    generation = run.get(Generation)
    request = smoke_request(run.loaded, run.get(Lock).target)
    environ = run.request.environ
    fresh = generation.seal is None
    with beside_the_smoke_test(run, generation) if fresh else contextlib.nullcontext():
        verdict = smoke(
            python_in(generation.path),
            request,
            environ=environ,
            emit=run.emit,
            activation=activated(generation, environ),
        )
        if not verdict.ok:
            run.put(verdict)
            raise as_error(verdict)
    return verdict


def _activate(run: Run) -> Activated:
    environment, lock, verdict = run.environment, run.get(Lock), run.get(Verdict)
    interpreter, installed, plan = run.get(Interpreter), run.find(Installed), run.get(Plan)
    generation = run.get(Generation)
    old, driver = generation.seal, run.get(Facts).driver.value
    cured = run.find(Cured)
    seal = Seal(
        profile_digest=run.loaded.digest,
        lock_digest=lock.digest,
        target=lock.target,
        python=interpreter.path,
        python_version=interpreter.version,
        tensorflow=verdict.tensorflow or "",
        level=verdict.level,
        smoke_digest=smoke_digest(smoke_request(run.loaded, lock.target)),
        verdict={**as_document(verdict)},
        why=plan.decision.tensorflow.why,
        installer=installed.installer if installed else old.installer if old else "",
        sealed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        bytes=old.bytes if old else 0,
        image=image_of(run).folder.name,
        driver=driver.version if driver else "",
        # A sealed generation that was proved again has what it was given then.
        cures=old.cures if old else cured.cures if cured else (),
    )
    if old is None and not durable.settle(generation.path):
        run.emit(
            Note(
                text=f"the disk had not written the environment back after {durable.SECONDS:.0f} s; a loss of power "
                "now may damage it, which the next `tfprov up` would see and put right"
            )
        )
    if (fetched := run.find(Fetched)) is not None:
        fetched.flusher.wait()
    generation = environment.reseal(generation, seal) if old else environment.seal(generation, seal)
    environment.activate(generation)
    environment.clear_aside()  # what the smoke test left no time for
    imaged = image_of(run).save(generation.path, skip=owned_files(generation.path))
    pruned = environment.prune(
        run.loaded.profile.environment.keep,
        # All its files are those of the image.
        cheap=lambda other: imaged and other.seal is not None and other.seal.image == seal.image,
    )
    sweep_images(run.home)
    return Activated(generation=generation, pruned=len(pruned))


def heal_store(run: Run) -> None:
    """Read the locked files of the store, and fetch those again that have other bytes than when they came.

    A store that was restored from a backup or a CI cache, or lies on a failing disk, may hold such files; their sizes
    and names say nothing.
    """
    damaged = Store(run.home.store).drop_damaged(run.get(Lock).files)
    if damaged:
        names = ", ".join(f"`{file.filename}`" for file in damaged[:3])
        run.emit(Note(text=f"{len(damaged)} files of the store were damaged ({names}): fetching anew", level="warning"))
        run.do(FETCH)


def drop_unpacked(run: Run) -> None:
    """Forget what was unpacked. Its files are linked into environments, so whoever writes there writes here."""
    image_of(run).drop()
    unpacked.forget(run, None)


FETCH = Stage(name="fetch", verb=_fetch)
DECIDE: tuple[Stage, ...] = (Stage(name="facts", verb=_facts), Stage(name="plan", verb=_plan))
EXACT: tuple[Stage, ...] = (Stage(name="interpreter", verb=_interpreter), Stage(name="lock", verb=_lock))
BUILD: tuple[Stage, ...] = (
    FETCH,
    Stage(name="build", verb=_build),
    Stage(name="install", verb=_install),
)
FROM_IMAGE = Stage(name="build", verb=_build_from_image)
PROVE: tuple[Stage, ...] = (Stage(name="smoke", verb=_smoke), Stage(name="activate", verb=_activate))
STAGES = (PROFILE, *DECIDE, *EXACT, *BUILD, *PROVE)
"""The whole flow. `plan` ends after DECIDE, `lock` after EXACT; FROM_IMAGE stands for BUILD where there is an image."""
