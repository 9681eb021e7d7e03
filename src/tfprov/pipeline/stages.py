"""The stages after the profile, in order.

Each takes the records of earlier stages and calls the functions of its own package (`host`, `plan`, `fetch`, …).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfprov.contents import content_of
from tfprov.envs import durable, following, git
from tfprov.envs.layout import python_in
from tfprov.envs.records import Generation, Seal
from tfprov.envs.survey import survey
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.fetch.addresses import expand_all
from tfprov.fetch.fetch import Fetched, sizes
from tfprov.fetch.job import Listener
from tfprov.fetch.store import Store
from tfprov.host import facts as host_facts
from tfprov.host.fingerprint import of_facts
from tfprov.host.records import Interpreter, Vendor
from tfprov.install import space
from tfprov.lock.records import LockedFile
from tfprov.lock.resolve import is_tensorflow
from tfprov.lock.target_records import Target
from tfprov.paths import Home
from tfprov.pipeline import limits, unpacked, windows
from tfprov.pipeline.access import fetch_into_store, promised_in
from tfprov.pipeline.context import Context, stage
from tfprov.pipeline.from_bundle import naming_the_bundle, require_local, take_wheels, with_size
from tfprov.pipeline.images import beside_the_smoke_test, image_of, sweep_images, while_there
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.named import tell_of_namesakes
from tfprov.pipeline.records import Choice, Installation, Locked, Proved
from tfprov.pipeline.standing import with_proof
from tfprov.plan.records import Plan
from tfprov.profile.records import Loaded
from tfprov.smoke.records import SmokeRequest, Verdict
from tfprov.smoke.runner import smoke
from tfprov.smoke.verdict import as_document, as_error
from tfprov.temporary import temporary_root
from tfprov.words import count


@stage("facts")
def gather_facts(context: Context) -> Machine:
    """The machine to provision for: this one, or the one in the facts file given with `--host`.

    Raises:
        TfprovError: `usage` when that file cannot be read, or why its facts are invalid.
    """
    if context.facts_there is not None:
        return Machine(context, context.facts_there)
    python = context.loaded.profile.python.path
    facts = host_facts.gather(
        context.request.environ,
        folders=folders(context.home),
        also=context.loaded.resolve(python) if python else None,
        cache=context.home.cache / "interpreters.json",
    )
    return Machine(context, facts)


def folders(home: Home) -> dict[str, Path]:
    """The folders that a run writes to, by purpose; the facts include the free space of each."""
    return {"data": home.environments, "cache": home.cache, "temporary": temporary_root()}


@stage("plan")
def make_plan(context: Context, machine: Machine, *, tell: bool = True) -> Choice:
    """The plan; it follows the lock if there is one and it is up to date.

    Args:
        context: of the run.
        machine: to plan for.
        tell: whether to emit the notes of the plan; False for commands that show the plan, which includes them.

    Raises:
        TfprovError: why nothing fits.
    """
    choice = context.backend.choose(context, machine)
    choice = replace(choice, plan=replace(choice.plan, notes=(*context.loaded.notes, *choice.plan.notes)))
    for note in choice.plan.notes if tell else ():
        context.emit(Note(text=note))
    return choice


@stage("interpreter")
def find_interpreter(context: Context, machine: Machine, plan: Plan) -> Interpreter:
    """The interpreter that the plan chose; it is downloaded if this machine does not have it.

    Raises:
        TfprovError: `python-not-found`; `extra-missing`.
    """
    return context.backend.find_interpreter(context, machine, plan)


@stage("lock")
def lock_files(context: Context, machine: Machine, choice: Choice, interpreter: Interpreter) -> Locked:
    """The exact files, from the lock on disk, which is made or renewed first if necessary.

    Raises:
        TfprovError: `lock-missing` or `lock-unfit` when the lock must not be changed; the resolver's failure.
    """
    tell_of_namesakes(context)
    return context.backend.lock(context, machine, choice, interpreter)


@stage("fetch")
def fetch_files(context: Context, machine: Machine, locked: Locked, *, listener: Listener | None = None) -> Fetched:
    """Bring the locked files into the store. The only stage with large downloads.

    Before the first byte, the free disk space is checked, and on Windows the kind of environment, path lengths and
    the Visual C++ runtime.

    Args:
        context: of the run.
        machine: provides the network.
        locked: the files.
        listener: is told of each file while others are being fetched.

    Raises:
        TfprovError: why a file cannot be fetched; `disk-full`; see `windows.check`.
    """
    with naming_the_bundle(context):
        store, bundle = Store.of(context.home), context.bundle
        files, network = context.backend.sources(context, machine, locked.lock)
        _check_windows(context, locked, files)
        limit = limits.cap(context.request.environ, store.root)
        if bundle is not None:
            files = tuple(with_size(file, bundle) for file in files)
        if not network.offline:
            files = sizes(files, network=network, store=store)
        _make_room(context, locked.plan, store, files)
        if bundle is not None:
            files = take_wheels(bundle, files, store, context.emit)
        if network.offline:
            require_local(context, machine, files, store)
        fetched = fetch_into_store(context, network, files, listener=listener)
    promised = promised_in(context)
    for file in files:
        if file.is_wheel:
            promised.check(file, fetched.paths[file.sha256])
    limits.trim(store, limit, context.emit)
    return fetched


def _check_windows(context: Context, locked: Locked, files: tuple[LockedFile, ...]) -> None:
    if os.name == "nt":
        windows.check(
            kind=context.source.kind,
            folders=(
                context.environment.root / "generations" / "0001" / "Lib" / "site-packages",
                context.home.unpacked / ("0" * 64) / "tree",
            ),
            python=Path(locked.interpreter.path),
            tensorflow=locked.lock.target.version,
            locked={file.name for file in files},
            environ=dict(context.request.environ),
        )


def _make_room(context: Context, plan: Plan, store: Store, files: tuple[LockedFile, ...]) -> None:
    """Check that there is enough disk space; if not, evict wheels that no run needs and check again.

    Raises:
        TfprovError: `disk-full`.
    """

    def check() -> None:
        space.check(
            space.need(
                files,
                lacking=sum(map(store.lacking, files)),
                made=unpacked.store_of(context.home).made([file.sha256 for file in files]),
                unpacked=plan.unpacked_bytes,
                unpacked_files=plan.files or 0,
            ),
            store=context.home.store,
            unpacked=context.home.unpacked,
            target=context.environment.root,
            temporary=temporary_root(),
        )

    lease = store.hold({file.sha256 for file in files})
    try:
        check()
    except TfprovError as error:
        if error.code.name != "disk-full" or not limits.trim(store, 0, context.emit).files:
            raise
        check()
    finally:
        if lease is not None:
            lease.release()


def link_image(context: Context, machine: Machine, locked: Locked) -> Installation | None:
    """A new generation linked from the image of the locked files; None if there is no image, or it is beyond repair."""
    if not image_of(context, locked).exists:
        return None
    try:
        return _link_image(context, machine, locked)
    except TfprovError as error:
        if error.code.name != "cache-corrupt":
            raise
        context.emit(Note(text=f"{error.what}: installing from the wheels instead", level="warning"))
        return None


@stage("build")
def _link_image(context: Context, machine: Machine, locked: Locked) -> Installation:
    image = image_of(context, locked)
    with while_there(image):
        fetched: Fetched | None = None
        damaged = image.damage(thorough=context.request.thorough)
        if damaged:
            text = f"the image has {count(len(damaged), 'damaged file')}, taken from the wheels again"
            context.emit(Note(text=text))
            fetched = fetch_files(context, machine, locked)
            wheels = [path for path in fetched.paths.values() if path.suffix == ".whl"]
            # A write to a hard-linked file also changed the unpacked wheel, so a later install would use it again.
            unpacked.forget(context, locked.lock.files, image.owners(damaged))
            if not image.heal(damaged, wheels):
                image.drop()
                raise TfprovError(
                    "cache-corrupt",
                    "the image of the environment is damaged beyond repair",
                    evidence=tuple(f"`{entry.path}` is not in any wheel" for entry in damaged[:5]),
                )
        generation = context.environment.begin()
        fetched = create(context, machine, locked, generation.path, seeded=False) or fetched
        image.lay_down(generation.path)
        return Installation(locked=locked, generation=generation, fetched=fetched)


def create(context: Context, machine: Machine, locked: Locked, path: Path, *, seeded: bool = True) -> Fetched | None:
    """Make an environment without the wheels.

    Args:
        context: of the run.
        machine: to make it on.
        locked: what the environment is for.
        path: an empty folder.
        seeded: whether it gets its own pip.

    Returns:
        The result of the fetch, if the backend needed files for it; else None.
    """
    brought: Fetched | None = None

    def bring() -> None:
        nonlocal brought
        brought = fetch_files(context, machine, locked)

    context.backend.create(context, machine, locked, path, fetch=bring, seeded=seeded)
    following.prepare(path)
    return brought


def smoke_request(loaded: Loaded, target: Target) -> SmokeRequest:
    """The smoke test that a profile asks for.

    Args:
        loaded: the profile.
        target: the TensorFlow that is locked.

    Returns:
        The request to the smoke test.
    """
    wanted = loaded.profile.smoke
    return SmokeRequest(
        level=wanted.level,
        accelerator=target.accelerator,
        require_gpus=wanted.require_gpus,
        gpu=wanted.gpu,
        timeout=wanted.timeout,
        scripts=tuple(loaded.resolve(script) for script in wanted.scripts),
        packages=() if wanted.packages == "off" else _requested(loaded),
        all_packages=wanted.packages == "all",
        skip_imports=wanted.skip_imports,
        expected_version=target.version,
        expected_package=target.package,
        variables={**target.variables, **loaded.profile.environment.variables},
    )


def _requested(loaded: Loaded) -> tuple[tuple[str, bool], ...]:
    """The packages that the profile asks for besides TensorFlow, each with whether it may be absent."""
    left_out = {folder.name for folder in loaded.folders if folder.kind == "dependencies"}
    asked = [Requirement(text) for text in loaded.requirements if not is_tensorflow(text)]
    asked = [one for one in asked if canonicalize_name(one.name) not in left_out]
    may_lack = _may_be_left_out() if asked else frozenset()
    return tuple(
        {
            one.name: (one.name, one.marker is not None or canonicalize_name(one.name) in may_lack) for one in asked
        }.values()
    )


def _may_be_left_out() -> frozenset[str]:
    """Packages that are left out of an environment when another package provides the same modules."""
    from tfprov.plan.companions import known_breaks

    return frozenset(row.package for row in known_breaks() if row.leaves_out)


def smoke_digest(request: SmokeRequest) -> str:
    """Digest of everything that a smoke test depends on besides the environment: the request and the user's scripts."""
    digest = hashlib.sha256(json.dumps(asdict(request), default=str, sort_keys=True).encode())
    for script in request.scripts:
        digest.update(content_of(script))
    return digest.hexdigest()


@stage("smoke")
def smoke_test(context: Context, installation: Installation) -> Verdict:
    """Run the smoke test on a generation.

    Raises:
        UnprovedError: it did not pass; the error contains the verdict.
        TfprovError: it could not be run.
    """
    generation, locked, environ = installation.generation, installation.locked, context.request.environ
    fresh = generation.seal is None
    with beside_the_smoke_test(context, installation) if fresh else contextlib.nullcontext():
        request = smoke_request(context.loaded, locked.lock.target)
        verdict = smoke(
            python_in(generation.path),
            request,
            environ=environ,
            emit=context.emit,
            activation={
                **context.backend.smoke_variables(generation.path, environ),
                **expand_all(request.variables, environ),
            },
        )
        if not verdict.ok:
            raise as_error(verdict)
    return verdict


_VENDORS: Mapping[str, Vendor] = {"cuda": "nvidia", "rocm": "amd", "metal": "apple"}
"""The GPU vendor of each accelerator."""


def _seal_of(context: Context, machine: Machine, proved: Proved, *, image: str) -> Seal:
    """The seal of a proved generation, whose image has this name."""
    installation, verdict = proved.installation, proved.verdict
    locked, old = installation.locked, installation.generation.seal
    lock, interpreter = locked.lock, locked.interpreter
    asked = smoke_request(context.loaded, lock.target)
    digest = smoke_digest(asked)
    proof = of_facts(
        machine.facts,
        python=interpreter.path,
        vendor=_VENDORS.get(lock.target.accelerator) if asked.gpu == "now" else None,
        required=asked.require_gpus,
    )
    return Seal(
        kind=context.source.kind,
        profile_digest=context.loaded.digest,
        lock_digest=lock.digest,
        from_folders=lock.from_folders,
        target=lock.target,
        python=interpreter.path,
        python_version=interpreter.version,
        tensorflow=verdict.tensorflow or "",
        level=verdict.level,
        smoke_digest=digest,
        verdict={**as_document(verdict)},
        why=locked.plan.decision.tensorflow.why,
        installer=installation.installer or (old.installer if old else ""),
        sealed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        bytes=old.bytes if old else 0,
        image=image,
        # Proofs by a different smoke test say nothing about the one that the profile asks for now.
        proofs=with_proof(old.proofs if old and old.smoke_digest == digest else (), proof),
        # A sealed generation that was proved again keeps its cures.
        cures=old.cures if old else proved.cures,
        variables=dict(asked.variables),
        keep=context.loaded.profile.environment.keep,
    )


@stage("activate")
def activate(context: Context, machine: Machine, proved: Proved) -> Generation:
    """Seal a proved generation, and switch the stable path to it.

    Also saves its image, and deletes generations that are no longer kept and images that are no longer used.

    Returns:
        The generation, with its seal.
    """
    environment, installation = context.environment, proved.installation
    lock, generation = installation.locked.lock, installation.generation
    old, image = generation.seal, image_of(context, installation.locked)
    seal = _seal_of(context, machine, proved, image=image.folder.name)
    if old is None and durable.settle(generation.path):
        unpacked.written_back(context, lock.files, generation.path)
    elif old is None:
        context.emit(
            Note(
                text=f"the disk had not written the environment back after {durable.SECONDS:.0f} s; a loss of power "
                "now may damage it, which the next `tfprov up` would see and put right"
            )
        )
    if installation.fetched is not None:
        installation.fetched.flusher.wait()
    files, drafted = None if old else survey(generation.path), context.drafted.pop(generation.path, None)
    if old:
        generation = environment.reseal(generation, seal)
    else:
        generation = environment.seal(generation, seal, files, before=drafted.manifest if drafted else None)
    environment.activate(generation)
    if environment.owner.link:
        git.exclude(Path(environment.owner.link))
    environment.clear_aside()  # what was not deleted during the smoke test
    if drafted is not None and drafted.image.folder == image.folder:
        image = drafted.image
    imaged = image.save(generation.path, files, skip=context.backend.owned_files(generation.path))
    pruned = environment.prune(
        seal.keep,
        # All its files are links to files of the image.
        cheap=lambda other: imaged and other.seal is not None and other.seal.image == seal.image,
    )
    for each in pruned.held:
        context.emit(Note(text=f"{each}: it stays until that ends"))
    for failed in pruned.failed:
        context.emit(Note(text=str(failed), level="warning"))
    sweep_images(context.home)
    return generation
