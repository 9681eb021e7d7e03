from __future__ import annotations

from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import hosts
from hosts import Host
from tfprov.distributions import OLDEST_PYTHON, TENSORFLOWS
from tfprov.errors import TfprovError
from tfprov.lock.resolve import is_tensorflow
from tfprov.plan.demands import Demands, conflicts, gather
from tfprov.plan.tags import marker_environment
from tfprov.profile.records import Profile
from told import refusal

ENVIRONMENT = marker_environment("3.12.1", "cpython", Host().facts)


def wanted(version: str | None = None, accelerator: str = "auto", **packages: Any) -> Demands:
    tensorflow = {"accelerator": accelerator, **({"version": version} if version else {})}
    asked = Profile.model_validate({"name": "test", "tensorflow": tensorflow, "packages": packages})
    return gather(asked, Host().facts)


@pytest.mark.parametrize(
    ("version", "release", "expected"),
    [
        (None, "2.21.0", True),
        (None, "2.22.0rc0", False),
        (">=2.21", "2.22.0rc0", False),
        (">=2.22.0rc0", "2.22.0rc0", True),
        ("==2.15.*", "2.15.0.post1", True),
        ("==2.15.0", "2.15.0.post1", False),
        ("<2.16", "2.16.0", False),
    ],
)
def test_a_range_admits_releases_as_pep_440_says(version: str | None, release: str, expected: bool) -> None:
    assert wanted(version).admits(Version(release)) is expected


def test_all_pre_releases_count_where_the_profile_says_so_and_a_range_still_holds() -> None:
    found = wanted(prereleases="all")
    assert found.admits(Version("2.22.0rc0"))
    assert found.notes == (
        "pre-releases of TensorFlow and of all packages count, as `packages.prereleases` or `--pre` says",
    )
    assert not wanted("<2.21", prereleases="all").admits(Version("2.22.0rc0"))
    assert wanted().notes == ()


def test_what_is_to_be_built_is_noted_where_nothing_is_built() -> None:
    asked = {"name": "test", "packages": {"no-binary": ["six", "h5py"]}}
    assert gather(Profile.model_validate(asked), Host().facts).notes == ()
    on_conda = Profile.model_validate(asked | {"environment": {"kind": "conda"}})
    assert gather(on_conda, Host().facts).notes == (
        "`packages.no-binary` (or `--no-binary`) has no effect on `six`, `h5py`: conda environments build nothing",
    )


def test_a_line_is_named_by_its_file_where_that_is_known_and_a_constraint_asks_for_nothing() -> None:
    asked = Profile.model_validate({"name": "test"})
    places = {"numpy>=2": "requirements.txt:3", "tensorflow==2.15.*": "requirements.txt:7"}
    table = asked.packages.of_lines(["numpy>=2", "tensorflow==2.15.*"], ["tensorflow-cpu<3"], places)
    found = gather(asked.model_copy(update={"packages": table}), Host().facts)
    assert [each.where for each in found.clauses] == [
        "requirements.txt:7: tensorflow==2.15.*",
        "packages.constraints: tensorflow-cpu<3",
    ]
    assert [(str(line), where) for line, where in found.others] == [("numpy>=2", "requirements.txt:3")]
    assert found.accelerator == "auto"


@pytest.mark.parametrize(
    ("host", "accelerator", "packages", "expected"),
    [
        (hosts.MAC_ARM, "auto", {"requirements": ["tensorflow-metal"]}, "metal"),
        (hosts.MAC_ARM, "auto", {"requirements": ["tensorflow_metal==1.1.0; sys_platform == 'darwin'"]}, "metal"),
        (hosts.MAC_ARM, "auto", {"requirements": ["tensorflow-metal; sys_platform == 'linux'"]}, "auto"),
        (hosts.MAC_ARM, "auto", {"constraints": ["tensorflow-metal<1.2"]}, "auto"),
        (hosts.MAC_ARM, "cpu", {"requirements": ["tensorflow-metal"]}, "cpu"),
        (hosts.MAC_ARM, "auto", {"requirements": ["tensorflow-metal", "tensorflow-cpu"]}, "cpu"),
        (hosts.MAC_ARM, "auto", {"requirements": ["tensorflow-cpu", "tensorflow-metal"]}, "cpu"),
        (hosts.MAC_INTEL, "auto", {"requirements": ["tensorflow-metal"]}, "auto"),
        (Host(), "auto", {"requirements": ["tensorflow-metal"]}, "auto"),
    ],
)
def test_who_asks_for_the_plug_in_for_metal_asks_for_metal(
    host: Host, accelerator: str, packages: dict[str, list[str]], expected: str
) -> None:
    asked = {"name": "test", "tensorflow": {"accelerator": accelerator}, "packages": packages}
    found = gather(Profile.model_validate(asked), host.facts)
    assert found.accelerator == expected
    assert any("among the packages means" in note for note in found.notes) is (expected == "metal")


def test_a_line_that_is_there_twice_is_told_once() -> None:
    found = wanted(requirements=["tensorflow==1.13.1", "numpy", "tensorflow==1.13.1"])
    assert [each.where for each in found.clauses] == ["packages.requirements: tensorflow==1.13.1"]


def test_every_place_that_speaks_of_tensorflow_counts() -> None:
    found = wanted(">=2.15", requirements=["tensorflow<2.20"], constraints=["tensorflow-intel!=2.19.*", "numpy<2"])
    assert [each.where for each in found.clauses] == [
        'tensorflow.version = ">=2.15"',
        "packages.requirements: tensorflow<2.20",
        "packages.constraints: tensorflow-intel!=2.19.*",
    ]
    assert found.admits(Version("2.18.1"))
    assert not found.admits(Version("2.19.1"))
    assert [str(requirement) for requirement, _ in found.others] == ["numpy<2"]


def test_extras_are_kept_but_for_cuda() -> None:
    found = wanted(requirements=["tensorflow[and-cuda,gcs-filesystem]"])
    assert found.extras == ("gcs-filesystem",)
    assert any("`tensorflow.accelerator`" in note for note in found.notes)


def test_a_constraint_on_the_cpu_package_does_not_ask_for_it() -> None:
    assert wanted(constraints=["tensorflow-cpu<2.20"]).accelerator == "auto"
    assert wanted(requirements=["tensorflow-cpu<2.20"]).accelerator == "cpu"


def test_tensorflow_from_a_url_is_not_supported() -> None:
    with pytest.raises(TfprovError) as caught:
        wanted(requirements=["tensorflow @ https://files.example/tensorflow-2.21.0-cp312-cp312-linux_x86_64.whl"])
    assert caught.value.code.name == "not-supported"
    assert "find-links" in caught.value.hint


@pytest.mark.parametrize(
    ("file", "hint"),
    [
        ("tensorflow_gpu-2.4.0-cp38-cp38-manylinux2010_x86_64.whl", "write `tensorflow==2.4.0`, or put the wheel into"),
        ("tensorflow-2.16.1+cu12%2Bnv-cp312-cp312-linux_x86_64.whl", "put the wheel into"),
        ("tensorflow-2.10.0+nv22.11-cp38-cp38-linux_aarch64.whl", "put the wheel into"),
        ("tf_nightly-2.5.0.dev20201212-cp38-cp38-linux_x86_64.whl", "put the wheel into"),
        ("tensorflow.zip", "put the wheel into"),
    ],
)
def test_the_release_in_the_name_of_a_wheel_is_proposed(file: str, hint: str) -> None:
    with pytest.raises(TfprovError) as caught:
        wanted(requirements=[f"tensorflow @ https://h.org/linux/gpu/{file}"])
    assert (caught.value.hint or "").startswith(hint)


def test_a_bare_name_bounds_nothing_and_says_nothing() -> None:
    found = wanted(requirements=["tensorflow", "TensorFlow"])
    assert (found.clauses, found.notes, found.others) == ((), (), ())


@pytest.mark.parametrize("name", [name for name, kind in TENSORFLOWS.items() if kind != "rival"])
def test_every_name_of_a_release_bounds_it_and_leaves_nothing_beside_it(name: str) -> None:
    found = wanted(requirements=[f"{name}<2.20"])
    assert (found.admits(Version("2.19.1")), found.admits(Version("2.20.0"))) == (True, False)
    assert found.others == ()
    assert is_tensorflow(name)


@pytest.mark.parametrize("name", [name for name, kind in TENSORFLOWS.items() if kind == "rival"])
def test_a_rival_is_refused_unless_its_marker_is_false_here(name: str) -> None:
    with pytest.raises(TfprovError, match="cannot be installed beside"):
        wanted(requirements=[name])
    assert wanted(requirements=[f"{name}; sys_platform == 'darwin'"]) == wanted()


@pytest.mark.parametrize("kind", ["requirements", "constraints"])
@pytest.mark.parametrize("name", ["tensorflow", "tensorflow-macos", "tensorflow-cpu"])
def test_a_requirement_whose_marker_is_false_here_says_nothing(kind: str, name: str) -> None:
    assert wanted(**{kind: [f"{name}==2.10.0; sys_platform == 'darwin'"]}) == wanted()


def test_a_marker_about_the_python_bounds_the_release_on_those_pythons_alone() -> None:
    found = wanted(requirements=["tensorflow<2.20; python_version < '3.12'"])
    assert found.clauses == ()
    assert [
        any(conflicts(found.others, ["tensorflow==2.20.0"], marker_environment(python, "cpython", Host().facts)))
        for python in ("3.11", "3.12")
    ] == [True, False]


@pytest.mark.parametrize(
    ("lines", "pythons"),
    [
        (["tensorflow<2.16; python_version >= '3.11'"], {"3.11", "3.12", "3.13"}),
        (["tensorflow<2.16; python_version < '3.9'", "tensorflow; python_version > '3.12'"], {"3.8", "3.13"}),
        (["tensorflow<2.16; python_version < '3.12'", "tensorflow>=2.16; python_version >= '3.12'"], set()),
        (["tensorflow", "tensorflow<2.16; python_version >= '3.11'"], set()),
        (["tensorflow-macos; sys_platform == 'darwin'"], set()),
        ([], set()),
    ],
)
def test_the_pythons_on_which_tensorflow_is_asked_for(lines: list[str], pythons: set[str]) -> None:
    asked_on = wanted(requirements=lines).asked_on
    assert {minor for minor in ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13") if minor in asked_on} == pythons
    assert not wanted(constraints=lines).asked_on


@pytest.mark.parametrize("minor", range(OLDEST_PYTHON[1], 15))
def test_what_is_asked_for_on_one_python_alone_holds_there_however_old_it_is(minor: int) -> None:
    found = wanted(requirements=[f"tensorflow==2.4.4; python_version == '3.{minor}'"])
    assert found.clauses == ()
    assert [str(line) for line, _ in found.others] == [f'tensorflow==2.4.4; python_version == "3.{minor}"']


@pytest.mark.parametrize(
    ("asked", "bound", "is_conflict"),
    [
        ("numpy>=2", "numpy<2", True),
        ("numpy>=1.26", "numpy<2", False),
        ("NumPy>=2", "numpy<2.0.0,>=1.23.5", True),
        ("typing_extensions>=4.6", "typing-extensions<4.6.0,>=3.6.6", True),
        ("numpy==2.*", "numpy<2", True),
        ("numpy~=1.26.4", "numpy<2,>=1.23.5", False),
        ("numpy", "numpy<2", False),
        ("pandas>=2", "numpy<2", False),
        ("numpy>=2; python_version < '3.10'", "numpy<2", False),
        ("numpy<1.26", "numpy>=1.26.0 ; python_version >= '3.12'", True),
        ("numpy<1.26", "numpy>=1.26.0 ; python_version >= '3.13'", False),
        ("keras===2.15.0", "keras>=3", False),  # arbitrary equality cannot be compared: the resolver will say
        ("numpy>=2.0.0rc1", "numpy<2", True),
    ],
)
def test_requirements_that_no_version_meets(asked: str, bound: str, is_conflict: bool) -> None:
    assert any(conflicts([(Requirement(asked), "packages.requirements")], [bound], ENVIRONMENT)) is is_conflict


def test_a_profile_that_contradicts_itself_conflicts_unless_nothing_asks_for_the_package() -> None:
    def found(**kinds: list[str]) -> bool:
        demands = wanted(**kinds)
        return any(conflicts(demands.others, demands.wanted, ENVIRONMENT))

    assert found(requirements=["keras>=3", "keras<3"])
    assert found(requirements=["keras>=3"], constraints=["keras<3"])
    assert not found(constraints=["keras>=3", "keras<3"])
    assert not found(requirements=["keras>=3", "keras<4"])
    assert not found(requirements=["keras>=3", "keras<3; python_version < '3.10'"])


def test_each_conflict_names_both_sides() -> None:
    others = [(Requirement(text), "packages.constraints") for text in ("numpy>=2", "six==1.16.0", "gast", "numpy>=3")]
    found = conflicts(others, ["gast>=0.2", "numpy<2", "six~=1.15.0"], ENVIRONMENT)
    assert [(one.asked, one.where, one.bound) for one in found] == [
        ("numpy>=2", "packages.constraints", "numpy<2"),
        ("six==1.16.0", "packages.constraints", "six~=1.15.0"),
    ]


URL = "tensorflow @ https://h.example/tensorflow-2.20.0-cp312-cp312-linux_x86_64.whl"


@pytest.mark.parametrize(
    ("accelerator", "text", "words"),
    [
        (
            *("auto", "intel-tensorflow"),
            (
                "resolver-conflict",
                "`intel-tensorflow` cannot be installed beside the TensorFlow that this environment is made for",
                *("packages.requirements asks for `intel-tensorflow`", "both own the same files"),
                "remove it; `tensorflow.version` and `tensorflow.accelerator` say which TensorFlow is wanted",
            ),
        ),
        (
            *("auto", URL),
            (
                *("not-supported", "TensorFlow from a URL is not supported"),
                f"packages.requirements asks for `{URL}`",
                "write `tensorflow==2.20.0`, or put the wheel into a folder and name that under `index.find-links`",
            ),
        ),
        (
            *("cuda", "tensorflow-cpu"),
            (
                *("resolver-conflict", "`tensorflow-cpu` is the CPU build, and the profile asks for CUDA"),
                *("packages.requirements asks for `tensorflow-cpu`", '`tensorflow.accelerator = "cuda"`'),
                "ask for the CPU, or drop `tensorflow-cpu`",
            ),
        ),
    ],
)
def test_a_contradiction_names_both_sides(accelerator: str, text: str, words: tuple[str, ...]) -> None:
    assert refusal(lambda: wanted(None, accelerator, requirements=[text])) == words
