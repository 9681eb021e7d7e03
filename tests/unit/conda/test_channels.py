from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.conda.channels import (
    channels,
    mirrored,
    of_specs,
    subdir,
    with_token,
    without_token,
)
from tfprov.conda.records import Channel
from tfprov.errors import TfprovError
from tfprov.profile.records import CondaTable
from tfprov.secret import Secret
from tfprov.wants import conda_specs
from told import refusal

HERE = Path("/projects/p").absolute()
PROJECTS = HERE.parent.as_uri()
"""`file:///projects`; on Windows with a drive."""


def read(*texts: str, mirrors: dict[str, list[str]] | None = None, **variables: str) -> tuple[Channel, ...]:
    table = CondaTable.model_validate({"channels": list(texts), "mirrors": mirrors or {}})

    def expand(text: str) -> str:
        for name, value in variables.items():
            text = text.replace(f"${{{name}}}", value)
        return text

    return channels(table, HERE, expand)


def test_names_addresses_and_folders_are_channels() -> None:
    found = read("conda-forge", "https://h.example/c/", "./made here")
    assert [each.name for each in found] == ["conda-forge", "https://h.example/c", f"{PROJECTS}/p/made%20here"]


@pytest.mark.parametrize("folder", ["C:\\made here", "c:/made", "\\\\server\\share\\made", ".\\made", "~/made"])
def test_a_folder_of_windows_is_a_channel(folder: str) -> None:
    (found,) = read(folder)
    assert found.name.startswith("file://")


def test_a_token_is_taken_out_of_the_address_and_kept() -> None:
    (found,) = read("https://h.example/t/${T}/c", T="abc")
    assert (found.name, found.token, found.login) == ("https://h.example/c", Secret("abc"), None)
    assert "abc" not in repr(found)
    assert with_token("https://h.example/c/noarch/x.conda", [found]) == "https://h.example/t/abc/c/noarch/x.conda"
    assert with_token("https://other.example/c/x.conda", [found]) == "https://other.example/c/x.conda"


def test_user_and_password_are_taken_out_of_the_address_and_kept() -> None:
    (found,) = read("https://${U}:${P}@h.example/c", U="me", P="p%40ss")
    assert (found.name, found.login) == ("https://h.example/c", (Secret("me"), Secret("p@ss")))
    assert "p@ss" not in repr(found)


@pytest.mark.parametrize("text", ["https://me:secret@h.example/c", "https://h.example/t/abc/c", "ftp://h/c", "a b", ""])
def test_a_secret_that_is_written_out_or_no_channel_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"password|token|address|channel"):
        read(text)


def test_a_file_is_found_on_the_mirrors_of_its_channel() -> None:
    found = read("conda-forge", mirrors={"conda-forge": ["https://m.example/cf", "./kept"]})
    bases = {"conda-forge": "https://origin.example/conda-forge"}
    assert mirrored("https://origin.example/conda-forge/noarch/x.conda", found, bases) == (
        "https://m.example/cf/noarch/x.conda",
        f"{PROJECTS}/p/kept/noarch/x.conda",
    )
    assert mirrored("https://other.example/x.conda", found, bases) == ()


def test_an_address_for_others_has_no_secret() -> None:
    assert without_token("https://me:p@h.example/t/abc/c/x.whl") == "https://h.example/c/x.whl"


def test_defaults_and_nodefaults_are_no_names_of_channels() -> None:
    assert [each.name for each in read("conda-forge", "defaults")] == ["conda-forge", "main", "r"]
    assert [each.name for each in read("conda-forge", "nodefaults")] == ["conda-forge"]
    with pytest.raises(TfprovError, match="names no channel"):
        read("nodefaults")


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("a", ""),
        ("conda-forge::a", "conda-forge"),
        ("bioconda::a", "bioconda"),
        ("c::a", "https://h.example/c"),
        ("https://h.example/c/noarch::a", "https://h.example/c"),
        ("https://h.example/t/abc/c::a", "https://h.example/c"),
        ("./made here::a", f"{PROJECTS}/p/made%20here"),
        ("made%20here::a", f"{PROJECTS}/p/made%20here"),
        ("../other::a", f"{PROJECTS}/other"),
    ],
)
def test_the_channel_of_a_spec_is_one_of_the_profile_or_is_added(text: str, channel: str) -> None:
    known = read("conda-forge", "https://h.example/t/${T}/c", "./made here", T="abc")
    ((spec,), found) = of_specs([conda_specs.read(text)], known, HERE, str)
    assert spec.channel == channel
    added = () if channel in ("", *(each.name for each in known)) else (Channel(name=channel),)
    assert found == (*known, *added)


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [("linux", "x86_64", "linux-64"), ("linux", "aarch64", "linux-aarch64"), ("macos", "aarch64", "osx-arm64")],
)
def test_platforms_have_condas_names(system: str, machine: str, name: str) -> None:
    assert subdir(system, machine) == name


@pytest.mark.parametrize("text", ["https://[h.example/c", "https://u:${P}@h.example/c"])
def test_an_address_that_cannot_be_parsed_is_a_mistake_and_not_shown(text: str) -> None:
    with pytest.raises(TfprovError) as caught:
        read(text, P="se[cret")
    assert (caught.value.code.name, caught.value.__cause__) == ("profile-invalid", None)
    assert "cret" not in f"{caught.value} {caught.value.evidence}"


@pytest.mark.skipif(os.name != "posix", reason="Python takes the home of any user of Windows for a neighbour's")
def test_the_home_of_an_unknown_user_is_a_folder_that_is_not_there() -> None:
    assert [each.name for each in read("~nobody here/c")] == ["file:///projects/p/~nobody%20here/c"]


def test_a_profile_without_a_channel_is_told_how_to_name_one() -> None:
    assert refusal(lambda: read("nodefaults")) == (
        *("profile-invalid", "the profile names no channel", "`conda.channels` contains only `nodefaults`"),
        'name one: `channels = ["conda-forge"]`',
    )
