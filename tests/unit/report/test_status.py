from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parsed

from outcomes import ENVIRONMENT, GENERATION, SEAL
from tfprov.envs.generations import Environment
from tfprov.envs.records import Owner
from tfprov.errors import TfprovError
from tfprov.pipeline.status import DeviceStatus, Status, as_error
from tfprov.report import status

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
GOOD = Status(
    environment=ENVIRONMENT,
    generation=GENERATION,
    state="verified",
    code=None,
    reasons=(),
    next_step="nothing to do",
    verified_at="2026-01-01T00:00:00+00:00",
    lock=Path("/srv/pylock.train.toml"),
    devices=(
        DeviceStatus(name="CPU:0", description="", checks=2, verified=True),
        DeviceStatus(name="GPU:0", description="H100", checks=1, verified=True),
    ),
)
STALE = replace(
    GOOD,
    state="stale",
    code="gpu-driver-changed",
    reasons=("driver: 550.1 then, 560.2 now",),
    next_step="`tfprov up /srv/train.toml` verifies it again, without rebuilding",
    devices=(GOOD.devices[0], replace(GOOD.devices[1], verified=False)),
)
MISSING = Status(
    environment=Environment(Path("/e/other-1"), owner=Owner(name="other", profile="/srv/other.toml")),
    generation=None,
    state="missing",
    code="environment-missing",
    reasons=("there is no verified generation",),
    next_step="`tfprov up /srv/other.toml` makes it",
)


def test_a_line_for_each_environment_and_device_and_what_changed() -> None:
    assert status.words((GOOD, STALE, MISSING)) == (
        "train  verified  TensorFlow 2.20.0 (cuda), Python 3.12.1, proved 2026-01-01T00:00:00+00:00 (quick) by "
        "pylock.train.toml (l)\n"
        "  CPU:0        verified, 2 checks passed\n"
        "  GPU:0        verified, 1 check passed  H100\n"
        "train  stale  TensorFlow 2.20.0 (cuda), Python 3.12.1, proved 2026-01-01T00:00:00+00:00 (quick) by "
        "pylock.train.toml (l)\n"
        "  CPU:0        verified, 2 checks passed\n"
        "  GPU:0        stale, 1 check passed  H100\n"
        "  changed      driver: 550.1 then, 560.2 now\n"
        "  next         `tfprov up /srv/train.toml` verifies it again, without rebuilding\n"
        "other  missing  /srv/other.toml\n"
        "  changed      there is no verified generation\n"
        "  next         `tfprov up /srv/other.toml` makes it"
    )


def test_nothing_there_says_what_makes_something() -> None:
    assert status.words(()) == "no environments yet: `tfprov up PROFILE` makes one"


def test_the_first_that_is_not_verified_decides() -> None:
    assert as_error((GOOD,)) is None
    error = as_error((GOOD, STALE, MISSING))
    assert error is not None
    assert (error.code.name, error.exit_code) == ("gpu-driver-changed", 17)
    assert error.what == "`train`, `other` are not verified on this machine as it is now"
    assert error.hint == STALE.next_step
    assert error.evidence == ("train: driver: 550.1 then, 560.2 now", "other: there is no verified generation")


def test_the_document_has_these_keys() -> None:
    (good, _, missing) = status.document((GOOD, STALE, MISSING))["environments"]  # type: ignore[misc]  # a list
    assert set(good) == set(missing)
    assert {"name", "id", "profile", "state", "code", "reasons", "next", "verified_at", "lock", "devices"} <= set(good)


def samples(content: bytes) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in parsed(content.decode()):
        assert family.type == "gauge"
        assert family.documentation
        found[family.name] = [(sample.labels, sample.value) for sample in family.samples]
    return found


def test_prometheus_reads_what_is_written() -> None:
    found = samples(status.prometheus((GOOD, replace(STALE, environment=MISSING.environment)), now=NOW))
    assert found["tfprov_status_timestamp_seconds"] == [({}, NOW.timestamp())]
    assert [value for _, value in found["tfprov_environment_verified"]] == [1, 0]
    assert [labels["code"] for labels, _ in found["tfprov_environment_info"]] == ["", "gpu-driver-changed"]
    assert [value for _, value in found["tfprov_device_verified"]] == [1, 1, 1, 0]
    assert found["tfprov_environment_verified_timestamp_seconds"][0][1] == 1767225600


@given(name=st.text(st.characters(codec="utf-8"), min_size=1), profile=st.text(st.characters(codec="utf-8")))
def test_every_name_and_path_comes_through(name: str, profile: str) -> None:
    one = replace(MISSING, environment=Environment(Path("/e/x-1"), owner=Owner(name=name, profile=profile)))
    found = samples(status.prometheus((one,), now=NOW))
    (labels, value) = found["tfprov_environment_verified"][0]
    assert value == 0
    if "://" not in name + profile and "authorization" not in (name + profile).lower():
        assert (labels["environment"], labels["profile"]) == (name, profile)


def test_a_path_that_is_no_text_breaks_nothing() -> None:
    owner = Owner(name="x", profile="/srv/\udce9.toml")
    content = status.prometheus((replace(MISSING, environment=Environment(Path("/e/x-1"), owner=owner)),), now=NOW)
    assert samples(content)["tfprov_environment_verified"][0][0]["profile"] == "/srv/?.toml"


def test_a_file_of_metrics_replaces_its_own_kind_only(tmp_path: Path) -> None:
    path = tmp_path / "tfprov.prom"
    status.write_prometheus(path, (GOOD,), now=NOW)
    status.write_prometheus(path, (STALE,), now=NOW)
    assert samples(path.read_bytes())["tfprov_environment_verified"][0][1] == 0
    assert [each.name for each in tmp_path.iterdir()] == ["tfprov.prom"]
    path.write_text("node_load1 3\n")
    with pytest.raises(TfprovError) as caught:
        status.write_prometheus(path, (GOOD,), now=NOW)
    assert caught.value.code.name == "path-not-ours"


def test_an_environment_whose_lock_is_gone_still_has_a_line() -> None:
    assert "by a lock that is gone (l)" in status.words((replace(GOOD, lock=None),))
    assert SEAL.lock_digest == "l"
