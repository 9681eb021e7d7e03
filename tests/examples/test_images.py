"""The examples for images and development containers: parsed, and what they run is run."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from runners import EXAMPLES, Runner
from site_under_test import RELEASE, only_here

pytestmark = only_here

DOCKER = EXAMPLES / "docker"
INSTRUCTIONS = {"FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its lines joined."""

    name: str
    text: str


def parse(path: Path) -> list[Instruction]:
    """The instructions of a Dockerfile."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found = []
    for line in filter(str.strip, joined.splitlines()):
        name, _, text = line.partition(" ")
        found.append(Instruction(name, text.strip()))
    return found


def script_of(instruction: Instruction) -> str:
    """What the shell of the builder gets: without the options of the instruction."""
    text = instruction.text
    if instruction.name == "HEALTHCHECK":
        text = text.partition(" CMD ")[2]
    return re.sub(r"^(--\S+\s+)+", "", text)


def inside(script: str, runner: Runner) -> str:
    """A script of an image, with the places of the image moved below the runner's folder."""
    for place in ("/opt/tfprov", "/opt/tensorflow", "/var/cache/tfprov-store"):
        script = script.replace(place, f"{runner.root}/image{place}")
    return script


def built(runner: Runner, file: str) -> list[Instruction]:
    """Run what building the image runs."""
    instructions = parse(DOCKER / file)
    for each in instructions:
        if each.name == "ARG":
            assert each.text == "TFPROV"  # without a default: whoever builds names it
            runner.environ["TFPROV"] = "tfprov==0.1.0"
        elif each.name == "ENV":
            for pair in shlex.split(each.text):
                name, _, value = pair.partition("=")
                runner.environ[name] = inside(value, runner).replace("$PATH", runner.environ["PATH"])
        elif each.name == "RUN":
            runner.run(inside(script_of(each), runner), shell=("sh", "-c"))
    return instructions


@pytest.mark.parametrize("file", ["Dockerfile", "Dockerfile.gpu"])
def test_a_dockerfile_is_in_order(file: str) -> None:
    instructions = parse(DOCKER / file)
    assert {each.name for each in instructions} <= INSTRUCTIONS
    assert instructions[0].name == "FROM"
    # An index or a registry is what the builder is configured with, never what a file says.
    assert "://" not in " ".join(each.text for each in instructions)
    for each in instructions:
        if each.name == "COPY":
            *sources, _ = each.text.split()
            lost = [name for name in sources if not (DOCKER / name).exists() and not name.startswith("pylock.")]
            assert lost == []
        if each.name in ("ENTRYPOINT", "CMD"):
            assert isinstance(json.loads(each.text), list)


def test_an_image_for_the_cpu_has_a_verified_environment_and_no_wheels(tmp_path: Path) -> None:
    runner = Runner.make(tmp_path, "docker")
    runner.lock("train.toml")
    instructions = built(runner, "Dockerfile")
    image = tmp_path / "image"
    assert not (image / "opt" / "tfprov" / "cache").exists()
    assert list(image.glob("var/cache/tfprov-store/sha256/*/*/*.whl"))
    health = next(each for each in instructions if each.name == "HEALTHCHECK")
    runner.run(script_of(health), shell=("sh", "-c"))
    (command,) = (json.loads(each.text) for each in instructions if each.name == "CMD")
    assert runner.run(shlex.join(command)).stdout == f"{RELEASE}\n"


def test_an_image_for_gpus_is_not_built_when_its_libraries_cannot_be_loaded(tmp_path: Path) -> None:
    runner = Runner.make(tmp_path, "docker")
    plan = json.loads(runner.run("tfprov plan gpu.toml --json").stdout)
    assert plan["decision"]["tensorflow"]["accelerator"] == "cuda"
    runner.lock("gpu.toml")
    # The tiny wheels bring no CUDA: the build must stop, and say which libraries are not there.
    with pytest.raises(AssertionError, match=r"(?s)error\[gpu-libs-missing\].*libcudart"):
        built(runner, "Dockerfile.gpu")
    with pytest.raises(AssertionError, match="error"):
        runner.run("./prove true", shell=("sh", "-c"))


def test_the_development_container_proves_itself_when_it_is_made_and_when_it_starts(tmp_path: Path) -> None:
    document = json.loads((EXAMPLES / "devcontainer" / "devcontainer.json").read_text())
    known = {"name", "image", "containerEnv", "mounts", "onCreateCommand", "postStartCommand", "customizations"}
    assert set(document) <= known
    store = document["containerEnv"]["TFPROV_STORE"]
    assert any(f"target={store}," in mount for mount in document["mounts"])
    runner = Runner.make(tmp_path, "devcontainer")
    environ = {
        name: value.replace("${localEnv:TFPROV}", "tfprov==0.1.0") for name, value in document["containerEnv"].items()
    }
    runner.environ |= {name: inside(value, runner) for name, value in environ.items()}
    runner.run(document["onCreateCommand"], shell=("sh", "-c"))
    again = runner.run(document["postStartCommand"], shell=("sh", "-c"))
    assert "already verified" in again.stdout
    assert "pip install tfprov==0.1.0\n" in runner.calls
    chosen = document["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    python = chosen.replace("${containerWorkspaceFolder}", str(runner.project))
    assert runner.run(f'"{python}" -c "import tensorflow"').returncode == 0
