"""Suggests commands for the current folder when tfprov is started without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.pipeline.environments import find
from tfprov.profile import finding
from tfprov.profile.nearby import lists_under_other_names
from tfprov.words import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The state of a folder, and the commands that make sense there.

    Attributes:
        words: the state in one sentence, without a full stop.
        steps: commands as they can be typed in that folder, each with what it does; the first one to run comes first.
    """

    words: str
    steps: tuple[tuple[str, str], ...]


def next_steps(cwd: Path, environ: Mapping[str, str]) -> Situation:
    """The state of a folder (profile, environment, or neither) and the commands to suggest. Writes nothing."""
    profile = finding.nearest(cwd)
    if profile is None:
        others = lists_under_other_names(cwd)
        return Situation(
            words="this folder has no profile, and no file that says what a project needs",
            steps=(
                *((f"tfprov up {quoted(name)}", "make the environment that this file asks for") for name in others[:1]),
                ("tfprov up cpu", "make an environment with TensorFlow for the processor, and prove it"),
                ("tfprov up auto", "the same for the GPUs of this machine, where it has some"),
                ("tfprov init", "write a profile for this folder"),
                ("tfprov explain FILE", "say what a log of a failed installation or run means"),
            ),
        )
    implied = finding.is_stand_in(profile)
    words = f"`{profile.name}` says what this folder needs" if implied else f"`{profile.name}` is the profile here"
    if profile.parent != cwd:
        words = f"`{profile}` is the profile of this folder"
    write = (("tfprov init", f"write a profile that names `{profile.name}`"),) if implied else ()
    try:
        environment = find("", cwd=cwd, environ=environ)
        generation = environment.active()
    except TfprovError as error:
        return Situation(words=f"{words}: {error.what}", steps=(("tfprov plan", "say what is wrong with it"), *write))
    if generation is None or generation.seal is None:
        return Situation(
            words=f"{words}; there is no environment of it yet",
            steps=(
                ("tfprov plan", "say what would be installed and why; nothing is changed"),
                ("tfprov up", "make the environment, and prove it on every device"),
                *write,
            ),
        )
    return Situation(
        words=f"{words}; its environment has TensorFlow {generation.seal.tensorflow}",
        steps=(
            ("tfprov run -- python FILE", "run a program in it"),
            ("tfprov shell", "start a shell in which it is active"),
            ("tfprov status", "say whether it is verified on this machine as it is now"),
            ("tfprov up", "bring it up to date, after a change of the profile or of the machine"),
            *write,
        ),
    )
