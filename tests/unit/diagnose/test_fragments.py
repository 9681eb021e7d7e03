"""Messages as people paste them into titles, chats and sentences: without their kind, in other quotes, in Markdown."""

# ruff: noqa: RUF001  quotes that look alike are what this is about

from __future__ import annotations

import re

import pytest

from tfprov.diagnose.diagnose import diagnose_text
from tfprov.diagnose.records import NOISE
from tfprov.diagnose.rules import RULES
from tfprov.diagnose.view import CLUE, SIGN

_KIND = re.compile(
    r"(?P<kind>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Failure|NotFound|Conflict)): (?P<message>.+)"
)
# What these say is told by the kind of the exception alone, or by a line that follows.
_NEED_THEIR_KIND = frozenset(
    {"conda-clobber", "conda-http-000", "import-advised", "pipenv-locking-failed", "program-misses-gpu"}
)
# Here anything may stand between the quotes: without them nothing says where it ends.
_NEED_QUOTES = frozenset({"held-by-a-scanner", "pkg-resources-conflict", "python-missing", "system-library-missing"})

WRAPPED = (
    "**{0}**",
    "_{0}_",
    "`{0}`",
    "> {0}",
    "- {0}",
    "### {0}",
    "Import fails: {0}",
    "[Bug] {0} #1234",
    "エラー: {0}",
)
FRAGMENTS = (
    *WRAPPED,
    "{0}",
    '"{0}"',
    "... {0} ...",
    "{0} when I import it",
    "After the update I get {0}. What now?",
    "Error: {0}",
)
QUOTES = ('"{0}"', "`{0}`", "`{0}'", "´{0}´", "‘{0}’", "“{0}”", "„{0}“", "«{0}»", r"\'{0}\'", "''{0}''")


def _messages(*, leave_out: frozenset[str] = frozenset()) -> list[object]:
    """Examples that are an exception's last line: the rule, the exception's kind and its message."""
    return [
        pytest.param(found["kind"], found["message"], id=f"{rule.name}-{number}")
        for rule in RULES
        if rule.code not in {NOISE, CLUE, SIGN} and rule.name not in leave_out
        for number, example in enumerate(rule.examples)
        if (found := _KIND.fullmatch(example))
    ]


def root_of(text: str) -> str | None:
    root = diagnose_text(text).root
    return root and root.code


@pytest.mark.parametrize(("kind", "message"), _messages())
def test_an_exception_in_a_title_or_in_markdown_is_the_exception(kind: str, message: str) -> None:
    whole = f"{kind}: {message}"
    assert {way: root_of(way.format(whole)) for way in WRAPPED} == dict.fromkeys(WRAPPED, root_of(whole))


@pytest.mark.parametrize(("kind", "message"), _messages(leave_out=_NEED_THEIR_KIND))
def test_an_exception_without_its_kind_is_the_exception(kind: str, message: str) -> None:
    root = root_of(f"{kind}: {message}")
    assert {way: root_of(way.format(message)) for way in FRAGMENTS} == dict.fromkeys(FRAGMENTS, root)


@pytest.mark.parametrize(("kind", "message"), _messages())
def test_an_exception_in_other_quotes_is_the_exception(kind: str, message: str) -> None:
    whole = f"{kind}: {message}"
    root = root_of(whole)
    others = [re.sub(r"(?<!\w)'([^']+)'", lambda found: way.format(found[1]), whole) for way in QUOTES]  # noqa: B023
    assert {other: root_of(other) for other in others} == dict.fromkeys(others, root)


@pytest.mark.parametrize(("kind", "message"), _messages(leave_out=_NEED_QUOTES))
def test_an_exception_without_quotes_is_the_exception(kind: str, message: str) -> None:
    whole = f"{kind}: {message}"
    assert root_of(re.sub(r"(?<!\w)'([^']+)'", r"\1", whole)) == root_of(whole)
