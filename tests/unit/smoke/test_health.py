from __future__ import annotations

import pytest

from tfprov.smoke.health import History, Values, Xid, address, bus_ids, by_device, holders, judge

GOOD: Values = {
    "index": 0,
    "bus_id": "00000000:65:00.0",
    "compute_mode": 0,
    "remap_pending": 0,
    "remap_failure": 0,
    "remapped_rows_uncorrectable": 0,
    "ecc_uncorrected": 0,
    "throttle_reasons": 1,
    "temperature": 41,
}
LOG = """
I0000 gpu_device.cc:2019] Created device /job:localhost/replica:0/task:0/device:GPU:0 with 78834 MB memory:  -> device: 0, name: NVIDIA H100 80GB HBM3, pci bus id: 0000:e1:00.0, compute capability: 9.0
I0000 gpu_device.cc:2019] Created device /job:localhost/replica:0/task:0/device:GPU:1 with 78834 MB memory:  -> device: 1, name: NVIDIA H100 80GB HBM3, pci bus id: 0000:65:00.0, compute capability: 9.0
"""  # noqa: E501 - lines of TensorFlow's log as they come


def test_a_healthy_gpu_passes_and_says_its_numbers() -> None:
    leg = judge(GOOD, GOOD)
    assert leg.ok
    assert "temperature 41" in leg.evidence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"remap_pending": 1}, "wait to be remapped"),
        ({"remap_failure": 1}, "replace the GPU"),
        ({"ecc_uncorrected": 3}, "3 new uncorrected memory errors"),
        ({"remapped_rows_uncorrectable": 1}, "1 new rows remapped"),
        ({"throttle_reasons": 0x48}, "slowed down by the hardware"),
        ({"compute_mode": 2}, "forbids every use"),
        ({"error": 15}, "NVML error 15"),
    ],
)
def test_a_fault_is_named(change: Values, words: str) -> None:
    leg = judge(GOOD, {**GOOD, **change})
    assert (leg.ok, leg.code) == (False, "gpu-unhealthy")
    assert words in leg.evidence


def test_rows_that_were_remapped_long_ago_are_no_fault() -> None:
    old: Values = {**GOOD, "remapped_rows_uncorrectable": 2}
    assert judge(old, old).ok


@pytest.mark.parametrize("reasons", [0x1, 0x2, 0x4, 0x20])
def test_idling_and_the_power_cap_are_no_fault(reasons: int) -> None:
    assert judge(GOOD, {**GOOD, "throttle_reasons": reasons}).ok


def test_a_gpu_without_these_counters_is_not_called_sick() -> None:
    assert judge({"index": 0}, {"index": 0}).ok


def test_devices_are_matched_by_their_bus_and_not_by_their_number() -> None:
    assert bus_ids(LOG) == {"GPU:0": "0000:e1:00.0", "GPU:1": "0000:65:00.0"}
    other: Values = {**GOOD, "bus_id": "00000000:E1:00.0", "index": 1}
    assert by_device(["GPU:0", "GPU:1"], LOG, [GOOD, other]) == {"GPU:0": other, "GPU:1": GOOD}


def test_the_same_bus_in_another_domain_is_another_gpu() -> None:
    log = LOG.replace("0000:e1:00.0", "0002:00:00.0").replace("0000:65:00.0", "0001:00:00.0")
    first: Values = {**GOOD, "bus_id": "00000001:00:00.0"}
    second: Values = {**GOOD, "bus_id": "00000002:00:00.0"}
    assert by_device(["GPU:0", "GPU:1"], log, [first, second]) == {"GPU:0": second, "GPU:1": first}
    mine, other = Xid(bus="0001:00:00", number=31), Xid(bus="0002:00:00", number=79)
    assert History(before=(mine, other), after=()).of("00000001:00:00.0").before == (mine,)


def test_the_one_that_could_not_be_created_is_the_one_that_is_left() -> None:
    other: Values = {**GOOD, "bus_id": "00000000:17:00.0"}
    log = LOG.splitlines()[2]
    assert by_device(["GPU:0", "GPU:1"], log, [GOOD, other]) == {"GPU:0": other, "GPU:1": GOOD}
    # With more of them left than devices it could be any of these.
    third: Values = {**GOOD, "bus_id": "00000000:18:00.0"}
    assert by_device(["GPU:0", "GPU:1"], log, [GOOD, other, third]) == {"GPU:1": GOOD}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00000000:65:00.0", (0, 0x65, 0)),
        ("0000:65:00", (0, 0x65, 0)),
        ("10000:E1:1f.0", (0x10000, 0xE1, 0x1F)),
        ("<undefined>", None),
        ("65:00.0", None),
        ("", None),
    ],
)
def test_an_address_is_domain_bus_and_device(text: str, expected: tuple[int, int, int] | None) -> None:
    assert address(text) == expected


def test_who_holds_a_gpu_is_told_as_far_as_the_driver_says() -> None:
    assert holders(GOOD) == ""
    taken: Values = {**GOOD, "compute_mode": 3, "held_by": "python 77 (1024 MiB)"}
    assert holders(taken) == "the compute mode is exclusive process, it is in use by python 77 (1024 MiB)"
    full: Values = {**GOOD, "memory_free_mib": 12, "memory_total_mib": 81559}
    assert holders(full) == "12 of 81559 MiB are free"


def test_a_single_gpu_needs_no_bus_to_be_matched() -> None:
    assert by_device(["GPU:0"], "", [GOOD]) == {"GPU:0": GOOD}


def test_devices_that_cannot_be_told_apart_get_no_health() -> None:
    assert by_device(["GPU:0", "GPU:1"], "", [GOOD, GOOD]) == {}


def test_only_what_came_meanwhile_is_new_even_when_the_log_lost_its_beginning() -> None:
    old, lost = Xid(bus="0000:65:00", number=31, words="a"), Xid(bus="0000:65:00", number=43)
    history = History(before=(lost, old), after=(old, old), source="dmesg")
    assert history.new == (old,)
    assert not judge(GOOD, GOOD, history).ok
    assert History(before=None, after=None).new == ()


def test_errors_of_other_gpus_are_left_out() -> None:
    mine, other = Xid(bus="0000:65:00", number=31), Xid(bus="0000:17:00", number=79)
    assert History(before=(mine, other), after=(mine, other)).of("00000000:65:00.0").before == (mine,)
    assert History().of("00000000:65:00.0").before is None


def test_a_recovery_that_nobody_knows_yet_keeps_its_number() -> None:
    assert "asks for a recovery: 9" in judge(GOOD, {**GOOD, "recovery_action": 9}).evidence


def test_throttle_reasons_are_words() -> None:
    assert "clocks limited by idle, power cap, 0x10000" in judge(GOOD, {**GOOD, "throttle_reasons": 0x10005}).evidence
