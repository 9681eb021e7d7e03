"""What the documentation and the messages tell to type exists; what the pages link to is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tfprov.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES += sorted((ROOT / "examples").rglob("*.md"))
SOURCES = sorted((ROOT / "src/tfprov").rglob("*.py"))
_TYPED = re.compile(r"(?:`|\$ |^ {4}|&& |; )(?:tfprov|(?:\./|[\w-]+-bundle/)bootstrap) ([^`\n|;#&]*)", re.MULTILINE)
_OF_BOOTSTRAP = {"test", "lint"}
TFPROV: Any = get_command(app)


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in headings}


def mistake(words: list[str]) -> str | None:
    """The word of a command line that tfprov does not know."""
    command = TFPROV
    while hasattr(command, "commands") and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        if words[0] not in command.commands:
            return words[0]
        command, words = command.commands[words[0]], words[1:]
    known = options(command) | options(TFPROV) | {"--help"}
    for word in words[: words.index("--") if "--" in words else None]:
        name = re.match(r"--[a-z][a-z-]*", word)
        if name and name[0] not in known:
            return name[0]
    return None


def typed(text: str) -> Iterator[str]:
    for found in _TYPED.finditer(text):
        words = found[1].split()
        if words and words[0] not in _OF_BOOTSTRAP:
            yield found[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_page_exist_with_their_options(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert {line: mistake(line.split()) for line in typed(text) if mistake(line.split())} == {}


def test_so_do_those_of_the_messages() -> None:
    wrong = {}
    for source in SOURCES:
        for found in re.finditer(r"`tfprov ([a-z][^`\n{\"]*)", source.read_text(encoding="utf-8")):
            if (word := mistake(found[1].split())) is not None:
                wrong[f"{source.name}: {found[1]}"] = word
    assert wrong == {}


def test_no_example_installs_tfprov_by_its_bare_name() -> None:
    """A name that is not ours on a public index could be anybody's."""
    bare = re.compile(
        r"(?:pip|pipx|uv tool) install [^\n`|&;]*?(?<![\w/.-])tfprov(?![\w=./-])"
        r"|(?:TFPROV[=:]|\btfprov:|default:) *[\"']?tfprov[\"']?\s*$",
        re.MULTILINE,
    )
    assert bare.search("python3 -m pip install --quiet tfprov && x")
    assert bare.search("    default: tfprov\n")
    examples = [path for path in (ROOT / "examples").rglob("*") if path.is_file()]
    wrong = {path.name: found[0] for path in (*PAGES, *examples) if (found := bare.search(path.read_text()))}
    assert [found for found in wrong.values() if "--index-url" not in found] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("upp train.toml", "upp"),
        ("up --recrate", "--recrate"),
        ("kernel drop", "drop"),
        ("run x -- python --version", None),
    ],
)
def test_a_mistake_would_be_found(line: str, word: str | None) -> None:
    assert mistake(line.split()) == word
