from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.report import fleet
from told import refusal

LEG = {"leg": "matmul", "ok": True, "code": None, "skipped": False, "evidence": "as float64 says"}
BAD = {"leg": "matmul", "ok": False, "code": "wrong-number", "skipped": False, "evidence": "off by <3>"}
ABSENT = {"leg": "all-reduce", "ok": True, "code": None, "skipped": True, "evidence": "one GPU only"}


def rollout(state: str = "verified", **changes: object) -> dict[str, object]:
    return {
        "schema": 1,
        "command": "rollout",
        "state": state,
        "before": 1,
        "generation": 2,
        "error": None,
        "tensorflow": "2.21.0",
        "python": "3.12.1",
        "devices": [{"name": "CPU:0", "legs": [LEG, ABSENT]}],
        **changes,
    }


ERROR = {"code": "wrong-number", "what": "`matmul` on GPU:0", "evidence": ["off by <3>"], "hint": "look at `GPU:0`"}


def write(folder: Path, **hosts: object) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, document in hosts.items():
        (folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    return sorted(folder.glob("*.json"))


def test_the_worst_host_comes_first_and_a_silent_one_is_not_forgotten(tmp_path: Path) -> None:
    files = write(tmp_path, a=rollout(), b=rollout("rolled-back", generation=1, error=ERROR))
    hosts = fleet.gather(files, expected=["a", "b", "c"])
    assert [(host.name, host.state) for host in hosts] == [("c", "no-result"), ("b", "rolled-back"), ("a", "verified")]
    words = fleet.describe(hosts)
    assert words.startswith("1 verified, 1 rolled-back, 1 no-result")
    assert "wrong-number: `matmul` on GPU:0" in words
    assert fleet.document(hosts)["states"] == {
        "verified": 1, "rolled-back": 1, "kept": 0, "failed": 0, "no-result": 1, "not-asked": 0,
    }  # fmt: skip


def test_a_host_that_was_not_asked_is_not_one_that_said_nothing(tmp_path: Path) -> None:
    files = write(tmp_path, a=rollout(), b=rollout("rolled-back", generation=1, error=ERROR), e=rollout())
    hosts = fleet.gather(files, expected=["a", "b", "c"], not_asked=["d", "e"])
    assert [(host.name, host.state) for host in hosts] == [
        ("c", "no-result"),
        ("b", "rolled-back"),
        ("d", "not-asked"),
        ("a", "verified"),
        ("e", "verified"),
    ]
    assert fleet.describe(hosts).startswith("2 verified, 1 not-asked, 1 rolled-back, 1 no-result")
    page = fleet.html(hosts, title="train", made=datetime(2026, 1, 2, tzinfo=timezone.utc))
    attention, overview = page.split("<h2>Hosts</h2>")
    assert ">c: no-result<" in attention
    assert ">b: rolled-back<" in attention
    assert "not-asked</strong>" not in attention
    assert '<th scope=row>d</th><td class="none">not-asked</td>' in overview
    # The rollout is not complete without it.
    failure = fleet.loss(fleet.gather(files[:1], not_asked=["d"]))
    assert failure is not None
    assert (failure.what, failure.evidence) == ("1 of 2 hosts not verified", ("d: not-asked",))
    assert failure.hint == "roll out to the hosts that were not asked"


def test_the_exit_status_is_that_of_the_worst_known_cause(tmp_path: Path) -> None:
    assert fleet.loss(fleet.gather(write(tmp_path, a=rollout()))) is None
    failure = fleet.loss(fleet.gather(write(tmp_path, a=rollout(), b=rollout("failed", error=ERROR))))
    assert failure is not None
    assert (failure.code.name, failure.exit_code) == ("wrong-number", 18)
    assert failure.evidence == ("b: failed, wrong-number: `matmul` on GPU:0",)
    unknown = fleet.loss(fleet.gather(write(tmp_path, b=rollout("failed", error={**ERROR, "code": "of-tomorrow"}))))
    assert unknown is not None
    assert unknown.code.name == "probe-failed"


def test_what_up_and_smoke_print_is_read_too(tmp_path: Path) -> None:
    up = {
        "command": "up", "ok": True, "error": None, "tensorflow": {"version": "2.20.0"},
        "environment": {"python": "3.11.7", "generation": 4}, "devices": [{"name": "CPU:0", "legs": [LEG]}],
    }  # fmt: skip
    smoke = {
        "command": "smoke", "ok": False, "error": ERROR, "verdict": {"tensorflow": "2.19.0", "python": "3.10.1"},
        "devices": [{"name": "GPU:0", "legs": [BAD]}],
    }  # fmt: skip
    bad, good = fleet.gather(write(tmp_path, a=up, b=smoke))
    assert (good.state, good.tensorflow, good.python, good.generation) == ("verified", "2.20.0", "3.11.7", 4)
    assert (bad.state, bad.tensorflow, bad.python, bad.code) == ("failed", "2.19.0", "3.10.1", "wrong-number")


def test_the_page_shows_host_by_device_by_leg(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        a=rollout(),
        b=rollout("rolled-back", error=ERROR, devices=[{"name": "GPU:0", "legs": [BAD]}]),
    )
    page = fleet.html(fleet.gather(files), title="train <1>", made=datetime(2026, 1, 2, tzinfo=timezone.utc))
    assert page.startswith("<!doctype html>")
    assert "train &lt;1&gt;" in page
    assert "<th scope=row>b</th><td>GPU:0</td>" in page
    assert "✗ wrong-number" in page
    assert "not here" in page
    assert "off by &lt;3&gt;" in page
    assert "<script" not in page


NO_RESULT = "is not the result of a host"
OTHER = "was made by another version of tfprov"
PASS = (
    "pass what the Ansible module, `tfprov up --json` or `tfprov smoke --json` printed, or what "
    "`tfprov smoke --receipt` or `--attest` wrote"
)


@pytest.mark.parametrize(
    ("content", "what", "more"),
    [
        ("{", "is not a JSON document", None),
        ("[]", NO_RESULT, PASS),
        ('{"command": "plan"}', NO_RESULT, PASS),
        ('{"command": "rollout", "state": "splendid"}', OTHER, "state `splendid`"),
        ('{"command": "rollout", "state": ["verified"]}', OTHER, "state `['verified']`"),
        ('{"command": "up", "ok": false, "error": "bad"}', OTHER, "state `failed`"),
    ],
)
def test_a_file_that_is_no_result_is_named(tmp_path: Path, content: str, what: str, more: str | None) -> None:
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    found = refusal(lambda: fleet.gather([path]))
    assert found[:2] == ("usage", f"`{path}` {what}")
    assert more is None or more in found[2:]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TfprovError, match=r"absent\.json"):
        fleet.gather([tmp_path / "absent.json"])


def test_nothing_is_not_a_fleet_that_is_verified(tmp_path: Path) -> None:
    words = ("usage", "there are no results", "name files `HOST.json`, or folders that contain them")
    assert refusal(lambda: fleet.gather(write(tmp_path))) == words
    assert [host.state for host in fleet.gather((), expected=["a"])] == ["no-result"]


def test_a_result_does_not_hide_another_one_of_the_same_host(tmp_path: Path) -> None:
    first, second = write(tmp_path / "1", a=rollout("failed", error=ERROR)), write(tmp_path / "2", a=rollout())
    for files in ((*first, *second), (*second, *first)):
        with pytest.raises(TfprovError) as caught:
            fleet.gather(files)
        assert (caught.value.code.name, caught.value.what) == ("usage", "there are two results of `a`")
        assert caught.value.evidence == tuple(f"`{path}`" for path in files)
        assert caught.value.hint == "pass the one that counts"
    assert [host.state for host in fleet.gather((*first, *first))] == ["failed"]


def test_what_a_host_says_at_length_does_not_fill_the_screen(tmp_path: Path) -> None:
    long = "x" * 1_000_000
    error = {"code": long, "what": long, "evidence": [long] * 30, "hint": long}
    devices = [{"name": long, "legs": [{"leg": long, "ok": False, "evidence": long, "code": long}]}]
    result = {"command": "rollout", "state": "failed", "error": error, "tensorflow": long, "devices": devices}
    (tmp_path / "ada.json").write_text(json.dumps(result))
    hosts = fleet.gather([tmp_path / "ada.json"])
    made = datetime(2026, 1, 1, tzinfo=timezone.utc)
    shown = [fleet.describe(hosts), json.dumps(fleet.document(hosts)), fleet.html(hosts, title="T", made=made)]
    assert all(len(text) < 200_000 for text in shown)


@pytest.mark.parametrize("lie", [{"state": "verified", "error": {"code": "usage"}}, {"ok": "no"}, {"ok": 1}])
def test_a_host_is_verified_only_where_its_result_does_not_contradict_itself(
    tmp_path: Path, lie: dict[str, object]
) -> None:
    (tmp_path / "ada.json").write_text(json.dumps({"command": "rollout", **lie}))
    assert [host.state for host in fleet.gather([tmp_path / "ada.json"])] == ["failed"]
