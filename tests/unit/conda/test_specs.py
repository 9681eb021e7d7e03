from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet

from tfprov.conda.records import Channel, Virtual
from tfprov.conda.specs import check_one_tensorflow, of_pep440, of_python, of_tensorflow, relaxations
from tfprov.wants.conda_specs import CondaSpec, read
from told import refusal


def test_the_interpreter_is_one_of_those_that_fit_within_what_the_profile_asks() -> None:
    assert of_python(("3.12",), None).version == "3.12.*"
    assert of_python(("3.13", "3.12"), None).version == "3.13.*|3.12.*"
    assert of_python(("3.13", "3.12"), ">=3.12.4").version == "(3.13.*|3.12.*),>=3.12.4"


def test_tensorflow_is_asked_for_by_its_build() -> None:
    wanted = (SpecifierSet(">=2.16,<3"), SpecifierSet("==2.19.*"))
    assert str(of_tensorflow(wanted, "cuda")) == "tensorflow[version='<3,>=2.16,2.19.*',build='cuda*']"
    assert str(of_tensorflow((), "cpu")) == "tensorflow[build='cpu*']"


@pytest.mark.parametrize(
    ("pep440", "conda"),
    [
        (None, ""),
        ("==2.19.1", "==2.19.1"),
        ("===2.19.1", "==2.19.1"),
        ("==2.19.*", "2.19.*"),
        ("!=2.1.*", "!=2.1.*"),
        ("~=2.1", "~=2.1"),
    ],
)
def test_ranges_of_pep_440_are_put_in_condas_words(pep440: str | None, conda: str) -> None:
    assert of_pep440(pep440) == conda


@pytest.mark.parametrize("source", ["wheel", "conda"])
def test_tensorflow_among_the_packages_is_refused(source: str) -> None:
    chooses = {
        "wheel": '`conda.tensorflow = "conda"` uses the build of the channel',
        "conda": "`tensorflow.version` and `tensorflow.accelerator` choose the build",
    }
    asked = read("tensorflow-gpu=2.19", where="conda.packages")
    assert refusal(lambda: check_one_tensorflow([asked], source)) == (
        "several-tensorflows",
        "`conda.packages` requests `tensorflow-gpu=2.19.*` in addition to the TensorFlow of the profile",
        *(f'`conda.tensorflow = "{source}"`', "two builds overwrite each other's files"),
        f"remove it; {chooses[source]}",
    )


def test_the_smallest_changes_are_tried_first() -> None:
    specs = [of_python(("3.12",), ">=3.12"), CondaSpec(name="pip"), read("a=1=x*", where="conda.packages")]
    channels = [Channel(name="first"), Channel(name="second")]
    changes = list(relaxations(specs, [Virtual(name="__cuda", version="11.4")], channels, cuda=True))
    assert [change.get("kind", change.get("instead")) for change in changes] == [
        "driver",
        "second::a[version='==1',build='x*']",
        "a[version='==1']",
        "python",
        "a[build='x*']",
        "",
    ]
    # What nobody asked for is not offered.
    assert all(change.get("spec") != "pip" for change in changes)
    assert "a[version='==1',build='x*']" in str(changes[-1]["words"])
