from __future__ import annotations

import pytest

from tfprov.redact import redact
from tfprov.wants.repositories import usual
from wants_files import Read, texts


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("git+git://host/me/nets.git", "git+https://host/me/nets.git"),
        ("git+git://host/me/nets.git@v1.0", "git+https://host/me/nets.git@v1.0"),
        ("git+git@host:me/nets.git", "git+ssh://git@host/me/nets.git"),
        ("git+git@host:me/nets.git@v1.0", "git+ssh://git@host/me/nets.git@v1.0"),
        ("git+git@host:/me/nets.git", "git+ssh://git@host/me/nets.git"),
        ("git+ssh://git@host:me/nets.git", "git+ssh://git@host/me/nets.git"),
        ("git+git@host.example:2me/nets", "git+ssh://git@host.example/2me/nets"),
    ],
)
def test_an_address_that_only_other_tools_read_is_read_in_its_usual_form(
    read_file: Read, written: str, read: str
) -> None:
    assert usual(written)[0] == read
    found = read_file("requirements.txt", f"{written}#egg=nets\nmore @ {written}\n-e {written}#egg=last\n")
    assert texts(found.requirements) == [f"nets @ {read}", f"more @ {read}", f"last @ {read}"]
    assert found.problems == ()
    assert sum(f"` is read as `{redact(read)}`: " in note for note in found.notes) == 3


@pytest.mark.parametrize(
    "address",
    [
        "git+https://host/me/nets.git@v1.0",
        "git+https://me@host:8443/nets.git",
        "git+ssh://git@host/me/nets.git",
        "git+ssh://git@host:22/me/nets.git",
        "git+ssh://git@host:2222",
        "git+file:///home/me/nets",
        "git+http://host/me/nets.git",
    ],
)
def test_the_usual_form_stays(address: str) -> None:
    assert usual(address) == (address, "")


@pytest.mark.parametrize(
    ("written", "better"),
    [
        ("git@host:me/nets.git", "git+ssh://git@host/me/nets.git"),
        ("git://host/me/nets.git", "git+https://host/me/nets.git"),
        ("https://host/me/nets.git", "git+https://host/me/nets.git"),
    ],
)
def test_the_address_of_a_repository_alone_is_refused_with_the_form_to_write(
    read_file: Read, written: str, better: str
) -> None:
    found = read_file("requirements.txt", f"{written}\n")
    assert found.problems == (f"requirements.txt:1: `{written}` is a repository: write `{better}`",)


def test_poetry_names_a_repository_by_its_short_ssh_address(read_file: Read) -> None:
    text = '[tool.poetry.dependencies]\nnets = {git = "git@host:me/nets.git", tag = "v1.0"}\n'
    assert texts(read_file("pyproject.toml", text).requirements) == ["nets @ git+ssh://git@host/me/nets.git@v1.0"]
