"""Commands as files: what names an interpreter in them, and how they go into another environment."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from installer.scripts import Script

from tfprov.envs import commands

WAS = "C:\\Users\\Jörg Ü\\data\\environments\\cpu-1\\generations\\0001"
NOW = "D:\\e\\environments\\cpu-1\\generations\\0012"


def launcher(environment: str, kind: str = "win-amd64") -> bytes:
    return Script("tool", "tool.cli", "main", "console").generate(f"{environment}\\Scripts\\python.exe", kind)[1]


@pytest.mark.parametrize("kind", ["win-amd64", "win-arm64", "win-ia32"])
def test_a_launcher_that_is_moved_is_the_one_that_would_have_been_made_there(kind: str) -> None:
    if kind == "win-arm64":
        kind = "win-arm"
    assert commands.moved(launcher(WAS, kind), was=WAS, now=NOW) == launcher(NOW, kind)


def test_a_moved_launcher_still_holds_its_script() -> None:
    content = commands.moved(launcher(WAS), was=WAS, now=NOW)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert b"from tool.cli import main" in archive.read("__main__.py")
    assert commands.interpreter_of(content) == f"{NOW}\\Scripts\\python.exe".encode()


def test_a_script_is_moved_by_its_text() -> None:
    assert commands.moved(b"#!/a/bin/python\nhome = '/a'\n", was="/a", now="/b") == b"#!/b/bin/python\nhome = '/b'\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"MZ" + bytes(200) + WAS.encode(), id="a program that names the folder"),
        pytest.param(b"MZ" + bytes(90) + b"#!" + WAS.encode() + b"\nPK\x05\x06" + bytes(2), id="cut short"),
        pytest.param(b"MZ" + bytes(90) + b"PK\x05\x06" + b"\xff" * 18, id="offsets that lead out of the file"),
        pytest.param(WAS.encode(), id="a text"),
    ],
)
def test_what_is_no_command_stays_as_it_is(content: bytes) -> None:
    assert commands.moved(content, was=WAS, now=NOW) == content
    assert commands.interpreter_of(content) is None


@given(st.binary(max_size=300))
def test_no_program_is_changed_that_has_no_first_line(noise: bytes) -> None:
    content = b"MZ" + noise
    if commands.interpreter_of(content) is None:
        assert commands.moved(content, was="a", now="b") == content
