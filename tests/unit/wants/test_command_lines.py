from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfprov.wants.command_lines import command_lines
from wants_files import Read, texts


def lines(text: str, *, is_dockerfile: bool = False) -> list[tuple[int, str]]:
    return [(each.number, each.text) for each in command_lines(text, is_dockerfile=is_dockerfile)]


def test_a_line_is_joined_with_those_that_continue_it() -> None:
    assert lines("# why\na \\\n  b\n\nc\n") == [(2, "a    b"), (5, "c")]
    assert lines("RUN a \\\n\n  # why\n  b\nRUN c\n", is_dockerfile=True) == [(1, "RUN a    b"), (5, "RUN c")]
    assert lines("# syntax=x\n# escape=`\nRUN a `\n  b\n", is_dockerfile=True) == [(3, "RUN a    b")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("RUN <<EOF\npip install six\nEOF\nRUN x\n", [(1, "RUN "), (2, "RUN pip install six"), (4, "RUN x")]),
        ("RUN <<-'EOF' <<END\n\ta\n\tEOF\nb\nEND\n", [(1, "RUN  "), (2, "RUN a"), (4, "RUN b")]),
        ("RUN bash -e <<EOF\na \\\n b\nEOF\n", [(1, "RUN bash -e "), (2, "RUN a   b")]),
        ("RUN <<EOF\n#!/bin/bash\na\nEOF\n", [(1, "RUN "), (3, "RUN a")]),
        ("RUN <<EOF\n#!/usr/bin/env python\na\nEOF\n", [(1, "RUN ")]),
        ("RUN python <<EOF\na\nEOF\n", [(1, "RUN python ")]),
        ("RUN echo $((1<<N))\nRUN a\n", [(1, "RUN echo $((1<<N))"), (2, "RUN a")]),
        ("RUN cat <<<EOF\nRUN a\nEOF\n", [(1, "RUN cat <<<EOF"), (2, "RUN a"), (3, "EOF")]),
    ],
)
def test_the_lines_of_a_document_for_a_shell_are_command_lines(text: str, found: list[tuple[int, str]]) -> None:
    assert lines(text, is_dockerfile=True) == [(number, each) for number, each in found if each.strip()]


@pytest.mark.parametrize(
    "command",
    [
        "RUN cat <<EOF > requirements.txt",
        "RUN cat > /app/requirements.txt <<EOF",
        "RUN tee requirements.txt <<EOF",
        "COPY <<EOF /app/requirements.txt",
        "COPY --chmod=644 <<'EOF' requirements.txt",
    ],
)
def test_a_file_that_a_document_makes_is_the_one_that_is_named_later(read_file: Read, command: str) -> None:
    install = "RUN pip install --no-cache-dir -r requirements.txt"
    found = read_file("Dockerfile", f"FROM x\n{command}\ntensorflow==2.15.0\n# why\nnumpy<2\nEOF\n{install}\n")
    assert (texts(found.requirements), found.problems) == (["tensorflow==2.15.0", "numpy<2"], ())
    if command.startswith("RUN "):
        script = f"{command[4:]}\nsix\nEOF\npip install -r requirements.txt\n"
        assert texts(read_file("install.sh", script).requirements) == ["six"]


@given(st.lists(st.sampled_from(["RUN a \\", "RUN <<A", "A", "b", "", "# c", "COPY <<A x", "cat <<-A >x", "\tA"])))
@settings(max_examples=300, derandomize=True)
def test_each_command_line_begins_at_its_number(given_lines: list[str]) -> None:
    for is_dockerfile in (False, True):
        for each in command_lines("\n".join(given_lines), is_dockerfile=is_dockerfile):
            first = each.text.removeprefix("RUN ").split(" ")[0]
            assert each.file or first in given_lines[each.number - 1]


@pytest.mark.parametrize("depth", [3, 2_000])
def test_documents_within_each_other_have_an_end(depth: int) -> None:
    ends = "".join(f"E{number}\n" for number in reversed(range(depth)))
    text = "".join(f"bash <<E{number}\n" for number in range(depth)) + f"pip install x\n{ends}pip install y\n"
    found = [line.text for line in command_lines(text) if line.text.startswith("pip")]
    assert found == (["pip install x", "pip install y"] if depth == 3 else ["pip install y"])


def test_many_documents_without_an_end_are_commands() -> None:
    text = "cat <<A x\n" * 100_000 + "pip install x\n"
    assert [line.text for line in command_lines(text)][-1] == "pip install x"
