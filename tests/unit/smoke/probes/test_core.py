from __future__ import annotations

import ast
import os
import random
import sys
from fractions import Fraction
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from probes import load
from tfprov.distributions import TENSORFLOWS

core = load("core")


def test_the_product_is_exact_to_the_last_digit_that_a_float_holds() -> None:
    generator = random.Random(7)
    left, right = core.fresh(5, 40, generator), core.fresh(40, 3, generator)
    columns = list(zip(*right, strict=True))
    exact = [[float(sum(map(Fraction.__mul__, map(Fraction, row), map(Fraction, c)))) for c in columns] for row in left]
    assert core.product(left, right) == exact


def test_fresh_numbers_survive_float32() -> None:
    numbers = core.fresh(10, 10, random.Random(3))
    assert all((number * 2**20).is_integer() and abs(number) <= 1 for row in numbers for number in row)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 2.0])
def test_a_single_bad_number_fails_the_judgement(value: float) -> None:
    with pytest.raises(Exception, match="relative error") as caught:
        core.judged([[value, 1.0]], [[1.0, 1.0]], "x")
    assert caught.value.code == "wrong-number"


def test_an_error_within_the_limit_passes_and_one_beyond_does_not() -> None:
    assert "relative error 9e-06" in core.judged([[1 + 9e-6]], [[1.0]], "x")
    with pytest.raises(Exception, match=r"1\.1e-05"):
        core.judged([[1 + 1.1e-5]], [[1.0]], "x")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("tensorflow", True),
        ("tensorflow-cpu", True),
        ("tf-nightly-cpu", True),
        ("tensorflow-intel", True),
        ("tensorflow-rocm", True),
        ("tensorflow-estimator", False),
        ("tensorflow-io-gcs-filesystem", False),
        ("tensorflow-probability", False),
        ("tensorflow-metal", False),
        ("tensorflow-datasets", False),
    ],
)
def test_projects_that_bring_the_module_are_told_from_those_that_use_it(name: str, is_one: bool) -> None:
    assert bool(core.TENSORFLOWS.match(name)) is is_one


def test_the_probe_knows_every_name_of_tensorflow() -> None:
    assert [name for name in TENSORFLOWS if not core.TENSORFLOWS.match(name)] == []


def distribution(root: Path, record: str, installer: str = "uv") -> object:
    folder = root / "thing-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "RECORD").write_text(record)
    (folder / "INSTALLER").write_text(installer)
    return core.Distribution(str(root), folder.name)


def test_what_installers_rewrite_is_not_checked(tmp_path: Path) -> None:
    one = distribution(
        tmp_path,
        "thing/__init__.py,sha256=a,1\n"
        "thing/__pycache__/__init__.cpython-312.pyc,,\n"
        "../../../bin/thing,sha256=b,2\n"
        '"thing/with, comma.txt",sha256=c,3\n'
        "thing-1.0.dist-info/RECORD,,\n"
        "thing-1.0.dist-info/INSTALLER,sha256=d,4\n",
    )
    assert [Path(path).name for path, _, _ in core.checked_files(one)] == ["__init__.py", "with, comma.txt"]


def test_no_row_leads_out_of_the_packages_or_ends_the_probe(tmp_path: Path) -> None:
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing/a.py").write_text("1234")
    rows = ["/etc/passwd,sha256=a,1", "../x,,", "thing/../../x,sha256=a,1", "x\0y,,1", "thing/a.py,,4", "thing/a.py,,²"]
    one = distribution(tmp_path, "\n".join(rows) + "\n")
    assert {Path(path) for path, _, _ in core.checked_files(one)} == {tmp_path / "thing/a.py"}
    assert core.files_present([one]) == "2 files have the recorded size"
    huge = distribution(tmp_path / "huge", f"a.py,,{'9' * 5000}\n")
    (tmp_path / "huge/a.py").write_text("1234")
    with pytest.raises(Exception, match="has 4 bytes"):
        core.files_present([huge])


def test_conda_changes_files_after_their_record_was_made(tmp_path: Path) -> None:
    assert list(core.checked_files(distribution(tmp_path, "thing/__init__.py,sha256=a,1\n", "conda\n"))) == []


def test_a_name_with_dots_and_underscores_is_normalised(tmp_path: Path) -> None:
    assert core.Distribution(str(tmp_path), "Typing_Extensions-4.16.0.dist-info").name == "typing-extensions"
    assert core.Distribution(str(tmp_path), "zope.interface-5.0.dist-info").version == "5.0"


def test_probes_import_nothing_of_tfprov_and_parse_on_old_pythons() -> None:
    folder = resources.files("tfprov.smoke") / "probes"
    sources = {path.name: path.read_text() for path in folder.iterdir() if path.name.endswith(".py")}
    assert {"probe.py", "core.py", "linkage.py", "numerics.py"} <= set(sources)
    for name, source in sources.items():
        tree = ast.parse(source, filename=name, feature_version=(3, 7))
        for node in ast.walk(tree):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [module for module in modules if module.split(".")[0] == "tfprov"], name


class Installed:
    """A distribution as the probe reads it."""

    def __init__(self, name: str, version: str, *, root: str = "/e", files: tuple[str, ...] = ()) -> None:
        self.name, self.version, self.root, self.rows = name, version, root, files

    def files(self) -> list[tuple[str, str, str]]:
        return [(path, "", "") for path in self.rows]

    def __str__(self) -> str:
        return f"{self.name} {self.version} in {self.root}"


OWNS = ("tensorflow/__init__.py",)
PATH = ["/e", "/e/lib"]
REQUEST: dict[str, Any] = {"expected_package": "tensorflow", "expected_version": "2.21.0"}


@pytest.mark.parametrize(
    ("found", "origin", "request_", "code", "evidence"),
    [
        (
            [],
            "/home/me/tensorflow.py",
            REQUEST,
            "shadowed-module",
            "`/home/me/tensorflow.py` answers to the name tensorflow, and no installed project owns it",
        ),
        (
            [Installed("tensorflow", "2.21.0", files=("tensorflow-2.21.0.dist-info/METADATA",))],
            None,
            REQUEST,
            "tf-not-in-env",
            f"searched {os.pathsep.join(PATH)}: tensorflow 2.21.0 in /e",
        ),
        (
            [Installed("tensorflow", "2.21.0", files=OWNS), Installed("tensorflow-cpu", "2.20.0", files=OWNS)],
            None,
            REQUEST,
            "several-tensorflows",
            "tensorflow 2.21.0 in /e\ntensorflow-cpu 2.20.0 in /e",
        ),
        (
            [Installed("tensorflow", "2.21.0", files=OWNS)],
            "/other/tensorflow/__init__.py",
            REQUEST,
            "shadowed-module",
            "`/other/tensorflow/__init__.py` hides the tensorflow of tensorflow 2.21.0 in /e",
        ),
        (
            [Installed("tensorflow-cpu", "2.21.0", files=OWNS)],
            None,
            REQUEST,
            "file-damaged",
            "the lock has tensorflow, but tensorflow-cpu 2.21.0 in /e is installed",
        ),
        (
            [Installed("tensorflow", "2.20.0", files=OWNS)],
            None,
            REQUEST,
            "file-damaged",
            "the lock has 2.21.0, but tensorflow 2.20.0 in /e is installed",
        ),
    ],
)
def test_which_tensorflow_is_there_is_told_in_whole_sentences(
    monkeypatch: pytest.MonkeyPatch,
    found: list[Installed],
    origin: str | None,
    request_: dict[str, Any],
    code: str,
    evidence: str,
) -> None:
    monkeypatch.setattr(core, "module_origin", lambda: origin)
    monkeypatch.setattr(sys, "path", PATH)
    with pytest.raises(core.Failed) as caught:
        core.one_tensorflow(found, request_)
    assert (caught.value.code, caught.value.evidence) == (code, evidence)


class Told:
    """A probe whose TensorFlow lists these devices."""

    def __init__(self, *kinds: str, has_cuda: bool = True, **request: object) -> None:
        self.request = {"accelerator": "cuda", "gpu": "now", "require_gpus": 0, **request}
        self._devices = [SimpleNamespace(device_type=kind) for kind in kinds]
        self._has_cuda = has_cuda

    def tensorflow(self) -> SimpleNamespace:
        return SimpleNamespace(
            config=SimpleNamespace(list_physical_devices=lambda: self._devices),
            sysconfig=SimpleNamespace(get_build_info=lambda: {"is_cuda_build": self._has_cuda}),
        )

    def facts(self, **_facts: object) -> None:
        pass


@pytest.mark.parametrize(
    ("probe", "code", "evidence"),
    [
        (
            Told("CPU", has_cuda=False),
            "wheel-without-cuda",
            "`tf.sysconfig.get_build_info()` says that this build has no CUDA",
        ),
        (Told("CPU"), "gpu-missing-in-tf", "TensorFlow lists 0 of at least 1 GPUs"),
        (Told("CPU", "GPU", require_gpus=4), "gpu-missing-in-tf", "TensorFlow lists 1 of at least 4 GPUs"),
        (Told(), "probe-failed", "TensorFlow lists no CPU: []"),
    ],
)
def test_devices_that_are_missing_are_counted(
    monkeypatch: pytest.MonkeyPatch, probe: Told, code: str, evidence: str
) -> None:
    monkeypatch.setattr(core, "driver_count", lambda _: None)
    with pytest.raises(core.Failed) as caught:
        core.list_devices(probe)
    assert (caught.value.code, caught.value.evidence) == (code, evidence)


def test_devices_that_are_there_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "driver_count", lambda _: None)
    assert core.list_devices(Told("CPU", "GPU", "GPU", require_gpus=2)) == "1 CPU, 2 GPU"


def test_a_result_on_another_device_is_a_fault() -> None:
    tensor = SimpleNamespace(device="/job:localhost/replica:0/task:0/device:CPU:0")
    assert core.placed_on(tensor, "CPU:0") is tensor
    with pytest.raises(core.Failed) as caught:
        core.placed_on(tensor, "GPU:0")
    assert (caught.value.code, caught.value.evidence) == (
        "gpu-missing-in-tf",
        "the result is on `/job:localhost/replica:0/task:0/device:CPU:0`, but `GPU:0` was requested",
    )
