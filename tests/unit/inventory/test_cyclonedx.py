"""Bills of materials: every component has one reference, whatever is installed."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tfprov.inventory.components import Component
from tfprov.inventory.cyclonedx import DocumentSubject, document

SUBJECT = DocumentSubject(name="train", version="2.21.0", python="3.13.0", lock="0" * 64, made="")
NAMES = ("numpy", "protobuf", "keras")


@st.composite
def environments(draw: st.DrawFn) -> list[Component]:
    """Packages, some of them there twice: from conda and from an index, or in two versions after a broken update."""
    one = st.builds(
        Component,
        name=st.sampled_from(NAMES),
        version=st.sampled_from(("1.0", "2.0")),
        kind=st.sampled_from(("pypi", "conda")),
    )
    found = draw(st.lists(one, min_size=1, max_size=8))
    here = sorted({each.name for each in found})
    requires = st.lists(st.sampled_from(here), unique=True).map(tuple)
    return [Component(name=each.name, version=each.version, kind=each.kind, requires=draw(requires)) for each in found]


@given(environments())
def test_every_component_and_no_other_has_one_reference_and_one_list_of_what_it_needs(found: list[Component]) -> None:
    written = json.loads(json.dumps(document(SUBJECT, found)))
    references = [each["bom-ref"] for each in written["components"]]
    root = written["metadata"]["component"]["bom-ref"]
    needing = [each["ref"] for each in written["dependencies"]]
    assert len(references) == len(set(references)) == len({(one.kind, one.name, one.version) for one in found}) + 1
    assert len(needing) == len(set(needing))
    assert set(needing) == {root, *references} - {"pkg:generic/cpython@3.13.0"}
    for each in written["dependencies"]:
        assert set(each["dependsOn"]) <= set(references)
        assert each["dependsOn"] == sorted(set(each["dependsOn"]))
