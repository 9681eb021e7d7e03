"""Conditions of rules: what the facts have to be for a line to mean what a rule says."""

from __future__ import annotations

import pytest

from tfprov.diagnose.conditions import holds, package_of, wanted_version
from tfprov.diagnose.diagnose import diagnose_text
from tfprov.diagnose.records import Hit, LogContext, LogLine, Rule
from tfprov.diagnose.view import View, look

RULE = Rule(name="one", code="disk-full", reads="x", needs=("x",), pattern="x", examples=("x",))


def hit(*texts: str, **captures: str) -> Hit:
    lines = tuple(LogLine(number=number, text=text) for number, text in enumerate(texts, 1))
    return Hit(rule=RULE, count=len(lines), first=1, last=len(lines), lines=lines, captures=captures)


def view(*hits: Hit, **context: object) -> View:
    return look(hits, LogContext(**context))  # type: ignore[arg-type]  # fields by name


def test_a_condition_can_be_turned_round_and_joined() -> None:
    linux = view(system="linux", machine="aarch64")
    assert holds("arm", linux, hit())
    assert holds("not windows and arm", linux, hit())
    assert not holds("not windows and not arm", linux, hit())


@pytest.mark.parametrize(
    ("captures", "package", "version"),
    [
        ({"requirement": "tensorflow_cpu==2.15.*"}, "tensorflow-cpu", (2, 15)),
        ({"requirement": "Keras >= 3"}, "keras", None),
        ({"package": "ml.dtypes", "wanted": "0.5.1"}, "ml-dtypes", (0, 5, 1)),
        ({}, "", None),
    ],
)
def test_package_and_version_are_read_from_the_captures(
    captures: dict[str, str], package: str, version: tuple[int, ...] | None
) -> None:
    found = hit(**captures)
    assert (package_of(found), wanted_version(found)) == (package, version)


@pytest.mark.parametrize(
    ("requirement", "versions", "is_cut"),
    [
        ("tensorflow~=1.15.0", "1.13.2, 1.14.0rc1, 1.14.0, 2.0.0a0, 2.0.0b0, 2.0.0b1", True),
        ("tensorflow==2.1.0", "1.13.2, 1.14.0", True),
        ("tensorflow==1.14.1", "1.13.2, 1.14.0", False),  # there is none
        ("tensorflow==2.15.0", "1.13.2, 1.14.0", False),  # the Python that has these has no wheel of it
        ("tensorflow==2.1.0", "1.13.2, 1.14.0, 1.15.0", False),
    ],
)
def test_an_old_pip_lists_no_wheel_with_a_tag_that_it_does_not_know(
    requirement: str, versions: str, is_cut: bool
) -> None:
    assert holds("lists-manylinux1", view(), hit(requirement=requirement, versions=versions)) is is_cut


@pytest.mark.parametrize(
    ("name", "is_misspelt"),
    [("tensorflwo", True), ("tenserflow", True), ("tensorflow", False), ("torch", False), ("requests", False)],
)
def test_a_name_close_to_that_of_tensorflow_is_misspelt(name: str, is_misspelt: bool) -> None:
    assert holds("misspelt", view(), hit(package=name)) is is_misspelt


@pytest.mark.parametrize(
    ("wheel", "context", "condition", "expected"),
    [
        ("x-1-cp312-cp312-win_amd64.whl", {"system": "linux"}, "wheel-of-other-platform", True),
        ("x-1-cp312-cp312-manylinux_2_17_x86_64.whl", {"system": "linux"}, "wheel-of-other-platform", False),
        ("x-1-cp312-cp312-manylinux_2_17_aarch64.whl", {"machine": "x86_64"}, "wheel-of-other-platform", True),
        ("x-1-py3-none-any.whl", {"system": "linux"}, "wheel-of-other-platform", False),
        ("x-1-cp312-cp312-win_amd64.whl", {"python": "3.11.2"}, "wheel-of-other-python", True),
        ("x-1-cp312-cp312-win_amd64.whl", {"python": "3.12.9"}, "wheel-of-other-python", False),
        ("x-1-cp39-abi3-win_amd64.whl", {"python": "3.12.9"}, "wheel-of-other-python", False),
    ],
)
def test_a_wheel_that_does_not_fit_says_by_its_tags_why(
    wheel: str, context: dict[str, object], condition: str, expected: bool
) -> None:
    assert holds(condition, view(**context), hit(wheel=wheel)) is expected


@pytest.mark.parametrize(
    "name", ["numpy", "torchvision", "opencv-python-headless", "scikit-image", "jaxlib", "onnxruntime"]
)
def test_a_project_of_the_family_may_lack_wheels_for_a_platform(name: str) -> None:
    assert holds("needs-platform", view(), hit(package=name))


@pytest.mark.parametrize(
    "name",
    ["numpy-stl", "numpydoc", "torchsummary", "jaxtyping", "scikit-fuzzy", "keras-bert", "pandas-ta", "wheelhouse"],
)
def test_a_name_that_only_begins_like_one_of_the_family_does_not_belong_to_it(name: str) -> None:
    assert not holds("needs-platform", view(), hit(package=name))
    page = f"Could not fetch URL https://index.example/simple/{name}/: 404 Client Error: Not Found for url: x"
    assert holds("no-such-project", view(), hit(page))


def test_an_informational_line_counts_only_when_all_are() -> None:
    calm, loud = "I tensorflow/core/x.cc:1] x", "E tensorflow/core/x.cc:1] x"
    assert holds("informational-line", view(), hit(calm, calm))
    assert not holds("informational-line", view(), hit(calm, loud))


CREATED = (
    "I0000 00:00:1 gpu_device.cc:1] Created device /job:localhost/replica:0/task:0/device:GPU:0 with 9 MB memory\n"
)
IGNORED = (
    "Ignoring visible gpu device (device: 1, name: GeForce GT 710, pci bus id: 0000:01:00.0, compute capability: 3.5) "
    "with Cuda compute capability 3.5. The minimum required Cuda capability is 6.0.\n"
)


@pytest.mark.parametrize(
    ("text", "missing", "root"),
    [
        (IGNORED, None, "gpu-arch-unsupported"),
        (CREATED + IGNORED, None, None),
        (CREATED + IGNORED, False, None),
        (CREATED + IGNORED, True, "gpu-arch-unsupported"),
    ],
)
def test_a_weak_gpu_beside_a_good_one_is_a_fault_only_where_it_is_missed(
    text: str, missing: bool | None, root: str | None
) -> None:
    found = diagnose_text(text, LogContext(gpus_missing=missing)).root
    assert (found and found.code) == root


def test_a_status_of_ptxas_is_noise_where_the_driver_compiles_instead() -> None:
    failed = "INTERNAL: ptxas exited with non-zero error code 65280, output: \n"
    relied = "Relying on driver to perform ptx compilation.\n"
    root = diagnose_text(failed).root
    assert root is not None
    assert root.code == "cuda-toolkit-file-missing"
    assert diagnose_text(failed + relied).root is None


@pytest.mark.parametrize(
    ("library", "module", "root"),
    [("560.35.5", "550.120.0", "gpu-driver-mismatch"), ("550.120.0", "550.120.0", "gpu-driver-too-old")],
)
def test_a_driver_library_newer_than_its_module_is_a_mismatch(library: str, module: str, root: str) -> None:
    text = (
        "failed call to cuInit: CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE: forward compatibility was attempted\n"
        f"cuda_diagnostics.cc:168] libcuda reported version is: {library}\n"
        f"cuda_diagnostics.cc:172] kernel reported version is: {module}\n"
    )
    found = diagnose_text(text).root
    assert found is not None
    assert found.code == root


_OWN = '  File "/home/me/train.py", line 3, in <module>\n'
_OF = '  File "/x/lib/python3.11/site-packages/{0}/core.py", line 3, in <module>\n'
_IN_NOTEBOOK = "~/env/lib/python3.11/site-packages/{0}/core.py in <module>\n      2 import os\n"
ASKED = (
    "ModuleNotFoundError: No module named 'tensorflow.python.frobnicator'",
    "ImportError: cannot import name 'frobnicate' from 'tensorflow.python.ops' (/x/site-packages/tensorflow/x.py)",
    "AttributeError: module 'tensorflow.python.ops' has no attribute 'frobnicate'",
)


@pytest.mark.parametrize("message", ASKED)
@pytest.mark.parametrize("frame", [_OF, _IN_NOTEBOOK])
@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("tensorflow_probability", "companion-mismatch"),
        ("frobnicator", "companion-mismatch"),
        ("keras", "keras-mismatch"),
        ("tensorflow", "import-failed"),
    ],
)
def test_who_asked_tensorflow_for_what_it_does_not_have_is_the_one_that_does_not_fit(
    package: str, code: str, frame: str, message: str
) -> None:
    root = diagnose_text(f"{_OWN}    import x\n{frame.format(package)}    import y\n{message}\n").root
    assert root is not None
    assert root.code == code


@pytest.mark.parametrize("last", ["KeyError: 'loss'", "Epoch 1/3"])
def test_an_import_that_failed_is_the_cause_only_if_nothing_comes_after_it(last: str) -> None:
    missing = f"{_OWN}    import frobnicator\nModuleNotFoundError: No module named 'frobnicator'\n"
    found = diagnose_text(missing).root
    assert found is not None
    assert found.code == "import-failed"
    assert diagnose_text(f"{missing}{last}\n").root is None


def test_an_attribute_is_the_cause_if_a_package_asks_for_it_and_unknown_if_a_program_does() -> None:
    message = "AttributeError: module 'pandas' has no attribute 'Panel'\n"
    found = diagnose_text(f"{_OWN}    import seaborn\n{_OF.format('seaborn')}    pandas.Panel\n{message}").root
    assert found is not None
    assert found.code == "import-failed"
    assert [one.code for one in diagnose_text(f"{_OWN}    pandas.Panel\n{message}").findings] == ["unknown"]


def test_a_file_of_the_name_of_numpy_is_no_other_release_of_it() -> None:
    missing = "ModuleNotFoundError: No module named 'numpy.core'; 'numpy' is not a package\n"
    lacking = "AttributeError: module 'numpy' has no attribute 'integer'\n"
    for text, code in ((missing, "shadowed-module"), (missing + lacking, "shadowed-module"), (lacking, "numpy-abi")):
        root = diagnose_text(text).root
        assert root is not None
        assert root.code == code
