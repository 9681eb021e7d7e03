from __future__ import annotations

from pathlib import Path

from seals import generation
from tfprov.envs import differences


def fill(root: Path, *projects: str) -> None:
    for one in projects:
        (root / "lib" / "python3.12" / "site-packages" / f"{one}.dist-info").mkdir(parents=True)


def test_what_came_went_and_moved_is_told_with_its_versions() -> None:
    older = {"numpy": "2.1.0", "pillow": "11.0", "wheel": "1"}
    newer = {"numpy": "2.2.0", "seaborn": "0.13.2", "wheel": "1"}
    assert differences.between(older, newer) == ("numpy 2.1.0 -> 2.2.0", "- pillow 11.0", "+ seaborn 0.13.2")
    assert differences.between({}, {"mine": ""}) == ("+ mine",)


def test_python_and_tensorflow_come_first() -> None:
    older = {"Python": "3.12.1", "absl-py": "2.1", "tensorflow-cpu": "2.20.0", "keras": "3.11"}
    newer = {"Python": "3.13.0", "absl-py": "2.2", "tensorflow": "2.21.0", "keras": "3.12"}
    changes = differences.between(older, newer)
    assert changes[:3] == ("Python 3.12.1 -> 3.13.0", "+ tensorflow 2.21.0", "- tensorflow-cpu 2.20.0")
    assert changes[3:] == ("absl-py 2.1 -> 2.2", "keras 3.11 -> 3.12")


def test_generations_are_compared_with_those_before_them(tmp_path: Path) -> None:
    one, two, three = (generation(number, f"i{number}", root=tmp_path) for number in (1, 2, 5))
    fill(one.path, "numpy-2.1.0")
    fill(two.path, "numpy-2.1.0", "Sea_Born-0.13.2")
    fill(three.path, "numpy-2.1.0", "Sea_Born-0.13.2")
    assert differences.of_each([one, two, three]) == {two.path: ("+ sea-born 0.13.2",), three.path: ()}
    assert differences.of_each([one]) == {}


def test_records_of_conda_count_as_packages(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "libcurl-a-8.1.2-h3_0.json").touch()
    (tmp_path / "conda-meta" / "history").touch()
    (tmp_path / "conda-meta" / "python-3.12.1-h3_0.json").touch()
    (tmp_path / "conda-meta" / "py-opencv-4.1-h3_0.json").touch()
    # What the package of conda holds, with and without a word of who installed it, and what pip brought.
    fill(tmp_path, "opencv_python-4.1", "opencv_contrib-4.1", "wheely-1.0")
    library = tmp_path / "lib" / "python3.12" / "site-packages"
    (library / "opencv_contrib-4.1.dist-info" / "INSTALLER").write_text("conda\n")
    (library / "wheely-1.0.dist-info" / "INSTALLER").write_text("pip\n")
    assert differences.packages(tmp_path) == {"libcurl-a": "8.1.2", "py-opencv": "4.1", "wheely": "1.0"}


def test_a_long_list_is_cut() -> None:
    assert differences.shortened("abc", most=3) == "a, b, c"
    assert differences.shortened("abcd", most=3) == "a, b, and 2 more"
