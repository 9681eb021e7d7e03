"""The images of environments in a run: which one is meant, making it beside the smoke test, and deleting old ones."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tfprov import locks
from tfprov.envs import durable
from tfprov.envs.generations import environments
from tfprov.envs.images import Image, image_key
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.paths import Home
from tfprov.pipeline import unpacked
from tfprov.pipeline.context import Context
from tfprov.pipeline.records import Installation, Locked

_SIGN_SECONDS = 10.0


def image_of(context: Context, locked: Locked) -> Image:
    """The image of the locked files on the chosen interpreter; it need not exist."""
    return Image(context.home.images / image_key(locked.lock.content, locked.interpreter))


def sweep_images(home: Home) -> None:
    """Delete the images that no generation of any environment names any more, and the wheels unpacked for them."""
    used = _used(home)
    unpacked.sweep(home, used)
    for folder in home.images.iterdir() if home.images.is_dir() else ():
        # One that is being made belongs to another run.
        unused = folder.name not in used and not folder.name.startswith(".") and not folder.name.endswith(".new")
        # Once more: deleting the one before took its time, and a run may have taken this one into use.
        if unused and folder.name not in _used(home):
            Image(folder).drop()


def _used(home: Home) -> frozenset[str]:
    """Names of the images that generations name."""
    return frozenset(
        generation.seal.image
        for environment in environments(home.environments)
        for generation in environment.generations()
        if generation.seal
    )


@contextlib.contextmanager
def made_once(context: Context, locked: Locked) -> Iterator[None]:
    """Do not make what another run of this user is just making: wait for it, and find its image.

    Where that run ends without an image, because it failed or was killed or files cannot be linked here, those that
    waited go on beside each other.
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
    left = None if context.deadline is None else max(0.0, context.deadline - time.monotonic())
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError, TfprovError):
            # Who cannot have the lock says why when it matters: where something is written.
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(locks.held(path, timeout=left, waiting=waiting, signs=(sign,)))
        if waited:
            held.close()
        else:
            held.enter_context(_at_work(sign))
        yield


@contextlib.contextmanager
def _at_work(sign: Path) -> Iterator[None]:
    """Let the processes that wait see that this one still works."""
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
    """Work with an image that another run may drop at any moment, since no generation names it yet.

    Raises:
        TfprovError: `cache-corrupt` when that happened.
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


@contextlib.contextmanager
def beside_the_smoke_test(context: Context, installation: Installation) -> Iterator[None]:
    """Use the processors that a smoke test leaves idle: most of what has to follow it does not depend on its verdict.

    The modules that it will import are compiled, the new generation is written back to the disk, its image is prepared,
    and what an earlier run has put aside is deleted, as far as the time allows. Where the test fails, what was prepared
    is deleted.
    """
    generation, ahead = installation.generation, installation.ahead
    image, ended = image_of(context, installation.locked), threading.Event()

    def work() -> None:
        # What conda packages brought is linked from where they are unpacked; the image is of the rest.
        image.prepare(generation.path, skip=context.backend.owned_files(generation.path))
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
            image.abandon()
