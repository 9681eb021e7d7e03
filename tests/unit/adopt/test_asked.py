"""What the user of an environment once asked for, and less of it where that cannot be had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from founds import env, lines, one
from tfprov.adopt.asked import asked
from tfprov.adopt.records import Ask, Asked, Beside, CondaSide, DirectUrl
from tfprov.adopt.text import adopted_from, profile_text, without_path
from tfprov.errors import TfprovError
from tfprov.profile.load import load

TENSORFLOW = one("tensorflow", "2.15.1", "numpy<2", "six", installer="pip", is_requested=True)


def test_what_was_named_and_what_nothing_needs_is_asked_for() -> None:
    found = env(
        TENSORFLOW,
        one("numpy", "1.26.4", installer="pip", is_requested=True),
        one("six", "1.16", installer="pip"),
        one("top", "3.0", installer="pip"),
        one("pip", "24.0", installer="pip", is_requested=True),
        one("nvidia-cudnn-cu12", "8.9", installer="pip"),
    )
    wanted = asked(found)
    assert (wanted.tensorflow, wanted.python, wanted.accelerator) == ("==2.15.1", "==3.11.*", "auto")
    assert lines(wanted) == ["numpy==1.26.4", "top==3.0"]
    assert dict(wanted.wishes)["six"] == "1.16"
    assert lines(asked(found, loose=True)) == ["numpy", "top"]
    assert asked(found, loose=True).tensorflow == "==2.15.*"


def test_where_everything_counts_as_named_only_what_nothing_needs_is_asked_for() -> None:
    found = env(
        replace(TENSORFLOW, installer="uv"),
        *(one(name, "1.0", installer="uv", is_requested=True) for name in ("numpy", "six", "top")),
    )
    assert lines(asked(found)) == ["top==1.0"]


def test_what_only_an_extra_asks_for_was_asked_for_by_the_user_unless_somebody_named_the_extra() -> None:
    optional = ("pandas; extra == 'data'", "rich>=1; extra == 'cli'", "old; python_version < '3'")
    found = env(
        one("lib", "1.0", *optional),
        one("app", "1.0", "lib[cli]"),
        *(one(name, "2.0") for name in ("pandas", "rich", "old")),
    )
    assert lines(asked(found)) == ["app==1.0", "old==2.0", "pandas==2.0"]


def test_a_pin_that_tensorflow_does_not_go_with_is_a_preference() -> None:
    found = env(
        TENSORFLOW,
        one("six", "1.16", installer="pip"),
        one("numpy", "2.1.0", installer="pip", is_requested=True),
        one("newer", "1.0", "tensorflow>=2.18", installer="pip", is_requested=True),
    )
    wanted = asked(found)
    assert lines(wanted) == ["newer", "numpy"]
    assert wanted.tensorflow == "==2.15.1"
    assert dict(wanted.reasons)["numpy"] == "TensorFlow 2.15.1 requires `numpy<2`"


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (DirectUrl(url="git+https://host/a.git", commit="abc123"), "mine @ git+https://host/a.git@abc123"),
        (
            DirectUrl(url="git+https://host/a.git", commit="abc", subdirectory="py"),
            "mine @ git+https://host/a.git@abc#subdirectory=py",
        ),
        (DirectUrl(url="https://host/mine-1.0-py3-none-any.whl"), "mine @ https://host/mine-1.0-py3-none-any.whl"),
        (DirectUrl(url="https://me:secret@host/mine-1.0-py3-none-any.whl"), "mine==1.0"),
        (
            DirectUrl(url="file:///gone/mine-1.0-py3-none-any.whl", path=Path("/gone/mine-1.0-py3-none-any.whl")),
            "mine==1.0",
        ),
        (None, "mine==1.0"),
    ],
)
def test_where_a_package_came_from_is_asked_for_again(origin: DirectUrl | None, line: str) -> None:
    assert lines(asked(env(one("mine", "1.0", origin=origin)))) == [line]


def test_projects_in_folders(tmp_path: Path) -> None:
    folder = tmp_path / "lib"
    folder.mkdir()
    editable = DirectUrl(url=folder.as_uri(), path=folder, is_editable=True)
    mine = one("mine", "0.1", "pandas>=2", "pytest; extra == 'dev'", "tensorflow>=2", origin=editable)
    elsewhere = asked(env(TENSORFLOW, mine), folder=tmp_path)
    assert (lines(elsewhere), elsewhere.project) == ([f"mine @ {folder.as_uri()}"], "no")
    assert "was an editable install of" in elsewhere.notes[0]
    here = asked(env(TENSORFLOW, mine), folder=folder)
    assert (lines(here), here.project, here.notes) == ([], "editable", ())
    copied = replace(mine, origin=replace(editable, is_editable=False))
    assert asked(env(copied), folder=folder).project == "wheel"
    folder.rmdir()
    gone = asked(env(TENSORFLOW, mine), folder=folder)
    assert (lines(gone), gone.project) == (["pandas>=2"], "no")
    assert gone.notes == (f"`mine` was installed from `{folder}`, which is gone",)


@pytest.mark.parametrize(
    ("name", "version", "text", "accelerator"),
    [
        ("tensorflow", "2.15.1", "==2.15.1", "auto"),
        ("tensorflow-cpu", "2.15.1", "==2.15.1", "cpu"),
        ("tensorflow-gpu", "2.10.1", "==2.10.1", "auto"),
        ("intel-tensorflow", "2.13.0", "==2.13.*", "cpu"),
        ("tf-nightly", "2.18.0.dev20240601", "==2.18.*", "auto"),
        ("tensorflow", "2.16.0rc0", "==2.16.0rc0", "auto"),
    ],
)
def test_every_kind_of_tensorflow_becomes_a_release(name: str, version: str, text: str, accelerator: str) -> None:
    wanted = asked(env(one(name, version)))
    assert (wanted.tensorflow, wanted.accelerator) == (text, accelerator)


@pytest.mark.parametrize("part", ["tensorflow-intel", "tensorflow-macos", "tensorflow-cpu-aws"])
@pytest.mark.parametrize(
    ("release", "version", "accelerator", "reasons"),
    [
        ("tensorflow", "2.15.0", "auto", 0),
        ("tensorflow-cpu", "2.15.0", "cpu", 0),
        ("tensorflow", "2.14.0", None, 1),  # a remnant of an upgrade
    ],
)
def test_a_release_whose_files_are_in_its_part_for_a_platform_is_that_release(
    tmp_path: Path, part: str, release: str, version: str, accelerator: str | None, reasons: int
) -> None:
    """On Windows, `pip install tensorflow==2.15.0` installs an empty wheel, and `tensorflow-intel` with the files."""
    named, brings = (one(*each, folder=tmp_path) for each in ((release, version), (part, "2.15.0")))
    for each, files in ((named, ""), (brings, "tensorflow/__init__.py,,\n")):
        each.metadata.mkdir()
        (each.metadata / "RECORD").write_text(files)
    wanted = asked(env(named, brings))
    assert (wanted.tensorflow, len(wanted.reasons)) == ("==2.15.0", reasons)
    assert accelerator in (wanted.accelerator, None)


def test_a_tensorflow_that_is_gone_is_known_by_what_it_left() -> None:
    left = Beside(kind="leftover", path="lib/python3.11/site-packages/~ensorflow_cpu-2.14.1.dist-info")
    assert asked(env(one("tensorboard", "2.13.0"))).tensorflow == "==2.13.*"
    assert asked(env(one("tensorboard", "2.13.0"), beside=(left,))).tensorflow == "==2.14.*"
    assert asked(env(one("six", "1.0"))).tensorflow == ""


def test_an_index_with_a_login_is_not_written_down() -> None:
    assert asked(env(), index="https://host/simple").index == "https://host/simple"
    for address in ("https://me:secret@host/simple", "https://token@host/simple"):
        wanted = asked(env(), index=address)
        assert wanted.index == ""
        assert "secret" not in str(wanted)
        assert "token" not in str(wanted)


def test_of_conda_the_history_counts() -> None:
    conda = CondaSide(
        requested=("python=3.11", "tensorflow=2.15", "ffmpeg>=6", "gone"),
        versions=(
            ("python", "3.11.5"),
            ("tensorflow", "2.15.0"),
            ("ffmpeg", "6.1"),
            ("zlib", "1.3"),
            ("numpy", "1.26"),
        ),
        channels=("https://host/conda-forge", "https://host/other"),
    )
    found = env(one("numpy", "1.26", installer="conda"), one("mine", "1.0", installer="pip"), kind="conda", conda=conda)
    wanted = asked(found)
    assert (wanted.kind, wanted.conda, wanted.conda_tensorflow) == ("conda", ("ffmpeg=6.1",), True)
    assert wanted.channels == ("conda-forge", "https://host/other")
    assert lines(wanted) == ["mine==1.0"]


class TestTheProfile:
    wanted = asked(env(TENSORFLOW, one("numpy", "2.1.0"), one("ütf", "1.0"), one("mine", "1.0")))

    def test_it_is_one(self, tmp_path: Path) -> None:
        wanted = replace(self.wanted, packages=tuple(each for each in self.wanted.packages if each.name != "ütf"))
        text = profile_text(wanted, name="x", place='/a "quoted"\nplace/.venv')
        text = text.replace("[tensorflow]", '[environment]\npath = "./my .venv"\n\n[tensorflow]')
        profile = load(tmp_path / "x.toml", content=text.encode()).profile
        assert profile.environment.path == "./my .venv"
        assert profile.tensorflow.version == "==2.15.1"
        assert "mine==1.0" in profile.packages.requirements
        assert adopted_from(text) == '/a "quoted"\nplace/.venv'
        assert load(tmp_path / "x.toml", content=without_path(text).encode()).profile.environment.path is None

    def test_a_reason_with_lines_is_one_comment(self, tmp_path: Path) -> None:
        wanted = Asked(
            packages=(Ask(name="a", project="a", version="1", is_pinned=False),), reasons=(("a", "x\n\x1b[1my"),)
        )
        load(tmp_path / "x.toml", content=profile_text(wanted, name="x", place="/x").encode())

    @pytest.mark.parametrize("text", ["", "name = 'x'", "# Written by `tfprov adopt` from nowhere.", "# Written by"])
    def test_others_were_written_from_nothing(self, text: str) -> None:
        assert adopted_from(text) == ""


def test_of_two_packages_with_the_same_module_one_is_asked_for() -> None:
    wanted = asked(env(one("opencv-python", "4.11.0.86"), one("opencv-python-headless", "4.11.0.86")))
    assert lines(wanted) == ["opencv-python-headless==4.11.0.86"]
    why = "both bring the module `cv2`, and overwrite each other's files"
    assert dict(wanted.reasons)["opencv-python"] == f"opencv-python is left out beside opencv-python-headless: {why}"


def test_a_whole_python_without_a_trace_of_tensorflow_is_not_adopted() -> None:
    packages = (one("python-apt", "2.6.0"), one("numpy", "1.24.2"))
    with pytest.raises(TfprovError) as caught:
        asked(env(*packages, root=Path("/usr"), kind="interpreter"))
    assert (caught.value.code.name, caught.value.what, *caught.value.evidence, caught.value.hint) == (
        "tf-not-in-env",
        f"`{Path('/usr')}` is not an environment but a whole Python, and has no TensorFlow",
        "2 packages, none of them from TensorFlow",
        "name the folder of the environment that has, or had, TensorFlow",
    )
    for left in ((one("tensorboard", "2.15.0"),), (one("tensorflow", "2.15.0"),)):
        assert asked(env(*packages, *left, root=Path("/usr"), kind="interpreter")).tensorflow.startswith("==2.15.")
