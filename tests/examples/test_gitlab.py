"""The example for GitLab: parsed, its references followed, and run job by job."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from runners import EXAMPLES, Runner, violations
from site_under_test import RELEASE, only_here

pytestmark = only_here

FILE = EXAMPLES / "gitlab" / ".gitlab-ci.yml"
COMPONENT = EXAMPLES / "gitlab-component" / "templates" / "tensorflow" / "template.yml"
KEYWORDS = {"extends", "stage", "needs", "script", "before_script", "after_script", "artifacts", "cache", "image"}
Document = dict[str, Any]


def read() -> Document:
    return dict(yaml.safe_load(FILE.read_text(encoding="utf-8")))


def jobs(document: Document) -> dict[str, Document]:
    """The jobs, hidden ones too."""
    return {name: each for name, each in document.items() if name not in ("stages", "variables")}


def whole(name: str, document: Document) -> Document:
    """A job with what it extends."""
    job = jobs(document)[name]
    base = whole(job["extends"], document) if "extends" in job else {}
    return {**base, **job}


def problems(document: Document) -> list[str]:
    found = []
    for name, job in jobs(document).items():
        found += [f"{name}: unknown keyword {each}" for each in job if each not in KEYWORDS]
        if job.get("extends", name) not in jobs(document):
            found.append(f"{name} extends {job['extends']}")
            continue
        if name.startswith("."):
            continue
        merged = whole(name, document)
        found += [f"{name} needs {each}" for each in merged.get("needs", []) if each not in jobs(document)]
        if merged.get("stage") not in document["stages"]:
            found.append(f"{name}: no such stage")
        if not merged.get("script"):
            found.append(f"{name}: no script")
        cached = merged.get("cache", {}).get("paths", [])
        # GitLab keeps nothing that lies outside the folder of the project.
        found += [f"{name} caches {each}" for each in cached if each.startswith("/") or ".." in each]
    return found


def test_the_file_names_nothing_that_is_not_there() -> None:
    document = read()
    assert problems(document) == []
    document["verify"]["needs"] = ["nobody"]
    document["train"]["stage"] = "nowhere"
    document["train"]["scripts"] = []
    assert len(problems(document)) == 3


def component(**given: str) -> Document:
    """What GitLab makes of the component with these inputs."""
    spec, _, jobs = COMPONENT.read_text(encoding="utf-8").partition("\n---\n")
    inputs = yaml.safe_load(spec)["spec"]["inputs"]
    assert set(given) <= set(inputs)
    values = {name: given[name] if name in given else each["default"] for name, each in inputs.items()}
    assert all(re.match(each["regex"], values[name]) for name, each in inputs.items() if "regex" in each)
    return dict(yaml.safe_load(re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda found: values[found[1]], jobs)))


def test_both_files_are_as_the_schema_of_gitlab_wants_them(tmp_path: Path) -> None:
    assert violations(FILE, "gitlab-ci") == ""
    made = tmp_path / "component.yml"
    made.write_text(yaml.safe_dump(component(tfprov="tfprov==0.1.0")))
    assert violations(made, "gitlab-ci") == ""
    made.write_text(yaml.safe_dump({"tensorflow": {"script": 5}}))
    assert violations(made, "gitlab-ci") != ""


def test_the_cached_folder_is_the_store_and_its_key_follows_the_lock() -> None:
    document = read()
    cache = document[".tensorflow"]["cache"]
    assert document["variables"]["TFPROV_STORE"] == "$CI_PROJECT_DIR/" + cache["paths"][0].rstrip("/")
    assert cache["key"]["files"] == ["pylock.train.toml"]


def test_a_job_that_is_not_root_finds_the_tfprov_that_pip_installed_for_its_user() -> None:
    for document in (read(), component(tfprov="tfprov==0.1.0")):
        for job in jobs(document).values():
            lines = [line for part in ("before_script", "script", "after_script") for line in job.get(part, [])]
            # The folder of commands of a user is not on PATH.
            assert not [line for line in lines if line.startswith("tfprov ")]
            variables = document.get("variables") or job["variables"]
            assert variables["PYTHONUSERBASE"].startswith("$CI_PROJECT_DIR/")


@pytest.mark.parametrize("name", ["verify", "train", "tensorflow"])
def test_a_job_ends_with_a_verified_environment_and_its_report(tmp_path: Path, name: str) -> None:
    runner = Runner.make(tmp_path, "gitlab")
    runner.lock("train.toml")
    document = component(tfprov="tfprov==0.1.0") if name == "tensorflow" else read()
    job = document[name] if name == "tensorflow" else whole(name, document)
    environ = {"CI_PROJECT_DIR": str(runner.project), "GITLAB_CI": "true", "CI": "true", "TFPROV": "tfprov==0.1.0"}
    for variable, value in document.get("variables", job.get("variables", {})).items():
        environ[variable] = value.replace("$CI_PROJECT_DIR", str(runner.project))
    log = runner.run("\n".join([*job.get("before_script", []), *job["script"]]), **environ)
    assert re.search(r"section_start:\d+:tfprov_smoke\[collapsed=true\]\r", log.stderr.replace("\n", "\r"))
    assert f"TensorFlow {RELEASE}" in log.stdout or RELEASE in log.stdout
    runner.run("\n".join(job.get("after_script", [])) or "true", **environ)
    for made in (*job.get("artifacts", {}).get("paths", []), *job.get("artifacts", {}).get("reports", {}).values()):
        assert (runner.project / made).stat().st_size > 0
    assert list(runner.project.glob(".tfprov-store/sha256/*/*/*.whl"))
