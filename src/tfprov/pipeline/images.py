"""The images of environments in a run: finds the one for a lock, makes it beside the smoke test, deletes old ones."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfprov import locks
from tfprov.envs import durable, manifest
from tfprov.envs.generations import environments
from tfprov.envs.images import Image, image_key
from tfprov.envs.survey import survey
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.paths import Home
from tfprov.pipeline import unpacked
from tfprov.pipeline.context import Context
from tfprov.pipeline.records import Installation, Locked

_SIGN_SECONDS = 10.0


def image_of(context: Context, locked: Locked) -> Image:
    """The image of the locked files on the chosen interpreter, which need not exist."""
    return Image(context.home.images / image_key(locked.lock.content, locked.interpreter))


def sweep_images(home: Home) -> None:
    """Delete the images that no sealed generation refers to any more, and the trees of their wheels."""
    used = _used(home)
    unpacked.sweep(home, used)
    locks.sweep(home.making)
    for folder in home.images.iterdir() if home.images.is_dir() else ():
        # An image that is still being made belongs to another run.
        unused = folder.name not in used and not folder.name.startswith(".") and not folder.name.endswith(".new")
        # Checked again: while the previous one was deleted, another run may have begun to use this one.
        if unused and folder.name not in _used(home):
            Image(folder).drop()


def _used(home: Home) -> frozenset[str]:
    """Names of the images that sealed generations refer to."""
    return frozenset(
        generation.seal.image
        for environment in environments(home.environments)
        for generation in environment.generations()
        if generation.seal
    )


@contextlib.contextmanager
def made_once(context: Context, locked: Locked) -> Iterator[None]:
    """If another run of this user is making an environment of the same files, wait for it, so that its image exists.

    If that run ends without an image, because it failed, was killed, or files cannot be linked here, the runs that
    waited continue concurrently. A lock with sources is not waited for.
    """
    image = image_of(context, locked)
    if image.exists or locked.lock.sources:
        yield
        return
    waited = False

    def waiting() -> None:
        nonlocal waited
        if not waited:
            waited = True
            text = "another tfprov is making an environment of the same files; waiting for it"
            context.emit(Note(text=text, level="info"))

    folder = context.home.making
    path, sign = folder / f"{image.folder.name}.lock", folder / f"{image.folder.name}.sign"
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError, TfprovError):
            # A failure to lock is ignored here: if it matters, a later write fails and says why.
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(locks.held(path, timeout=context.left, waiting=waiting, signs=(sign,)))
        if waited:
            held.close()
        else:
            held.enter_context(_at_work(sign))
        yield


@contextlib.contextmanager
def _at_work(sign: Path) -> Iterator[None]:
    """Touch a file while the block runs, to show the processes that wait that this one still makes progress."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(_SIGN_SECONDS):
            with contextlib.suppress(OSError):
                sign.touch()

    thread = threading.Thread(target=work, name="at work", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def while_there(image: Image) -> Iterator[None]:
    """Guard the use of an image in the block: no generation refers to it yet, so another run may delete it meanwhile.

    Raises:
        TfprovError: `cache-corrupt` when it was deleted.
    """
    try:
        yield
    except FileNotFoundError as error:
        if image.exists:
            raise
        raise TfprovError(
            "cache-corrupt",
            "the image of the environment was deleted while it was used",
            evidence=(str(error),),
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """What was made of a generation while it was being proved, for `activate`.

    Attributes:
        image: prepared.
        manifest: a draft of it.
    """

    image: Image
    manifest: manifest.Draft


@contextlib.contextmanager
def beside_the_smoke_test(context: Context, installation: Installation) -> Iterator[None]:
    """Use the processors that the smoke test in the block leaves idle, for work that does not depend on its verdict.

    Modules that it will import are compiled, the new generation is flushed to disk, its image and its manifest are
    prepared, and what earlier runs have put aside is deleted, as far as time allows. If the block fails, what was
    prepared is discarded.
    """
    generation, ahead = installation.generation, installation.ahead
    image, ended = image_of(context, installation.locked), threading.Event()

    def work() -> None:
        with contextlib.suppress(OSError, RuntimeError):  # the latter where no more threads can be started
            files = survey(generation.path)
            # Files of conda packages are linked from conda's unpacked packages; the image contains the others.
            image.prepare(generation.path, files, skip=context.backend.owned_files(generation.path))
            draft = manifest.draft(generation.path, files)
            context.drafted[generation.path] = Drafted(image=image, manifest=draft)
        context.environment.clear_aside(threads=1, stop=ended.is_set)

    durable.begin(generation.path)
    thread = threading.Thread(target=work, name="meanwhile", daemon=True)
    thread.start()
    good = False
    try:
        yield
        good = True
    finally:
        ended.set()
        if ahead is not None:
            context.emit(Note(text=f"{ahead.finish()} modules were compiled meanwhile", level="detail"))
        thread.join()
        if not good:
            context.drafted.pop(generation.path, None)
            image.abandon()
