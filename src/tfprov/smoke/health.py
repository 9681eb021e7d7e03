"""Judges the health of GPUs by values from the driver. Pure: a probe reads them before and after the other legs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tfprov.smoke.records import Leg

# Bits of nvmlClocksThrottleReasons. A hardware slowdown, thermal or by the power brake, means that something is wrong;
# the others are normal.
_THROTTLE: Mapping[int, str] = MappingProxyType(
    {
        0x1: "idle",
        0x2: "application clocks",
        0x4: "power cap",
        0x8: "hardware slowdown",
        0x10: "sync boost",
        0x20: "software thermal slowdown",
        0x40: "hardware thermal slowdown",
        0x80: "power brake",
        0x100: "display clocks",
    }
)
_BAD_THROTTLE = 0x8 | 0x40 | 0x80
_PROHIBITED = 2
_MODES = ("default", "exclusive thread", "prohibited", "exclusive process")
_RECOVERY = ("none", "reset the GPU", "restart the machine", "drain the peers", "drain, then reset the GPU")
# Values that must be zero, and values that must not grow while the legs run.
_NEVER = {
    "remap_pending": "rows wait to be remapped: restart the GPU",
    "remap_failure": "a row could not be remapped: replace the GPU",
    "retired_pages_pending": "pages wait to be retired: restart the GPU",
}
_GROWING = {
    "ecc_uncorrected": "uncorrected memory errors",
    "remapped_rows_uncorrectable": "rows remapped because of uncorrectable errors",
}
_CREATED = re.compile(r"device:GPU:(?P<number>\d+) with .*pci bus id: (?P<bus>[0-9a-fA-F:.]+)")
_ADDRESS = re.compile(r"(?P<domain>[0-9a-fA-F]+):(?P<bus>[0-9a-fA-F]+):(?P<device>[0-9a-fA-F]+)(?:\.\d)?")

Values = dict[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Xid:
    """An Xid error, which the driver writes to the kernel's log.

    Attributes:
        bus: PCI bus id in the form of the log, `0000:65:00`.
        number: Xid number, as in NVIDIA's catalogue.
        words: the driver's description.
    """

    bus: str
    number: int
    words: str = ""

    def __str__(self) -> str:
        return f"Xid {self.number}" + (f" ({self.words})" if self.words else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The Xid errors since boot, of all GPUs or of one.

    Attributes:
        before: those before the legs; None when the kernel's log cannot be read.
        after: those before and during the legs; None likewise.
        source: where they were read.
    """

    before: tuple[Xid, ...] | None = None
    after: tuple[Xid, ...] | None = None
    source: str = ""

    def of(self, bus_id: str) -> History:
        """The errors of one GPU, by its PCI bus id."""
        wanted = address(bus_id)

        def mine(xids: tuple[Xid, ...] | None) -> tuple[Xid, ...] | None:
            return None if xids is None else tuple(one for one in xids if address(one.bus) == wanted)

        return History(before=mine(self.before), after=mine(self.after), source=self.source)

    @property
    def new(self) -> tuple[Xid, ...]:
        """The errors that occurred while the legs ran, even if the ring buffer dropped older ones in the meantime."""
        return tuple((Counter(self.after or ()) - Counter(self.before or ())).elements())


def judge(before: Values, after: Values, history: History = History()) -> Leg:
    """The leg `health` of one GPU.

    Args:
        before: the driver's values before the other legs; a value that this GPU does not support is missing.
        after: the same after them.
        history: errors of this GPU in the kernel's log. Old ones are reported but are not a failure: they are often
            caused by a bug in a program, and if the GPU needs a reset, the driver says so itself.
    """
    wrong = [text for key, text in _NEVER.items() if _number(after, key)]
    for key, text in _GROWING.items():
        new = _number(after, key) - _number(before, key)
        if new > 0:
            wrong.append(f"{new} new {text} during the test")
    old = _number(before, "ecc_uncorrected")
    if old:
        wrong.append(f"{old} uncorrected memory errors since the driver was loaded")
    if _number(after, "throttle_reasons") & _BAD_THROTTLE:
        wrong.append(f"slowed down by the hardware: {_throttle(after)}")
    if _number(after, "compute_mode") == _PROHIBITED:
        wrong.append("the compute mode forbids every use: `nvidia-smi -c 0`")
    action = _number(after, "recovery_action")
    if action:
        wrong.append(f"the driver asks for a recovery: {_word(_RECOVERY, action)}")
    if "error" in after:
        wrong.append(f"the driver cannot open it (NVML error {after['error']})")
    wrong += [f"{xid} during the test" for xid in history.new]
    evidence = "\n".join([*wrong, _told(after), _past(history)])
    return Leg(leg="health", ok=not wrong, seconds=0.0, code="gpu-unhealthy" if wrong else None, evidence=evidence)


def _told(values: Values) -> str:
    """The driver's values in words, for the evidence."""
    words: dict[str, str] = {}
    for key, value in sorted(values.items()):
        if key == "compute_mode" and isinstance(value, int):
            words["compute mode"] = _word(_MODES, value)
        elif key == "throttle_reasons":
            words["clocks limited by"] = _throttle(values) or "nothing"
        elif key == "recovery_action" and isinstance(value, int):
            words["recovery action"] = _word(_RECOVERY, value)
        elif key == "ecc":
            words["ECC"] = "on" if value else "off"
        elif key == "pcie_width":
            words["PCIe"] = f"x{value} of x{values.get('pcie_width_max', '?')}"
        elif key == "memory_free_mib":
            words["MiB free"] = f"{value} of {values.get('memory_total_mib', '?')}"
        elif key not in ("index", "pcie_width_max", "memory_total_mib"):
            words[key.replace("_", " ")] = str(value)
    return ", ".join(f"{name} {value}" for name, value in words.items())


def _past(history: History) -> str:
    if history.before is None:
        return "the kernel's log may not be read here: nothing is known of earlier Xid errors"
    if not history.before:
        return f"no Xid error since the machine was started ({history.source})"
    kinds = Counter(xid.number for xid in history.before)
    listed = ", ".join(f"Xid {number}" + (f" {times} times" if times > 1 else "") for number, times in kinds.items())
    return f"before the test ({history.source}): {listed}; the last: {history.before[-1]}"


def _throttle(values: Values) -> str:
    reasons = _number(values, "throttle_reasons")
    known = [text for bit, text in _THROTTLE.items() if reasons & bit]
    unknown = reasons & ~sum(_THROTTLE)
    return ", ".join([*known, *([f"0x{unknown:x}"] if unknown else [])])


def _word(words: tuple[str, ...], number: int) -> str:
    return words[number] if number < len(words) else str(number)


def bus_ids(log: str) -> dict[str, str]:
    """PCI bus id of each device by TensorFlow's name, from the lines that TensorFlow logs when it creates a device."""
    return {f"GPU:{found['number']}": found["bus"] for found in _CREATED.finditer(log)}


def address(text: str) -> tuple[int, int, int] | None:
    """PCI domain, bus and device in a bus id; None when the text does not have all three.

    NVML writes the domain with eight digits, CUDA with four, and the kernel's log omits the function after the dot. The
    domain matters: on some machines all GPUs have the same bus number, each in its own domain.
    """
    found = _ADDRESS.fullmatch(text)
    return (int(found["domain"], 16), int(found["bus"], 16), int(found["device"], 16)) if found else None


def by_device(names: Iterable[str], log: str, seen: Iterable[Values]) -> dict[str, Values]:
    """The driver's values for each device.

    Args:
        names: of all GPUs that were tested.
        log: TensorFlow's messages about creating them. A device that could not be created is missing from it.
        seen: the driver's values for all its GPUs.

    Returns:
        By device name. A device without a bus id in the log is matched only if one device and one GPU are left.
    """
    values, names = list(seen), list(names)
    buses = {name: address(bus) for name, bus in bus_ids(log).items()}
    found: dict[str, Values] = {}
    for name in names:
        mine = [one for one in values if name in buses and address(str(one.get("bus_id", ""))) == buses[name]]
        if mine:
            found[name] = mine[0]
    unknown = [name for name in names if name not in found]
    rest = [one for one in values if one not in found.values()]
    if len(unknown) == len(rest) == 1:
        found[unknown[0]] = rest[0]
    return found


def holders(values: Values) -> str:
    """Why a program may be unable to use this GPU, according to the driver; empty when the values do not tell."""
    words = []
    if _number(values, "compute_mode"):
        words.append(f"the compute mode is {_word(_MODES, _number(values, 'compute_mode'))}")
    if "held_by" in values:
        words.append(f"it is in use by {values['held_by']}")
    if "memory_free_mib" in values:
        words.append(f"{values['memory_free_mib']} of {values['memory_total_mib']} MiB are free")
    return ", ".join(words)


def _number(values: Values, key: str) -> int:
    value = values.get(key, 0)
    return value if isinstance(value, int) else 0
