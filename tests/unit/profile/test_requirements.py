from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.profile.requirements import read_requirements


def files(folder: Path, **contents: str) -> Path:
    for name, text in contents.items():
        (folder / f"{name}.txt").write_text(text)
    return folder / f"{next(iter(contents))}.txt"


def test_lines_are_requirements_without_comments_and_blanks(tmp_path: Path) -> None:
    path = files(tmp_path, main="# head\n\nnumpy  # why\n  pandas>=2,<3 ; python_version > '3'\nx[a,b]==1.0#egg\n")
    assert read_requirements(path)[0] == ("numpy", "pandas>=2,<3 ; python_version > '3'")
    assert read_requirements(path)[2] == (
        "main.txt:5: `x[a,b]==1.0#egg` is not a requirement: Expected comma (within version specifier), "
        "semicolon (after version specifier) or end",
    )


def test_hashes_and_other_options_behind_a_requirement_are_left_out(tmp_path: Path) -> None:
    path = files(
        tmp_path,
        main="a==1 --hash=sha256:00 --hash=sha256:11\nb==2 \\\n    --hash=sha256:22 \\\n    --hash=sha256:33\nc\n",
    )
    assert read_requirements(path) == (("a==1", "b==2", "c"), (), ())


def test_the_line_of_a_mistake_is_right_behind_continued_lines(tmp_path: Path) -> None:
    path = files(tmp_path, main="a==1 \\\r\n  --hash=sha256:1 \\\r\n  --hash=sha256:2\r\nb ??\r\nc \\\r\n  ??\r\n")
    assert read_requirements(path)[0] == ("a==1",)
    assert [problem.split(" is ")[0] for problem in read_requirements(path)[2]] == [
        "main.txt:4: `b ??`",
        "main.txt:5: `c    ??`",
    ]


def test_a_file_may_end_in_a_backslash(tmp_path: Path) -> None:
    assert read_requirements(files(tmp_path, main="a\nb \\"))[0] == ("a", "b")


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    (tmp_path / "main.txt").write_bytes(b"\xef\xbb\xbfnumpy\n")
    assert read_requirements(tmp_path / "main.txt")[0] == ("numpy",)


@pytest.mark.parametrize(
    "include", ["-r inner.txt", "-rinner.txt", "--requirement inner.txt", "--requirement=inner.txt"]
)
def test_included_files_are_read_in_place(tmp_path: Path, include: str) -> None:
    path = files(tmp_path, main=f"a\n{include}\nc\n", inner="b\n")
    assert read_requirements(path) == (("a", "b", "c"), (), ())


@pytest.mark.parametrize(
    "include", ["-c bounds.txt", "-cbounds.txt", "--constraint bounds.txt", "--constraint=bounds.txt"]
)
def test_constraints_are_kept_apart(tmp_path: Path, include: str) -> None:
    path = files(tmp_path, main=f"a\n{include}\n", bounds="b<1\n-r more.txt\n", more="c<1\n")
    assert read_requirements(path) == (("a",), ("b<1", "c<1"), ())


def test_an_included_file_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    files(tmp_path / "sub", inner="b\n-r deep.txt\n", deep="c\n")
    assert read_requirements(files(tmp_path, main="-r sub/inner.txt\n"))[0] == ("b", "c")


def test_files_that_include_each_other_are_read_once(tmp_path: Path) -> None:
    path = files(tmp_path, main="a\n-r other.txt\n", other="b\n-r main.txt\n-r ./other.txt\n")
    assert read_requirements(path) == (("a", "b"), (), ())


def test_a_file_may_be_both_requirements_and_constraints(tmp_path: Path) -> None:
    path = files(tmp_path, main="-c common.txt\n-r common.txt\n", common="a<2\n")
    assert read_requirements(path) == (("a<2",), ("a<2",), ())


@pytest.mark.parametrize(
    "line",
    ["-e .", "--editable=.", "--index-url https://x", "-i https://x", "--extra-index-url https://x", "--find-links x",
     "--no-binary :all:", "--pre"],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_with_file_and_line(tmp_path: Path, line: str) -> None:
    path = files(tmp_path, main="a\n-r inner.txt\n", inner=f"\n{line}\n")
    assert read_requirements(path) == (
        ("a",),
        (),
        (
            f"inner.txt:2: `{line.split(maxsplit=1)[0]}` cannot be honoured here: indexes belong into `[index]`, "
            "and only wheels are installed",
        ),
    )


def test_a_missing_included_file_is_a_problem_and_the_rest_is_read(tmp_path: Path) -> None:
    path = files(tmp_path, main="-r gone.txt\na\n")
    assert read_requirements(path) == (("a",), (), ("main.txt:1: `-r gone.txt`: No such file or directory",))


def test_a_password_in_an_address_is_a_problem_and_is_not_repeated(tmp_path: Path) -> None:
    path = files(tmp_path, main="x @ https://me:hunter2@host/x.whl\ny @ https://${U}:${P}@host/y.whl\n")
    found, _, problems = read_requirements(path)
    assert found == ("y @ https://${U}:${P}@host/y.whl",)
    assert problems == (
        "main.txt:1: a password stands in the URL: put it in a variable and write `${NAME}`, or use netrc",
    )


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_requirements(tmp_path / "gone.txt")
