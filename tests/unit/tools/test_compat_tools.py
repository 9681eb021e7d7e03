from __future__ import annotations

import importlib.util
import io
import json
import random
import zipfile
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from loopback import Faults, Index
from tfprov.fetch.sources import Network
from tfprov.plan.compat import table
from tfprov.plan.records import IndexFile, Listing
from wheels import build_wheel

ROOT = Path(__file__).resolve().parents[3]
TABLE = ROOT / "src/tfprov/plan/data/compat.json"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


refresh = load("compat_refresh")


def listing(*names: str, yanked: tuple[str, ...] = ()) -> Listing:
    files: dict[str, list[IndexFile]] = {}
    for name in (*names, *yanked):
        project = name.split("-")[0].replace("_", "-")
        files.setdefault(project, []).append(IndexFile(filename=name, yanked=name in yanked))
    return Listing(files={name: tuple(each) for name, each in files.items()}, source="test")


def test_the_page_is_what_the_table_says() -> None:
    page = load("compat_page")
    assert (ROOT / "docs/compat.md").read_text("utf-8") == page.page(table())


def test_the_table_is_written_as_the_tool_writes_it() -> None:
    text = TABLE.read_text("utf-8")
    assert refresh.render(json.loads(text)) == text


def test_wheels_are_read_by_project_version_and_platform() -> None:
    built = refresh.read_wheels(
        listing(
            "tensorflow-2.21.0-cp312-cp312-manylinux_2_27_x86_64.whl",
            "tensorflow-2.21.0-cp313-cp313-manylinux_2_27_x86_64.whl",
            "tensorflow-2.21.0-cp35-cp35m-manylinux_2_27_x86_64.whl",
            "tensorflow-2.21.0-cp312-cp312-linux_armv7l.whl",
            "tensorflow-2.21.0.tar.gz",
            yanked=("tensorflow-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl",),
        )
    )
    assert built == {("tensorflow", "2.21.0", "linux_x86_64"): ({12, 13}, {"manylinux_2_27_x86_64"})}


@pytest.mark.parametrize(
    ("tag", "platform"),
    [
        ("manylinux2014_aarch64", "linux_aarch64"),
        ("macosx_12_0_arm64", "macos_arm64"),
        ("macosx_10_15_x86_64", "macos_x86_64"),
        ("win_amd64", "windows_x86_64"),
        ("win32", None),
        ("musllinux_1_1_x86_64", None),
    ],
)
def test_platforms_of_tags(tag: str, platform: str | None) -> None:
    assert refresh.platform_of(tag) == platform


def document() -> dict[str, object]:
    release = {
        "version": "2.15.0",
        "wheels": [
            {
                "package": "tensorflow",
                "platform": "windows_x86_64",
                "pythons": ["3.9"],
                "tags": ["win_amd64"],
                "kind": "stub",
                "source": "index-files",
                "needs": "tensorflow-intel",
            }
        ],
    }
    pair = {"package": "tensorflow-metal", "version": "1.1.0"}
    rocm = {"package": "tensorflow-rocm", "version": "2.14.0.600"}
    return {"releases": [release], "pairs": [pair, rocm]}


def test_a_stub_keeps_the_pythons_that_its_project_has_and_lists_the_others() -> None:
    found = document()
    notes = refresh.refresh(
        found,
        refresh.read_wheels(
            listing(
                "tensorflow-2.15.0-cp310-cp310-win_amd64.whl",
                "tensorflow-2.15.0-cp311-cp311-win_amd64.whl",
                "tensorflow_intel-2.15.0-cp311-cp311-win_amd64.whl",
            )
        ),
        {},
    )
    row = found["releases"][0]["wheels"][0]  # type: ignore[index]  # test data without a type of its own
    assert (row["pythons"], row["without"], row["kind"]) == (["3.11"], ["3.10"], "stub")
    assert notes == []


def test_what_needs_a_person_is_said() -> None:
    notes = refresh.refresh(
        document(),
        refresh.read_wheels(
            listing(
                "tensorflow-2.15.0-cp311-cp311-manylinux2014_x86_64.whl",
                "tensorflow-2.23.0-cp312-cp312-manylinux_2_27_x86_64.whl",
                "tensorflow_metal-1.2.0-cp312-cp312-macosx_12_0_arm64.whl",
            )
        ),
        {},
    )
    assert notes == [
        "tensorflow 2.15.0 for linux_x86_64 is new: `kind` must be read from the wheel",
        "tensorflow 2.23.0 is not in the table: its wheels must be measured",
        "tensorflow-metal 1.2.0 is newer than the newest known pair (1.1.0)",
    ]


def test_a_release_before_2_10_is_read_from_its_wheels() -> None:
    opened: list[str] = []

    def open_wheel(filename: str) -> zipfile.ZipFile:
        opened.append(filename)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            told = "'is_cuda_build': True" if "manylinux" in filename else "'is_cuda_build': False"
            archive.writestr("tensorflow/python/platform/build_info.py", f"build_info = {{{told}}}\n")
            archive.writestr(
                "tensorflow-2.3.4.dist-info/METADATA",
                "Metadata-Version: 2.1\nName: tensorflow\nRequires-Dist: numpy (<1.19.0,>=1.16.0)\n"
                "Requires-Dist: x ; extra == 'y'\nProvides-Extra: y\n\nRequires-Dist: words\n",
            )
        return zipfile.ZipFile(content)

    files = listing(
        "tensorflow-2.3.4-cp36-cp36m-manylinux2010_x86_64.whl",
        "tensorflow-2.3.4-cp38-cp38-manylinux2010_x86_64.whl",
        "tensorflow-2.3.4-cp38-cp38-win_amd64.whl",
        "tensorflow-2.10.0-cp310-cp310-manylinux_2_17_x86_64.whl",
        "tensorflow-1.14.0-cp37-cp37m-manylinux1_x86_64.whl",
        "tensorflow-2.4.0rc0-cp38-cp38-manylinux2010_x86_64.whl",
        "tensorflow_cpu-2.3.4-cp38-cp38-manylinux2010_x86_64.whl",
        yanked=("tensorflow-2.3.4-cp39-cp39-manylinux2010_x86_64.whl",),
    )
    (row,) = refresh.read_old(files, refresh.read_wheels(files), open_wheel)
    assert (row["version"], row["glibc"], row["requires_python"], row["cuda"]) == ("2.3.4", "2.12", "", None)
    assert row["requires"] == ["numpy<1.19.0,>=1.16.0"]
    assert row["extras"] == ["y"]
    assert row["unpacked_bytes"] > 0
    assert [(each["package"], each["platform"], each["kind"], each["pythons"]) for each in row["wheels"]] == [
        ("tensorflow", "linux_x86_64", "cuda", ["3.6", "3.8"]),
        ("tensorflow", "windows_x86_64", "cpu", ["3.8"]),
        ("tensorflow-cpu", "linux_x86_64", "cpu", ["3.8"]),
    ]
    assert all("cp39" not in name for name in opened)


def test_versions_are_read_with_their_time_pythons_source_and_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    versions = load("versions_refresh")
    at = {"uploaded": "2024-02-05T23:48:01Z"}
    files = [
        IndexFile(filename="numpy-1.26.4-cp312-cp312-manylinux2014_x86_64.whl", **at),
        IndexFile(filename="numpy-1.26.4-cp39-abi3-manylinux2014_x86_64.whl", requires_python=">=3.10", **at),
        IndexFile(filename="numpy-1.26.4-cp313-cp313t-win_amd64.whl", **at),
        IndexFile(filename="numpy-1.26.4-cp311-cp311-win_amd64.whl", **at),
        IndexFile(filename="numpy-1.26.4.tar.gz", **at),
        IndexFile(filename="numpy-1.27.0rc1-py3-none-any.whl", **at),
        IndexFile(
            filename="numpy-1.28.0-py3-none-any.whl", requires_python=">=3.9,<3.12", uploaded="2024-03-01T00:00:00Z"
        ),
        IndexFile(filename="numpy-1.29.0-py3-none-any.whl", yanked=True, **at),
    ]
    lines = versions.rows(files, lambda version, _: ">=2.18" if str(version) == "1.28.0" else "")
    assert lines == [
        "1.26.4 2024-02-05T23:48Z linux_x86_64=3.10- windows_x86_64=3.11 src",
        "1.28.0 2024-03-01T00:00Z *=3.9-3.11 tf=>=2.18",
    ]
    table = json.loads(
        versions.render(Listing(files={"numpy": tuple(files)}, source="test"), "2024-04-01", lambda *_: "")
    )
    assert list(table["projects"]) == ["numpy"]
    assert len(table["projects"]["numpy"]) == 2


def test_a_row_that_says_otherwise_than_its_wheel_is_told() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        metadata = (
            "Metadata-Version: 2.1\nName: tensorflow\nVersion: 2.23.0\nRequires-Python: >=3.11\n"
            "Requires-Dist: numpy<3,>=2\nRequires-Dist: absl-py\nRequires-Dist: keras>=3.12\n"
            "Requires-Dist: keras>=3.14; python_version >= '3.14'\n"
            'Requires-Dist: nvidia-cudnn-cu13>=9; extra == "and-cuda"\nProvides-Extra: and-cuda\nProvides-Extra: docs\n'
        )
        archive.writestr("tensorflow-2.23.0.dist-info/METADATA", metadata)
    row = {
        "version": "2.23.0",
        "requires_python": ">=3.10",
        "extras": ["and-cuda"],
        "requires": ["numpy>=2,<3", "keras>=3.10"],
        "cuda": {"pins": []},
        "wheel_bytes": 1000,
        "unpacked_bytes": len(metadata),
    }
    assert refresh.contradictions(row, zipfile.ZipFile(content), 1010, "3.12") == [
        "tensorflow 2.23.0: `requires_python` is >=3.10, the wheel says >=3.11",
        "tensorflow 2.23.0: `requires` is {'numpy': ['<3,>=2'], 'keras': ['>=3.10']}, the wheel says "
        "{'numpy': ['<3,>=2'], 'keras': ['>=3.12']}",
        "tensorflow 2.23.0: `cuda.pins` lacks nvidia-cudnn-cu13",
    ]
    assert refresh.contradictions({**row, "wheel_bytes": 500}, zipfile.ZipFile(content), 1010, "3.12")[-2].startswith(
        "tensorflow 2.23.0: `wheel_bytes` is 500"
    )


def test_of_a_wheel_on_an_index_only_what_is_read_is_fetched(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(3_000_000)
    path = build_wheel(
        tmp_path, "tensorflow", "2.3.0", files={"tensorflow/core.so": noise, "tensorflow/__init__.py": "x = 1"}
    )
    with Index({path.name: path}, Faults(json=True)) as index, httpx.Client() as client:
        network = Network(index_url=index.simple)
        archive = refresh.wheel_opener(network, client, ("tensorflow",))(path.name)
        assert archive.read("tensorflow/__init__.py") == b"x = 1"
        assert 0 < index.sent < 1_000_000
