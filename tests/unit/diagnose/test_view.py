"""What a log tells about the machine that it is from."""

from __future__ import annotations

import pytest

from tfprov.diagnose.diagnose import diagnose_text
from tfprov.diagnose.records import Hit, LogContext, LogLine, Rule
from tfprov.diagnose.view import CLUE, View, asker, look, numbers


def clue(**captures: str) -> Hit:
    rule = Rule(name="clue", code=CLUE, reads="", needs=("x",), pattern="x", examples=("x",), rank=0)
    return Hit(rule=rule, count=1, first=1, last=1, lines=(), captures=captures)


@pytest.mark.parametrize(
    ("version", "parts"),
    [
        ("3.12.1", (3, 12, 1)),
        ("v2.15.0rc1", (2, 15, 0)),
        ("550.144.03", (550, 144, 3)),
        ("", None),
        ("x", None),
        (None, None),
    ],
)
def test_the_leading_numbers_of_a_version_are_read(version: str | None, parts: tuple[int, ...] | None) -> None:
    assert numbers(version) == parts


def test_clues_fill_what_nobody_gave_and_overrule_nothing() -> None:
    found = look([clue(python="3.8.1", is_musl="alpine", is_wsl="x")], LogContext(python="3.12.1"))
    assert (found.context.python, found.context.libc, found.context.wsl) == ("3.12.1", "musl", True)
    assert found.told["python"] == "3.8.1"
    assert found.hits == []


def test_the_first_clue_about_the_system_counts() -> None:
    assert look([clue(is_linux="x"), clue(is_windows="x")], LogContext()).context.system == "linux"


@pytest.mark.parametrize(("tag", "python"), [("cp312", "3.12"), ("cp39", "3.9"), ("py3", None), ("abi3", None)])
def test_a_wheel_tag_tells_the_python(tag: str, python: str | None) -> None:
    assert look([clue(tag=tag)], LogContext()).context.python == python


@pytest.mark.parametrize(
    ("accelerator", "told", "wanted"),
    [
        ("cuda", {}, True),
        ("cpu", {"gpu_wanted": "x"}, False),
        (None, {"gpu_wanted": "x"}, True),
        (None, {"cpu_wanted": "x"}, False),
        (None, {}, None),
        ("auto", {}, None),
    ],
)
def test_whether_a_gpu_is_wanted_is_asked_of_the_profile_first(
    accelerator: str | None, told: dict[str, str], wanted: bool | None
) -> None:
    assert look([clue(**told)], LogContext(accelerator=accelerator)).gpu_wanted is wanted


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("Python 3.12.1", "python", "3.12.1"),
        ("/opt/hostedtoolcache/Python/3.11.4/x64/bin/python", "python", "3.11.4"),
        ("a matching Python ABI tag (e.g., `cp313`)", "python", "3.13"),
        ("kernel reported version is: 550.54", "driver", "550.54"),
        ("| NVIDIA-SMI 550.54  Driver Version: 550.54.15  CUDA Version: 12.4 |", "driver", "550.54.15"),
    ],
)
def test_each_way_of_saying_a_fact_is_read(line: str, field: str, value: str) -> None:
    assert getattr(diagnose_text(line).context, field) == value


@pytest.mark.parametrize("name", ["opencv-python", "ipython", "my.python", "bio_python"])
def test_a_project_with_python_in_its_name_does_not_tell_the_python(name: str) -> None:
    assert diagnose_text(f"Collecting {name}==3.4.0").context.python is None
    assert diagnose_text(f"Collecting {name}==3.4.0\nCreated with --python=3.9").context.python == "3.9"


def frames(*lines: tuple[int, str]) -> View:
    return View(
        context=LogContext(), told={}, hits=(), frames=tuple(LogLine(number=at, text=text) for at, text in lines)
    )


def test_the_asker_is_the_package_of_the_last_frame_above() -> None:
    met = Hit(rule=clue().rule, count=1, first=7, last=9, lines=())
    own = (1, 'File "/home/me/train.py", line 3, in <module>')
    package = (4, "C:\\x\\Lib\\site-packages\\tf_agents\\utils\\nest.py in <module>")
    later = (8, 'File "/x/dist-packages/keras/backend.py", line 3, in f')
    assert asker(frames(own, package, later), met) == "tf_agents"
    assert asker(frames(own, later), met) == ""
    assert asker(frames(later), met) is None
