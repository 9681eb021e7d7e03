"""A verdict as JUnit XML, which every CI system can show: a suite per device, a case per leg."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from tfprov.errors import TfprovError
from tfprov.harmless import harmless
from tfprov.products import Product
from tfprov.redact import redact
from tfprov.smoke.records import Device, Leg, Verdict
from tfprov.smoke.verdict import remedy

# Characters that XML 1.0 cannot represent; a library that dumps its memory into a message must not break the report.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_SMOKE, _RUN = "tfprov smoke", "tfprov"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_HEADS = tuple(f'{_DECLARATION}<testsuites name="{name}" '.encode() for name in (_SMOKE, _RUN))

JUNIT = Product(what="a JUnit file", is_ours=lambda stream: stream.read(len(max(_HEADS, key=len))).startswith(_HEADS))


def render(verdict: Verdict) -> str:
    """The JUnit document of a verdict, with its XML declaration."""
    head = {"name": _SMOKE, "time": f"{verdict.seconds:.3f}"}
    root = ET.Element("testsuites", head | _counts(verdict.devices))
    for device in verdict.devices:
        head = {"name": _clean(device.name), "time": f"{sum(leg.seconds for leg in device.legs):.3f}"}
        suite = ET.SubElement(root, "testsuite", head | _counts((device,)))
        about = [("description", device.description)] if device.description else []
        about += [("cured", cure) for cure in verdict.cures if device.kind == "environment"]
        if about:
            properties = ET.SubElement(suite, "properties")
            for name, value in about:
                ET.SubElement(properties, "property", name=name, value=_clean(value))
        for leg in device.legs:
            _case(suite, device, leg)
    ET.indent(root)
    return _DECLARATION + ET.tostring(root, encoding="unicode") + "\n"


def render_failure(error: TfprovError, *, stage: str, seconds: float) -> str:
    """The JUnit document of a run that ended before anything could be proved: one case, with an error."""
    counts = {"tests": "1", "failures": "0", "skipped": "0", "errors": "1", "time": f"{seconds:.3f}"}
    root = ET.Element("testsuites", {"name": _RUN, **counts})
    suite = ET.SubElement(root, "testsuite", {"name": "tfprov", **counts})
    case = ET.SubElement(suite, "testcase", classname="tfprov", name=stage, time=f"{seconds:.3f}")
    found = ET.SubElement(case, "error", type=error.code.name, message=_clean(error.what))
    found.text = _clean("\n".join((*error.tried, *error.evidence, f"hint: {error.hint}")))
    ET.indent(root)
    return _DECLARATION + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, device: Device, leg: Leg) -> None:
    case = ET.SubElement(
        suite, "testcase", classname=f"smoke.{_clean(device.name)}", name=_clean(leg.leg), time=f"{leg.seconds:.3f}"
    )
    if leg.skipped:
        ET.SubElement(case, "skipped", message=_clean(leg.evidence))
    elif not leg.ok:
        failure = ET.SubElement(
            case, "failure", type=_clean(leg.code or ""), message=_clean(f"{leg.code}: {remedy(leg)}")
        )
        failure.text = _clean(leg.evidence)
    elif leg.evidence:
        ET.SubElement(case, "system-out").text = _clean(leg.evidence)


def _counts(devices: tuple[Device, ...]) -> dict[str, str]:
    legs = [leg for device in devices for leg in device.legs]
    return {
        "tests": str(len(legs)),
        "failures": str(sum(not leg.ok for leg in legs)),
        "skipped": str(sum(leg.skipped for leg in legs)),
        "errors": "0",
    }


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", harmless(redact(text)))
