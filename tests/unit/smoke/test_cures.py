from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.ladder.climb import InapplicableError
from tfprov.ladder.rungs import HELP, Rung
from tfprov.smoke.cuda_files import CudaFiles
from tfprov.smoke.cures import KNOWN, FailedProof, failures, may_help
from tfprov.smoke.records import Device, Leg, SmokeRequest, Verdict

CUDA_FILES = CudaFiles(
    libraries=("nvidia/a/lib/liba.so.1",), crowding=("/foreign",), toolkits=("nvidia/cuda_nvcc", "/usr/cuda")
)


def verdict(code: str, leg: str = "import", *, evidence: str = "", **packages: str) -> Verdict:
    failed = Leg(leg=leg, ok=False, seconds=0.0, code=code, evidence=evidence)
    passed = Leg(leg="files", ok=True, seconds=0.0)
    return Verdict(
        level="quick",
        devices=(Device(name="environment", kind="environment", legs=(passed, failed)),),
        packages=tuple(packages.items()),
    )


def proof(found: Verdict, cuda_files: CudaFiles = CUDA_FILES, **more: object) -> FailedProof:
    return FailedProof(verdict=found, request=SmokeRequest(), cuda_files=cuda_files, **more)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("code", "package", "version", "bound"),
    [
        ("numpy-abi", "numpy", "2.4.1", "numpy<2"),
        ("numpy-abi", "numpy", "3.0", "numpy<3"),
        ("numpy-abi", "numpy", "1.26.4", "numpy>=2"),
        ("protobuf-mismatch", "protobuf", "6.33.0", "protobuf<6"),
        ("keras-mismatch", "keras", "3.12", "keras<3"),
        ("h5py-mismatch", "h5py", "3.14.0", "h5py<3"),
        ("typing-extensions-mismatch", "typing-extensions", "3.10.0", "typing-extensions>3.10.0"),
        ("setuptools-pkg-resources", "x", "1", "setuptools<81"),
    ],
)
def test_a_bound_leads_to_another_generation_of_what_the_failure_speaks_of(
    code: str, package: str, version: str, bound: str
) -> None:
    cure = KNOWN["pin"](proof(verdict(code, **{package: version})))
    assert (cure.code, cure.constraint) == (code, bound)
    assert bound in cure.what


def test_a_second_bound_goes_one_generation_further_and_then_none_is_left() -> None:
    found = verdict("protobuf-mismatch", protobuf="6.33.0")
    assert KNOWN["another pin"](proof(found, tried=["protobuf<6"])).constraint == "protobuf<5"
    with pytest.raises(InapplicableError, match="no other version of protobuf"):
        KNOWN["another pin"](proof(found, tried=["protobuf<6", "protobuf<5"]))


def test_no_bound_can_be_made_without_a_version() -> None:
    with pytest.raises(InapplicableError):
        KNOWN["pin"](proof(verdict("numpy-abi")))
    with pytest.raises(InapplicableError):
        KNOWN["pin"](proof(verdict("protobuf-mismatch", protobuf="0")))


@pytest.mark.parametrize("name", [*KNOWN])
def test_a_cure_is_not_given_for_another_failure(name: str) -> None:
    with pytest.raises(InapplicableError, match="another failure"):
        KNOWN[name](proof(verdict("gpu-no-driver", "devices")))


def test_libraries_that_lie_ready_answer_missing_ones() -> None:
    cure = KNOWN["library-path"](proof(verdict("gpu-libs-missing", "devices")))
    assert (cure.libraries, cure.without) == (CUDA_FILES.libraries, ())
    with pytest.raises(InapplicableError, match="no CUDA libraries"):
        KNOWN["library-path"](proof(verdict("gpu-libs-missing", "devices"), CudaFiles()))


@pytest.mark.parametrize("code", ["cudnn-mismatch", "gpu-libs-foreign", "cudnn-init-failed", "gpu-libs-missing"])
def test_foreign_libraries_are_named_and_passed_by(code: str) -> None:
    cure = KNOWN["clean-library-path"](proof(verdict(code, "gpu-libraries")))
    assert cure.without == ("/foreign",)
    assert "`/foreign`" in cure.what
    with pytest.raises(InapplicableError, match="LD_LIBRARY_PATH"):
        KNOWN["clean-library-path"](proof(verdict(code), CudaFiles(libraries=("x",))))


def test_the_own_toolkit_comes_before_that_of_the_machine() -> None:
    found = verdict("cuda-toolkit-file-missing", "xla")
    assert KNOWN["xla-flags"](proof(found)).cuda == "nvidia/cuda_nvcc"
    with pytest.raises(InapplicableError, match="ptxas"):
        KNOWN["xla-flags"](proof(found, CudaFiles()))


def test_the_module_that_hides_tensorflow_is_named() -> None:
    found = verdict("shadowed-module", "distribution", evidence="`/x/tensorflow.py` hides the tensorflow of y")
    cure = KNOWN["own-modules"](proof(found))
    assert cure.modules == ("tensorflow",)
    assert "/x/tensorflow.py" in cure.what


def test_what_lies_beside_a_script_is_named_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "keras.py").touch()
    found = verdict("shadowed-module", "script check.py")
    request = SmokeRequest(scripts=(tmp_path / "check.py",))
    assert KNOWN["own-modules"](FailedProof(verdict=found, request=request, cuda_files=CUDA_FILES)).modules == (
        "keras",
    )
    (tmp_path / "keras.py").unlink()
    with pytest.raises(InapplicableError, match="could not be found"):
        KNOWN["own-modules"](FailedProof(verdict=found, request=request, cuda_files=CUDA_FILES))


def test_only_the_first_failure_decides_whether_a_cure_is_tried() -> None:
    assert may_help(verdict("numpy-abi"))
    assert not may_help(verdict("wrong-number"))
    assert not may_help(Verdict(level="quick", devices=()))
    assert failures(verdict("numpy-abi")) == {"environment import": "numpy-abi"}


def test_the_ladder_lets_every_failure_through_that_a_cure_answers() -> None:
    for code in HELP:
        if may_help(verdict(code)):
            assert Rung.REPAIR in HELP[code], code


def test_what_a_newer_protobuf_generated_asks_for_that_one() -> None:
    said = (
        "VersionError: Versions when loading a/b.proto: gencode 6.31.1 runtime 5.29.6. Runtime version cannot be older"
    )
    found = verdict("protobuf-mismatch", "package a", evidence=said, protobuf="5.29.6")
    assert KNOWN["pin"](proof(found)).constraint == "protobuf>=6.31.1"
    with pytest.raises(InapplicableError):
        KNOWN["another pin"](proof(found, tried=["protobuf>=6.31.1"]))
