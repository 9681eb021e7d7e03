from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet

from tfprov.conda.records import Virtual
from tfprov.conda.specs import Spec, check_one_tensorflow, of_pep440, of_python, of_tensorflow, parse, relaxations
from tfprov.errors import TfprovError


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("ffmpeg", "ffmpeg"),
        ("FFmpeg", "ffmpeg"),
        ("ffmpeg>=6", "ffmpeg[version='>=6']"),
        ("ffmpeg >=6,<8", "ffmpeg[version='>=6,<8']"),
        ("ffmpeg=6.1", "ffmpeg[version='6.1.*']"),
        ("ffmpeg==6.1", "ffmpeg[version='6.1']"),
        ("ffmpeg 6.1.*", "ffmpeg[version='6.1.*']"),
        ("ffmpeg=6.1=gpl*", "ffmpeg[version='6.1.*',build='gpl*']"),
        ("ffmpeg=*=gpl*", "ffmpeg[build='gpl*']"),
        ("conda-forge::x265 3.*", "conda-forge::x265[version='3.*']"),
    ],
)
def test_what_people_write_becomes_the_form_that_every_solver_reads_alike(text: str, asked: str) -> None:
    assert str(parse(text, where="conda.packages")) == asked


def test_the_solver_reads_every_form_as_it_is_meant() -> None:
    rattler = pytest.importorskip("rattler")
    for text in ("ffmpeg=6.1=gpl*", "ffmpeg>=6,<8", "ffmpeg==6.1"):
        rattler.MatchSpec(str(parse(text, where="")))
    spec = rattler.MatchSpec(str(parse("ffmpeg=6.1", where="")))
    assert str(spec.version) == "6.1.*"


def test_the_interpreter_is_one_of_those_that_fit_within_what_the_profile_asks() -> None:
    assert of_python(("3.12",), None).version == "3.12.*"
    assert of_python(("3.13", "3.12"), None).version == "3.13.*|3.12.*"
    assert of_python(("3.13", "3.12"), ">=3.12.4").version == "(3.13.*|3.12.*),>=3.12.4"


def test_tensorflow_is_asked_for_by_its_build() -> None:
    wanted = (SpecifierSet(">=2.16,<3"), SpecifierSet("==2.19.*"))
    assert str(of_tensorflow(wanted, "cuda")) == "tensorflow[version='<3,>=2.16,2.19.*',build='cuda*']"
    assert str(of_tensorflow((), "cpu")) == "tensorflow[build='cpu*']"


@pytest.mark.parametrize(
    ("pep440", "conda"), [(None, ""), ("==2.19.*", "2.19.*"), ("!=2.1", "!=2.1"), ("~=2.1", "~=2.1")]
)
def test_ranges_of_pep_440_are_put_in_condas_words(pep440: str | None, conda: str) -> None:
    assert of_pep440(pep440) == conda


@pytest.mark.parametrize("source", ["wheel", "conda"])
def test_tensorflow_among_the_packages_is_refused(source: str) -> None:
    with pytest.raises(TfprovError) as caught:
        check_one_tensorflow([parse("tensorflow-gpu=2.19", where="conda.packages")], source)
    assert caught.value.code.name == "several-tensorflows"
    assert "tensorflow-gpu=2.19.*" in caught.value.what


def test_the_smallest_changes_are_tried_first() -> None:
    specs = [of_python(("3.12",), ">=3.12"), Spec(name="pip"), parse("a=1=x*", where="conda.packages")]
    changes = list(relaxations(specs, [Virtual(name="__cuda", version="11.4")], cuda=True))
    assert [change.get("kind", change.get("instead")) for change in changes] == [
        "driver",
        "a[version='1.*']",
        "python",
        "a[build='x*']",
        "",
    ]
    # What nobody asked for is not offered.
    assert all(change.get("spec") != "pip" for change in changes)
    assert "a=1.*=x*" in str(changes[-1]["words"])
