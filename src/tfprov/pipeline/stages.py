"""The stages: each takes what the earlier ones made and calls the verb of its room."""

from __future__ import annotations

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
from types import MappingProxyType

from tfprov.envs import python as pythons
from tfprov.envs import venv
from tfprov.envs.generations import environments, python_in
from tfprov.envs.images import Image, image_key
from tfprov.envs.records import Generation, Seal
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.fetch.fetch import Fetched, fetch, sizes
from tfprov.fetch.index import listing
from tfprov.fetch.sources import Route
from tfprov.fetch.store import Store
from tfprov.host import facts as host_facts
from tfprov.host.records import Facts, Interpreter
from tfprov.install import space
from tfprov.install.installers import Installer, Pip, Uv
from tfprov.install.records import Installed
from tfprov.install.wheelhouse import Wheelhouse, wheelhouse
from tfprov.ladder.climb import Policy, Step, climb
from tfprov.ladder.rungs import Rung
from tfprov.lock import platforms, pylock
from tfprov.lock.records import Header, Inputs, Lock, Target
from tfprov.lock.resolve import Question, Resolver, is_tensorflow, resolve, tensorflows_in
from tfprov.paths import Home
from tfprov.pipeline import elsewhere
from tfprov.pipeline.run import PROFILE, Run, Stage
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.records import Decision, Listing, LockedChoice, Plan
from tfprov.plan.tags import marker_environment, supported_tags
from tfprov.process import clean_environment
from tfprov.profile.records import Loaded, Profile
from tfprov.redact import without_userinfo
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
        return host_facts.load(run.request.host.read_text(encoding="utf-8"))
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
    if loaded.profile.environment.kind == "conda":
        raise TfprovError(
            "not-supported",
            "conda environments cannot be made by this version",
            evidence=("`environment.kind` is `conda`",),
            hint='use `environment.kind = "venv"`: the wheels of TensorFlow bring what they need',
        )
    locked = _locked_choice(run)
    offers = None if locked is not None or run.request.host is not None else _offers(run)
    plan = decide(_as_asked(loaded), facts, table(), offers, locked)
    for note in plan.notes:
        run.emit(Note(text=note))
    return plan


def _as_asked(loaded: Loaded) -> Profile:
    """The profile with the lines of its requirements files among its requirements."""
    packages = loaded.profile.packages.model_copy(
        update={"requirements": loaded.requirements, "constraints": loaded.constraints}
    )
    return loaded.profile.model_copy(update={"packages": packages})


def _offers(run: Run) -> Listing | None:
    """What the index has of TensorFlow, asked once; None, with a note, when it cannot be asked now."""
    known = run.find(Listing)
    if known is not None:
        return known
    try:
        found = listing(("tensorflow", "tensorflow-cpu"), run.network, emit=run.emit)
    except TfprovError as error:
        run.emit(
            Note(
                text=f"the index could not be asked which releases it has ({error.what}); the table that comes with "
                "tfprov decides",
                level="warning",
            )
        )
        return None
    run.put(found)
    return found


def _inputs(loaded: Loaded) -> Inputs:
    profile = loaded.profile
    return Inputs(
        profile=profile.name,
        tensorflow=profile.tensorflow.version or "",
        accelerator=profile.tensorflow.accelerator,
        python=profile.python.version or "",
        requirements=loaded.requirements,
        constraints=loaded.constraints,
        index=without_userinfo(profile.index.url or ""),
        extra=tuple(without_userinfo(url) for url in profile.index.extra),
        find_links=profile.index.find_links,
        exclude_newer=profile.index.exclude_newer or "",
        platforms=profile.lock.platforms,
    )


def _platform(facts: Facts) -> str:
    libc = facts.libc.value
    return "-".join(filter(None, (facts.system.value, facts.machine.value, libc.kind if libc else "")))


def _locked_choice(run: Run) -> LockedChoice | None:
    """What an up-to-date lock holds, for the plan to be bound to; None when a lock will be made."""
    if run.request.upgrade or run.request.host is not None:
        return None
    header = pylock.read_header(run.lock_path)
    if header is None or _inputs(run.loaded).changes_from(header.inputs):
        return None
    here = _platform(run.get(Facts))
    target = header.target_on(here)
    if target is None:
        raise TfprovError(
            "lock-unfit",
            f"`{run.lock_path.name}` was made for another machine",
            evidence=(f"it holds files for {header.platforms}; this machine is {here}",),
        )
    return LockedChoice(
        package=target.package, version=target.version, python_minor=target.python, accelerator=target.accelerator
    )


def _interpreter(run: Run) -> Interpreter:
    """The interpreter of the plan, brought if it is not there."""
    chosen = run.get(Plan).decision.python
    if chosen.path is not None:
        known = (found for found in run.get(Facts).interpreters.value if found.path == chosen.path)
        return next(known, Interpreter(path=chosen.path, version=chosen.version))
    folder = run.home.data / "pythons"
    asked = run.loaded.profile.python.version
    path = pythons.bring(
        f"=={chosen.version}.*" + (f",{asked}" if asked else ""),
        uv=_uv(),
        folder=folder,
        cache=run.home.cache / "uv",
        environ=_child(run),
        timeout=_INSTALL_SECONDS,
    )
    from tfprov.host.interpreters import probe

    return probe(path, found_by="uv", environ=run.request.environ)


def _lock(run: Run) -> Lock:
    path, interpreter = run.lock_path, run.get(Interpreter)
    changes = _why_resolve(run)
    if changes:
        if run.request.locked:
            code = "lock-unfit" if path.exists() else "lock-missing"
            raise TfprovError(code, f"`{path}` may not be made or changed, and would have to be", evidence=changes)
        for change in changes:
            run.emit(Note(text=f"resolving: {change}", level="detail"))
        resolved, target, others = _resolve(run)
        pylock.write(path, resolved, Header(inputs=_inputs(run.loaded), target=target, others=others))
    facts = run.get(Facts)
    return pylock.read(
        path,
        environment=marker_environment(interpreter.version, interpreter.implementation, facts),
        tags=supported_tags(interpreter.version, interpreter.free_threaded, facts),
        platform=_platform(facts),
        changes=changes,
    )


def _why_resolve(run: Run) -> tuple[str, ...]:
    """Why the lock must be made or renewed, a line each; empty when it is good as it is."""
    path = run.lock_path
    if not path.exists():
        return ("there is no lock yet",)
    if run.request.upgrade:
        pylock.check_ours(path)
        return ("an upgrade was asked for",)
    header = pylock.read_header(path)
    return () if header is None else _inputs(run.loaded).changes_from(header.inputs)


def _resolve(run: Run) -> tuple[str, Target, tuple[Target, ...]]:
    """The document, what it holds for this machine, and for the other platforms that the profile names."""
    facts, decision, path = run.get(Facts), run.get(Plan).decision, run.lock_path
    older = path if path.exists() and not run.request.upgrade else None
    resolved, target = _resolve_for(run, decision, facts, prefer=older)
    profile = _as_asked(run.loaded)
    if not elsewhere.others(profile, facts):
        return resolved, target, ()
    documents, others = {elsewhere.name_of(facts): resolved}, []
    with tempfile.TemporaryDirectory(prefix="tfprov-prefer-") as folder:
        prefer = Path(folder) / "pylock.toml"
        prefer.write_text(platforms.preferences(resolved, older.read_text("utf-8") if older else None), "utf-8")
        for there in elsewhere.decisions(
            profile, facts, decision, python=target.python, table=table(), listing=_offers(run)
        ):
            run.emit(Note(text=f"resolving for {there.name}", level="detail"))
            documents[there.name], other = _resolve_for(
                run, there.decision, there.facts, prefer=prefer, platform=there.platform.triple
            )
            others.append(other)
    return platforms.merge(documents, python=target.python), target, tuple(others)


def _resolve_for(
    run: Run, decision: Decision, facts: Facts, *, prefer: Path | None, platform: str | None = None
) -> tuple[str, Target]:
    interpreter, chosen = run.get(Interpreter), decision.tensorflow
    ask = partial(_ask_resolver, run, decision, prefer=prefer, platform=platform)
    target = Target(
        package=chosen.package,
        version=chosen.version,
        extras=chosen.extras,
        accelerator=chosen.accelerator,
        python=".".join(interpreter.version.split(".")[:2]),
        platform=_platform(facts),
    )
    resolved = ask(target)
    found = tensorflows_in(resolved)
    if len(found) > 1 and "tensorflow" in found:
        # Something asks for `tensorflow` by name. Both distributions own the same files, so the full one serves all.
        run.emit(Note(text=f"another package needs `tensorflow`: it is taken instead of `{chosen.package}`"))
        target = dataclasses.replace(target, package="tensorflow")
        resolved = ask(target)
    found = tensorflows_in(resolved)
    if len(found) > 1:
        raise TfprovError(
            "resolver-conflict",
            "more than one distribution of TensorFlow would be installed",
            evidence=(", ".join(f"`{name}`" for name in found),),
            hint="only one of them may be asked for; look at what your requirements depend on",
        )
    return resolved, target


def _ask_resolver(run: Run, decision: Decision, target: Target, *, prefer: Path | None, platform: str | None) -> str:
    loaded = run.loaded
    extras = f"[{','.join(target.extras)}]" if target.extras else ""
    question = Question(
        requirements=(
            f"{target.package}{extras}=={target.version}",
            *(also.requirement for also in decision.also),
            *(text for text in loaded.requirements if not is_tensorflow(text)),
        ),
        constraints=(*(bound.requirement for bound in decision.constraints), *loaded.constraints),
        python=Path(run.get(Interpreter).path),
        exclude_newer=loaded.profile.index.exclude_newer,
        platform=platform,
        prefer=prefer,
    )
    network = run.network
    first, *others = network.routes
    patience = {
        "UV_HTTP_TIMEOUT": str(int(network.idle_timeout * 4)),
        "UV_HTTP_RETRIES": "8",
        "UV_CONCURRENT_DOWNLOADS": "2",
    }

    def act(
        route: Route = first,
        index: str | None = network.index_url,
        more: Mapping[str, str] = MappingProxyType({}),
        *,
        fresh: bool = False,
    ) -> str:
        indexes = {"UV_DEFAULT_INDEX": index} if index else {}
        if network.extra:
            indexes["UV_INDEX"] = " ".join(network.extra)
        environ = clean_environment(run.request.environ, **network.tool_environment(route))
        resolver = Resolver(
            uv=_uv(),
            cache=run.home.cache / "uv",
            environ={**environ, "UV_HTTP_TIMEOUT": str(int(network.idle_timeout)), **indexes, **more},
            find_links=network.find_links,
            merge_indexes=network.merged,
            fresh=fresh,
        )
        return resolve(question, resolver)

    steps = [
        Step(Rung.NORMAL, act),
        Step(Rung.PATIENT, partial(act, more=patience)),
        *(Step(Rung.OTHER_ROUTE, partial(act, route=route)) for route in others),
        *(Step(Rung.OTHER_SOURCE, partial(act, index=url)) for url in network.mirrors),
        Step(Rung.FRESH, partial(act, fresh=True, more=patience)),
    ]
    policy = Policy(tries=2, deadline=run.deadline)
    return climb("lock", steps, emit=run.emit, skip=loaded.profile.strategies.skip, policy=policy)


def _fetch(run: Run) -> Fetched:
    lock = run.get(Lock)
    store = Store(run.home.store)
    files = sizes(lock.files, network=run.network, store=store)
    run.put(dataclasses.replace(lock, files=files))
    space.check(
        space.need(files, [store.has(file) for file in files], unpacked=run.get(Plan).unpacked_bytes),
        store=run.home.store,
        cache=run.home.cache / "uv",
        target=run.environment.root,
        temporary=Path(tempfile.gettempdir()),
    )
    skip = run.loaded.profile.strategies.skip
    return fetch(files, store=store, network=run.network, emit=run.emit, deadline=run.deadline, skip=skip)


def _build(run: Run) -> Generation:
    generation = run.environment.begin()
    _make_venv(run, generation.path)
    return generation


def image_of(run: Run) -> Image:
    """The image of the locked files on the chosen interpreter; it need not exist."""
    return Image(run.home.images / image_key(run.get(Lock).files, run.get(Interpreter)))


def _build_from_image(run: Run) -> Generation:
    """A generation with all its files, made by linking."""
    image = image_of(run)
    damaged = image.damage(thorough=run.request.thorough)
    if damaged:
        run.emit(Note(text=f"{len(damaged)} files of the image were damaged: taking them from their wheels again"))
        run.do(FETCH)
        wheels = list(run.get(Fetched).paths.values())
        if not image.heal(damaged, wheels):
            image.drop()
            raise TfprovError(
                "cache-corrupt",
                "the image of the environment is damaged beyond repair",
                evidence=tuple(f"`{entry.path}` is not in any wheel" for entry in damaged[:5]),
            )
    generation = run.environment.begin()
    _make_venv(run, generation.path, with_pip=False)
    image.lay_down(generation.path)
    return generation


def _make_venv(run: Run, path: Path, *, with_pip: bool = True) -> None:
    interpreter = run.get(Interpreter)
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
    uv_cache = run.home.cache / "uv"

    def install(installer: Installer, wheels: Wheelhouse) -> Installed:
        python = python_in(generation.path)
        installer.install(
            wheels, python=python, environ=clean_environment(run.request.environ), timeout=_INSTALL_SECONDS
        )
        return Installed(installer=installer.name, files=len(lock.files))

    def again(installer: Installer, wheels: Wheelhouse) -> Installed:
        # What a failed installer left behind is not trusted: the next one gets an empty environment.
        shutil.rmtree(generation.path)
        generation.path.mkdir()
        _make_venv(run, generation.path)
        return install(installer, wheels)

    run.home.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="install-", dir=run.home.cache) as folder:
        work = Path(folder)
        wheels = wheelhouse(lock.files, run.get(Fetched).paths, work / "requirements.txt")
        steps = [
            Step(Rung.NORMAL, partial(install, Uv(uv=_uv(), cache=uv_cache), wheels)),
            Step(Rung.FRESH, partial(again, Uv(uv=_uv(), cache=work / "uv"), wheels)),
            Step(Rung.OTHER_INSTALLER, partial(again, Pip(), wheels)),
        ]
        policy = Policy(tries=2, deadline=run.deadline)
        return climb("install", steps, emit=run.emit, skip=run.loaded.profile.strategies.skip, policy=policy)


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


def _smoke(run: Run) -> Verdict:
    generation = run.get(Generation)
    request = smoke_request(run.loaded, run.get(Lock).target)
    verdict = smoke(python_in(generation.path), request, environ=run.request.environ, emit=run.emit)
    if not verdict.ok:
        run.put(verdict)
        raise as_error(verdict)
    return verdict


def _activate(run: Run) -> Activated:
    environment, lock, verdict = run.environment, run.get(Lock), run.get(Verdict)
    interpreter, installed, plan = run.get(Interpreter), run.find(Installed), run.get(Plan)
    generation = run.get(Generation)
    old, driver = generation.seal, run.get(Facts).driver.value
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
    )
    generation = environment.reseal(generation, seal) if old else environment.seal(generation, seal)
    environment.activate(generation)
    image_of(run).save(generation.path)
    pruned = environment.prune(run.loaded.profile.environment.keep)
    sweep_images(run.home)
    return Activated(generation=generation, pruned=len(pruned))


def drop_unpacked(run: Run) -> None:
    """Forget what was unpacked. Its files are linked into environments, so whoever writes there writes here."""
    image_of(run).drop()
    shutil.rmtree(run.home.cache / "uv", ignore_errors=True)


def sweep_images(home: Home) -> None:
    """Delete the images that no generation of any environment names any more."""
    if not home.images.is_dir():
        return
    used = {
        generation.seal.image
        for environment in environments(home.environments)
        for generation in environment.generations()
        if generation.seal
    }
    for folder in home.images.iterdir():
        # One that is being made belongs to another run.
        if folder.name not in used and not folder.name.endswith(".new"):
            Image(folder).drop()


def _uv() -> Path:
    """The uv that is installed with tfprov."""
    from uv import find_uv_bin

    return Path(find_uv_bin())


def _child(run: Run) -> dict[str, str]:
    """Variables for a child that may use the network, by the first route."""
    network = run.network
    return clean_environment(run.request.environ, **network.tool_environment(network.routes[0]))


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
