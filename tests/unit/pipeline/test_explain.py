"""What `explain --apply` writes is accepted by tfprov itself: by the reader of profiles, and by the decision."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corpus_logs
import hosts
from hosts import Host
from laws import often
from machines import Draw, machines, profiles
from remedies import follow, outcome
from tfprov.diagnose.about import about
from tfprov.diagnose.diagnose import diagnose_text
from tfprov.diagnose.records import Diagnosis, Finding, LogContext, Remedy
from tfprov.errors import CODES, TfprovError
from tfprov.pipeline.explain import proposed, with_facts, with_profile
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.records import Plan
from tfprov.profile.load import load
from tfprov.profile.records import Profile
from tfprov.report import text as screen

EVERY = ("3.6.15", "3.7.16", "3.8.18", *hosts.PYTHONS)
MACHINE = Host(gpus=(hosts.T4,), driver="575.57.08", pythons=EVERY)


def applied(found: Diagnosis, before: str, folder: Path) -> Plan | TfprovError | None:
    """The decision for a profile as the remedy would have it, where everything is there; None without a change."""
    path = folder / "train.toml"
    path.write_bytes(before.encode())
    after, _ = proposed(path, found)
    if not after:
        return None
    path.write_bytes(after.encode())
    profile = load(path).profile
    # The machine is one that people call by what their profile asks for.
    host = {"metal": hosts.MAC_ARM, "rocm": dataclasses.replace(MACHINE, gpus=(hosts.RX7900,), driver=None)}.get(
        profile.tensorflow.accelerator, MACHINE
    )
    try:
        return decide(profile, host.facts, table(), None)
    except TfprovError as error:
        return error


PROFILES = {
    "train.toml": 'name = "train"\n',
    "gpus.toml": 'name = "train"\n[smoke]\nrequire-gpus = 2\n',
    "later.toml": 'name = "train"\n[tensorflow]\naccelerator = "cuda"\n[smoke]\ngpu = "later"\n',
    "pyproject.toml": '[project]\nname = "train"\n[tool.tfprov.smoke]\nrequire-gpus = 1\n',
}


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("code", [code for code in CODES if about(code).changes])
def test_the_change_for_a_code_is_accepted_and_made_whatever_the_profile_says(
    code: str, name: str, tmp_path: Path
) -> None:
    finding = Finding(
        code=code, role="cause", what="", lines=(), evidence=(), count=1, rules=(), captures={},
        remedy=Remedy(text="", changes=about(code).changes),
    )  # fmt: skip
    path = tmp_path / name
    path.write_text(PROFILES[name], encoding="utf-8")
    after, _ = proposed(path, Diagnosis(findings=(finding,), context=LogContext(), lines=0, bytes=0))
    if not after:
        # The change names a file that is not there.
        assert all(each.key in ("network.ca-bundle", "python.path") for each in about(code).changes)
        return
    path.write_text(after, encoding="utf-8")
    profile = load(path).profile.model_dump(by_alias=True, mode="json")
    for change in about(code).changes:
        table, key = change.key.split(".")
        value = change.value
        assert (set(value) <= set(profile[table][key])) if isinstance(value, tuple) else profile[table][key] == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "tensorflow==2.15.0\n"),
        ("train.py", '# /// script\n# dependencies = ["tensorflow"]\n# ///\n'),
    ],
)
def test_a_file_without_keys_of_a_profile_is_not_changed(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    found = diagnose_text(LOG.format(release="2.15.0", python="3.12.3"), LogContext(system="linux", machine="x86_64"))
    assert found.root is not None
    assert proposed(path, found) == ("", "")


@pytest.mark.parametrize("accelerator", ["auto", "cpu"])
def test_a_profile_that_asks_for_the_cpu_is_not_changed_to_a_gpu(accelerator: str, tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_text(f'name = "train"\n[tensorflow]\naccelerator = "{accelerator}"\n', encoding="utf-8")
    found = diagnose_text("Could not locate zlibwapi.dll\n", with_profile(LogContext(system="windows"), load(path)))
    assert found.root is not None
    assert found.root.code == "gpu-libs-missing"
    assert bool(proposed(path, found)[1]) is (accelerator == "auto")


@pytest.mark.parametrize("log", corpus_logs.read(), ids=lambda log: log.name)
def test_the_change_for_a_log_is_accepted(log: corpus_logs.Log, tmp_path: Path) -> None:
    found = diagnose_text(log.content.decode("utf-8", "replace"), log.context)
    answer = applied(found, 'name = "train"\n', tmp_path)
    assert not isinstance(answer, TfprovError), answer


LOG = """\
$ python3 --version
Python {python}
$ pip install tensorflow=={release}
ERROR: Could not find a version that satisfies the requirement tensorflow=={release} (from versions: 2.20.0, 2.21.0)
ERROR: No matching distribution found for tensorflow=={release}
"""
RELEASES = ("1.4.0", "1.13.1", "1.14.0", "2.99.0", *(row.version for row in table().releases))


@settings(max_examples=300, derandomize=True, database=None)
@given(
    release=st.sampled_from(RELEASES),
    python=st.sampled_from(("2.7.18", "3.5.2", "3.6.9", "3.8.10", "3.10.12", "3.12.3", "3.14.0")),
    pinned=st.booleans(),
    accelerator=st.sampled_from(("auto", "cpu")),
)
def test_the_change_for_any_pair_of_python_and_release_is_accepted(
    release: str, python: str, pinned: bool, accelerator: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pin = f'version = "=={release}"\n' if pinned else ""
    before = f'name = "train"\n[tensorflow]\naccelerator = "{accelerator}"\n{pin}'
    found = diagnose_text(LOG.format(release=release, python=python), LogContext(system="linux", machine="x86_64"))
    answer = applied(found, before, tmp_path_factory.mktemp("profile"))
    if isinstance(answer, TfprovError):
        # Only a pin on what tfprov never installs, or what was never released, stays.
        assert pinned
        assert answer.code.name == "version-not-available"
        assert release in ("1.4.0", "1.13.1", "1.14.0", "2.99.0")


# --- followed to the end ---------------------------------------------------------------------------------------------

LOGS = (*corpus_logs.read(), *corpus_logs.read_public())


def written(asked: Profile) -> str:
    """The text of a profile, with what differs from an empty one."""
    document = asked.model_dump(by_alias=True, mode="json", exclude_defaults=True)
    tables = {name: keys for name, keys in document.items() if isinstance(keys, dict)}
    lines = [f"{name} = {json.dumps(value)}" for name, value in document.items() if name not in tables]
    for name, keys in tables.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"


@often(100)
@given(host=machines(), asked=profiles(), seed=st.integers(0, 2**48))
def test_what_apply_writes_followed_to_the_end_leads_to_a_plan(
    host: Host, asked: Profile, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    draw = Draw(seed)
    log = draw.choice(LOGS)
    said, context = log.content.decode("utf-8", "replace"), log.context
    path = tmp_path_factory.getbasetemp() / "law.toml"
    path.write_text(written(asked), encoding="utf-8")
    try:
        load(path)
    except TfprovError as error:
        assert error.code.name == "profile-invalid"
        return
    seen = [written(asked)]
    while True:
        after, difference = proposed(path, diagnose_text(said, with_profile(context, load(path))))
        if difference:
            # No change only undoes another.
            assert after not in seen, seen
            seen.append(after)
            path.write_text(after, encoding="utf-8")
        answer = outcome(load(path).profile, host)
        if isinstance(answer, Plan):
            return
        if not difference and said == screen.error(answer):
            break
        said, context = screen.error(answer), with_facts(LogContext(), host.facts)
    # Where no change of the profile helps, the hints of the refusal do.
    follow(load(path).profile, host, draw)
