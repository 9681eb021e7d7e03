"""The examples for GitHub: parsed, examined as a linter would, and run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from runners import EXAMPLES, Runner, resolved, violations

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib
from site_under_test import RELEASE, only_here

pytestmark = only_here

ACTION = EXAMPLES / "github-action" / "action.yml"
WORKFLOW = EXAMPLES / "github" / "workflow.yml"
RELEASE_WORKFLOW = EXAMPLES.parent / ".github" / "workflows" / "release.yml"

# What `tfprov up` writes to the outputs of its step; test_a_step_that_runs_up_has_these_outputs holds it to that.
UP_OUTPUTS = {"path", "python", "python-version", "tensorflow", "accelerator", "already"}

Document = dict[str, Any]


def read(path: Path) -> Document:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    # YAML 1.1 takes the bare word for a boolean; GitHub does not.
    if True in document:
        document["on"] = document.pop(True)
    return dict(document)


def problems(document: Document, source: Path) -> list[str]:
    """What a linter of workflows would object to."""
    found = []
    jobs: Mapping[str, Document] = document.get("jobs") or {"action": document["runs"]}
    for name, job in jobs.items():
        needs = job.get("needs", [])
        found += [f"{name} needs {each}" for each in ([needs] if isinstance(needs, str) else needs) if each not in jobs]
        known = {f"inputs.{each}" for each in document.get("inputs", {})}
        known |= {f"matrix.{each}" for each in job.get("strategy", {}).get("matrix", {})}
        known |= {"runner.temp", "github.workspace", "github.action_path", "vars.TFPROV"}
        found += unknown(str(job.get("runs-on", "")), known, f"{name}.runs-on")
        ids: set[str] = set()
        for number, step in enumerate(job["steps"]):
            place = f"{name}.steps[{number}]"
            for text in strings({key: value for key, value in step.items() if key != "run"}):
                found += unknown(text, known, place)
            if "${{" in step.get("run", ""):
                found.append(f"{place}: an expression in a script is a way in for whoever sets its value: use `env`")
            if "run" in step and document.get("runs") and "shell" not in step:
                found.append(f"{place}: a step of a composite action names its shell")
            if str(step.get("uses", "")).startswith("./.github/actions/") and source is WORKFLOW:
                taken = set(step.get("with", {})) - set(read(ACTION)["inputs"])
                found += [f"{place}: the action has no input {each}" for each in taken]
            if "id" in step:
                if step["id"] in ids:
                    found.append(f"{place}: {step['id']} stands twice")
                ids.add(step["id"])
                known |= {f"steps.{step['id']}.outputs.{each}" for each in outputs_of(step)}
        for each in document.get("outputs", {}).values():
            found += unknown(each["value"], known, "outputs")
    return found


def outputs_of(step: Document) -> set[str]:
    script = step.get("run", "")
    written = set(re.findall(r'echo "([\w-]+)=[^\n]*>> "\$GITHUB_OUTPUT"', script))
    return written | (UP_OUTPUTS if "tfprov up " in script else set())


def unknown(text: str, known: set[str], place: str) -> list[str]:
    return [f"{place}: unknown {each}" for each in re.findall(r"\$\{\{\s*([^}]+?)\s*\}\}", text) if each not in known]


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)


@pytest.mark.parametrize(
    ("path", "schema"),
    [(ACTION, "github-actions"), (WORKFLOW, "github-workflows"), (RELEASE_WORKFLOW, "github-workflows")],
)
def test_the_file_is_as_the_schema_wants_it(path: Path, schema: str, tmp_path: Path) -> None:
    assert violations(path, schema) == ""
    document = read(path)
    if "runs" in document:
        document["runs"] = {"using": "composite", "steps": [{"name": "x"}]}
    else:
        document["jobs"] = {"job": {"steps": []}}
    broken = tmp_path / path.name
    broken.write_text(yaml.safe_dump(document))
    assert "is not valid" in violations(broken, schema)


@pytest.mark.parametrize("path", [ACTION, WORKFLOW])
def test_nothing_in_the_file_is_unknown(path: Path) -> None:
    assert problems(read(path), path) == []


def test_the_linter_sees_what_is_wrong() -> None:
    document = read(ACTION)
    document["runs"]["steps"][1]["env"]["PROFILE"] = "${{ inputs.profil }}"
    document["runs"]["steps"][0]["run"] = 'pip install "${{ inputs.tfprov }}"'
    del document["runs"]["steps"][3]["id"]
    assert len(problems(document, ACTION)) == 5


def scripts() -> list[str]:
    found = [step["run"] for step in read(ACTION)["runs"]["steps"] if "run" in step]
    for path in (WORKFLOW, RELEASE_WORKFLOW):
        for job in read(path)["jobs"].values():
            found += [step["run"] for step in job["steps"] if "run" in step]
    return found


@pytest.mark.parametrize("script", scripts())
def test_every_script_is_one_for_bash(script: str) -> None:
    done = subprocess.run(["bash", "-n", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


class Step:
    """What a runner hands to a step, and takes from it."""

    def __init__(self, runner: Runner, contexts: dict[str, str]) -> None:
        self.runner, self.contexts = runner, contexts

    def run(self, step: Document) -> None:
        values, page = self.runner.root / "values", self.runner.root / "summary.md"
        values.write_text("")
        environ = {name: resolved(value, self.contexts) for name, value in step.get("env", {}).items()}
        files = {"GITHUB_OUTPUT": str(values), "GITHUB_STEP_SUMMARY": str(page), "GITHUB_ACTIONS": "true", "CI": "true"}
        self.runner.run(step["run"], **files, **environ)
        for line in values.read_text().splitlines():
            name, _, value = line.partition("=")
            self.contexts[f"steps.{step.get('id')}.outputs.{name}"] = value


@pytest.mark.parametrize("locked", ["true", "false"])
def test_the_action_ends_with_a_verified_environment_its_outputs_and_its_report(tmp_path: Path, locked: str) -> None:
    runner = Runner.make(tmp_path, "github")
    runner.lock("train.toml")
    document = read(ACTION)
    contexts = {f"inputs.{name}": each["default"] for name, each in document["inputs"].items() if "default" in each}
    contexts |= {"inputs.tfprov": "tfprov==0.1.0", "inputs.locked": locked, "runner.temp": str(tmp_path / "temp")}
    step = Step(runner, contexts)
    for each in document["runs"]["steps"]:
        if "run" in each:
            step.run(each)
    given = {name: resolved(each["value"], contexts) for name, each in document["outputs"].items()}
    assert given["tensorflow"] == RELEASE
    assert (
        runner.run(f'"{given["python"]}" -c "import tensorflow; print(tensorflow.__version__)"').stdout
        == f"{RELEASE}\n"
    )
    assert (runner.project / "tfprov.xml").is_file()
    assert "| CPU:0 | matmul | passed |" in (tmp_path / "summary.md").read_text()
    # The cache step saves the folder that `up` has filled, under a key for this lock.
    assert list(Path(contexts["steps.name.outputs.store"]).glob("sha256/*/*/tensorflow_cpu*.whl"))
    assert contexts["steps.name.outputs.key"].startswith("tfprov-")
    assert "pip install --quiet --disable-pip-version-check tfprov==0.1.0" in runner.calls


def test_a_step_that_runs_up_has_these_outputs(tmp_path: Path) -> None:
    runner = Runner.make(tmp_path, "github")
    contexts: dict[str, str] = {}
    Step(runner, contexts).run({"id": "x", "run": "tfprov up train.toml"})
    assert {name.rpartition(".")[2] for name in contexts} == UP_OUTPUTS


def test_the_scripts_of_the_workflow_do_their_work(tmp_path: Path) -> None:
    runner = Runner.make(tmp_path, "github")
    runner.lock("train.toml")
    # The action is what makes the environment there.
    runner.run("tfprov up train.toml --locked")
    for job in read(WORKFLOW)["jobs"].values():
        for each in job["steps"]:
            if "run" in each:
                Step(runner, {"vars.TFPROV": "tfprov==0.1.0"}).run(each)
    assert (runner.project / "train.tar").is_file()


def test_the_lock_serves_every_runner_of_the_workflow() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    profile = tomllib.loads((WORKFLOW.parent / "train.toml").read_text())
    names = {"ubuntu-latest": "linux-x86_64", "windows-latest": "windows-amd64", "macos-latest": "macos-arm64"}
    runners = workflow["jobs"]["verified"]["strategy"]["matrix"]["os"]
    assert set(profile["lock"]["platforms"]) == {names[runner] for runner in runners}
