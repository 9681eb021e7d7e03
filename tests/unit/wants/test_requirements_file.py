from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tfprov.default_index import default_index
from tfprov.wants.recognise import read
from tfprov.wants.records import ProjectParts, Wants
from tfprov.words import quoted


def files(folder: Path, **contents: str) -> Path:
    for name, text in contents.items():
        (folder / f"{name}.txt").write_text(text)
    return folder / f"{next(iter(contents))}.txt"


def wants_of(path: Path) -> Wants:
    return read((path,), path.parent, ProjectParts())


def requirements(path: Path) -> list[str]:
    return [want.text for want in wants_of(path).requirements]


def constraints(path: Path) -> list[str]:
    return [want.text for want in wants_of(path).constraints]


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("git+https://host/me/nets.git", "nets @ git+https://host/me/nets.git"),
        ("-e git+https://host/me/nets", "nets @ git+https://host/me/nets"),
        ("git+https://host/me/nets.git@v1.0", "nets @ git+https://host/me/nets.git@v1.0"),
        ("git+ssh://git@host/me/nets.git@v1", "nets @ git+ssh://git@host/me/nets.git@v1"),
        ("git+https://host/me/nets/ ; python_version > '3'", "nets @ git+https://host/me/nets/ ; python_version > '3'"),
        ("git+https://host/me/nets.git[gpu]", "nets[gpu] @ git+https://host/me/nets.git"),
        ("git+https://host/me/nets#subdirectory=py", "nets @ git+https://host/me/nets#subdirectory=py"),
        ("https://host/me/nets/archive/master.zip", "nets @ https://host/me/nets/archive/master.zip"),
        ("https://host/me/nets/archive/refs/tags/v1.tar.gz", "nets @ https://host/me/nets/archive/refs/tags/v1.tar.gz"),
        ("https://host/me/nets/-/archive/main/x.tar.gz", "nets @ https://host/me/nets/-/archive/main/x.tar.gz"),
    ],
)
def test_a_project_without_a_name_is_called_like_its_repository(tmp_path: Path, line: str, asked: str) -> None:
    found = wants_of(files(tmp_path, main=f"{line}\n"))
    assert ([want.text for want in found.requirements], found.problems) == ([asked], ())
    assert any("is taken for the project `nets`, as its repository is called" in note for note in found.notes)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("yaml", "that is the name of a module; the package is `PyYAML`"),
        ("skmisc", "that is the name of a module; the package is `scikit-misc`"),
        ("pytables", "the package is called `tables`"),
        ("tensorflow-2.15.0", "a version stands behind `==`: write `tensorflow==2.15.0`"),
        ("python-3.10.4", "a version stands behind `==`: write `python==3.10.4`"),
        ("sklearn.metrics", "that is the name of a module; the package is `scikit-learn`"),
        ("matplotlib.pyplot", "that is the name of a module; the package is `matplotlib`"),
        ("cPickle", "that is a module of Python 2: remove the line"),
        ("- numpy==1.2", "is not a requirement: did you mean `numpy==1.2`?"),
        ("opencv==4.5", "the package is called `opencv-python`"),
        ("PyTorch", "the package is called `torch`"),
    ],
)
def test_what_is_called_otherwise_is_told_its_name(tmp_path: Path, line: str, words: str) -> None:
    found = wants_of(files(tmp_path, main=f"{line}\nruamel.yaml\nzope.interface==5\nconfigparser\n"))
    assert [want.text for want in found.requirements] == ["ruamel.yaml", "zope.interface==5", "configparser"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"main.txt:1: `{line}`")
    assert found.problems[0].endswith(words)


def test_what_comes_with_python_is_left_out_with_a_word(tmp_path: Path) -> None:
    found = wants_of(files(tmp_path, main="os\njson\nos.path\nargparse\nuuid==1.30\nnumpy\n"))
    assert [want.text for want in found.requirements] == ["argparse", "uuid==1.30", "numpy"]
    assert found.notes == tuple(
        f"main.txt:{number}: `{name}` is left out: it is a module of Python itself"
        for number, name in enumerate(("os", "json", "os.path"), start=1)
    )
    assert found.problems == ()


def test_a_part_of_the_system_goes_whatever_its_version_is_called(tmp_path: Path) -> None:
    found = wants_of(files(tmp_path, main="distro-info===1.1build1\nxkit==0.0.0\nnumpy==1.23.5\n"))
    assert [want.text for want in found.requirements] == ["numpy==1.23.5"]
    assert found.problems == ()


def test_the_cuda_libraries_of_conda_are_left_out_with_a_word(tmp_path: Path) -> None:
    found = wants_of(files(tmp_path, main="cudatoolkit==11.0\ncudnn>=8\ntensorflow-gpu==2.4.1\n"))
    assert [want.text for want in found.requirements] == ["tensorflow-gpu==2.4.1"]
    assert found.notes[0] == (
        "main.txt:1: `cudatoolkit==11.0` is left out: only conda has it; the CUDA libraries come by "
        "`tensorflow.accelerator`"
    )
    assert found.problems == ()


def test_lines_are_requirements_without_comments_and_blanks(tmp_path: Path) -> None:
    path = files(tmp_path, main="# head\n\nnumpy  # why\n  pandas>=2,<3 ; python_version > '3'\nx[a,b]==1.0#egg\n")
    assert requirements(path) == ["numpy", "pandas>=2,<3 ; python_version > '3'"]
    assert wants_of(path).problems == (
        "main.txt:5: `x[a,b]==1.0#egg` is not a requirement: did you mean `x[a,b]==1.0`?",
    )


def test_each_requirement_knows_its_file_and_line(tmp_path: Path) -> None:
    path = files(tmp_path, main="a\n-r inner.txt\n", inner="\n\nb \\\n >=1\n")
    assert [(want.text, want.where) for want in wants_of(path).requirements] == [
        ("a", "main.txt:1"),
        ("b  >=1", "inner.txt:3"),
    ]


def test_what_stands_behind_three_signs_is_a_version(tmp_path: Path) -> None:
    path = files(tmp_path, main="a===1.0\nb===foo\nc===foo; python_version > '3'\n")
    found = wants_of(path)
    assert [want.text for want in found.requirements] == ["a===1.0"]
    assert found.problems == (
        "main.txt:2: `b===foo`: `foo` is not a version: write one, as in `b==1.2.3`",
        "main.txt:3: `c===foo; python_version > '3'`: `foo` is not a version: write one, as in `c==1.2.3`",
    )


def test_an_editable_repository_alone_in_a_file_is_not_a_list_of_conda(tmp_path: Path) -> None:
    found = wants_of(files(tmp_path, main="--editable=git+https://host.example/team/lib.git#egg=lib\n"))
    assert (found.conda, found.problems) == ((), ())
    assert [want.text for want in found.requirements] == ["lib @ git+https://host.example/team/lib.git"]


def test_hashes_are_kept_with_their_requirement(tmp_path: Path) -> None:
    one, two = "0" * 64, "A" * 64
    path = files(tmp_path, main=f"a==1 --hash=sha256:{one} \\\n  --hash=sha256:{two}\nb==1 --hash sha512:{one}\n")
    found = wants_of(path)
    assert [(want.text, want.hashes) for want in found.requirements] == [("a==1", (one, two.lower()))]
    assert found.problems == ("main.txt:3: `b==1`: only hashes by SHA-256 are checked",)


def test_a_file_may_end_in_a_backslash(tmp_path: Path) -> None:
    assert requirements(files(tmp_path, main="a\nb \\")) == ["a", "b"]


@pytest.mark.parametrize(
    "include",
    ["-r inner.txt", "-rinner.txt", "--requirement inner.txt", "--requirement=inner.txt", "-r file:inner.txt"],
)
def test_included_files_are_read_in_place(tmp_path: Path, include: str) -> None:
    assert requirements(files(tmp_path, main=f"a\n{include}\nc\n", inner="b\n")) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "include", ["-c bounds.txt", "-cbounds.txt", "--constraint bounds.txt", "--constraint=bounds.txt"]
)
def test_constraints_are_kept_apart(tmp_path: Path, include: str) -> None:
    path = files(tmp_path, main=f"a\n{include}\n", bounds="b<1\n-r more.txt\n", more="c<1\n")
    assert requirements(path) == ["a"]
    assert constraints(path) == ["b<1", "c<1"]


def test_a_constraint_with_extras_is_a_problem(tmp_path: Path) -> None:
    path = files(tmp_path, main="-c bounds.txt\n", bounds="b[x]<1\n")
    assert wants_of(path).problems == (
        "bounds.txt:1: `b[x]<1`: a constraint cannot ask for extras; make it a requirement",
    )


def test_an_included_file_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    files(tmp_path / "sub", inner="b\n-r deep.txt\n", deep="c\n")
    assert requirements(files(tmp_path, main="-r sub/inner.txt\n")) == ["b", "c"]


def test_files_that_include_each_other_are_read_once(tmp_path: Path) -> None:
    path = files(tmp_path, main="a\n-r other.txt\n", other="b\n-r main.txt\n-r ./other.txt\n")
    assert requirements(path) == ["a", "b"]


def test_a_file_may_be_both_requirements_and_constraints(tmp_path: Path) -> None:
    path = files(tmp_path, main="-c common.txt\n-r common.txt\n", common="a<2\n")
    assert (requirements(path), constraints(path)) == (["a<2"], ["a<2"])


@pytest.mark.parametrize("address", ["file:gone.txt", "file:///gone/gone.txt", "file://[", "https://h.org/a.txt"])
def test_an_included_address_that_cannot_be_read_is_a_problem(tmp_path: Path, address: str) -> None:
    assert len(wants_of(files(tmp_path, main=f"-r {address}\n")).problems) == 1


def test_a_missing_included_file_is_a_problem_and_the_rest_is_read(tmp_path: Path) -> None:
    path = files(tmp_path, main="-r gone.txt\na\n")
    assert requirements(path) == ["a"]
    assert wants_of(path).problems == ("main.txt:1: `gone.txt` cannot be read: No such file or directory",)


def test_a_password_in_an_address_is_a_problem_and_is_not_repeated(tmp_path: Path) -> None:
    path = files(
        tmp_path,
        main="x @ https://me:hunter2@host/x-1-py3-none-any.whl\ny @ https://${U}:${P}@host/y-1-py3-none-any.whl\n",
    )
    assert requirements(path) == ["y @ https://${U}:${P}@host/y-1-py3-none-any.whl"]
    assert wants_of(path).problems == (
        "main.txt:1: the address holds a password: put it in a variable and write `${NAME}`, or use netrc",
    )


def test_variables_are_replaced_as_pip_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANTED", "1.2")
    path = files(tmp_path, main="a==${WANTED}\nb==${MISSING}\n")
    assert requirements(path) == ["a==1.2"]
    assert wants_of(path).problems[0].startswith("main.txt:2: `b==${MISSING}` is not a requirement")


def test_variables_in_options_are_replaced_except_in_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/base.txt").write_text("a\n")
    (tmp_path / "lists/bounds.txt").write_text("b<2\n")
    monkeypatch.setenv("LISTS", "lists")
    monkeypatch.setenv("BUILT", "six")
    path = files(
        tmp_path,
        main="-r ${LISTS}/base.txt\n-c ${LISTS}/bounds.txt\n-f ${LISTS}\n-f https://${LISTS}/x\n"
        "--no-binary=${BUILT}\n-e git+https://${BUILT}@host/nets#egg=nets\n",
    )
    found = wants_of(path)
    assert found.problems == ()
    assert requirements(path) == ["a", "nets @ git+https://${BUILT}@host/nets"]
    assert constraints(path) == ["b<2"]
    assert [address.url for address in found.addresses] == [str(tmp_path / "lists"), "https://${LISTS}/x"]
    assert [want.text for want in found.no_binary] == ["six"]


def test_indexes_and_places_with_wheels_are_kept(tmp_path: Path) -> None:
    path = files(
        tmp_path,
        main="-i https://one/simple\n--extra-index-url https://two/simple\n-f wheels\n--find-links https://three/x.html\n",
    )
    assert [(address.kind, address.url, address.where) for address in wants_of(path).addresses] == [
        ("index", "https://one/simple", "main.txt:1"),
        ("extra", "https://two/simple", "main.txt:2"),
        ("find-links", str(tmp_path / "wheels"), "main.txt:3"),
        ("find-links", "https://three/x.html", "main.txt:4"),
    ]


def test_the_public_index_is_the_one_that_the_machine_is_set_up_with(tmp_path: Path) -> None:
    found = wants_of(files(tmp_path, main=f"--index-url {default_index()}\na\n"))
    assert found.addresses == ()
    assert found.notes == (
        f"main.txt:1: `{default_index()}` is the public index: the one that this machine is set up with serves for it",
    )


@pytest.mark.parametrize("remark", ["---> For audio analysis", "--> audio", "--- see above"])
def test_a_remark_without_its_sign_is_told_as_one(tmp_path: Path, remark: str) -> None:
    found = wants_of(files(tmp_path, main=f"librosa==0.6.3      {remark}\nb\n"))
    words = f"`{remark}` after `librosa==0.6.3` is not part of a requirement: a comment begins with ` #`"
    assert found.problems == (f"main.txt:1: {words}",)


@pytest.mark.parametrize(
    "option",
    [
        "--index-url https://host/whl/cpu",
        "--extra-index-url=https://host/whl",
        "--find-links https://host/x.html",
        "--pre",
    ],
)
def test_no_option_behind_a_requirement_is_dropped_without_a_word(tmp_path: Path, option: str) -> None:
    found = wants_of(files(tmp_path, main=f"torch==2.3.1 {option}\nb\n"))
    assert ([want.text for want in found.requirements], found.problems, found.addresses) == (
        ["torch==2.3.1", "b"],
        (),
        (),
    )
    name = option.partition(" ")[0].partition("=")[0]
    words = f"`{name}` behind a requirement has no effect, as in pip: it needs a line of its own"
    assert found.notes == (f"main.txt:1: `torch==2.3.1`: {words}",)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-e .", "`-e .` is a folder without a Python project: it has neither `pyproject.toml` nor `setup.py`"),
        ("-e ./gone", "`-e ./gone`: there is no such folder here"),
        ("git+https://host/", "does not say which package it is: write `NAME @ git+https://host/`"),
        ("git+https://host/x.git#egg=no name", "does not say which package it is"),
        ("x @ hg+https://host/x", "is a repository: only git is supported, not hg"),
        ("git@host:x/y.git", "is a repository: write `git+ssh://git@host/x/y.git`"),
        ("x @ https://host/x.git", "is a repository: write `git+https://host/x.git`"),
        ("https://host/master.zip", "`master.zip` is not named like a source distribution: write `NAME @` before it"),
        ("./", "is a folder without a Python project: it has neither"),
        ("./gone.whl", "there is no such file here; ask for the package by name"),
        (
            "--no-binary :all:",
            "`--no-binary :all:` is not supported: TensorFlow comes as a wheel, building takes hours; name",
        ),
        ("--no-binary six,TensorFlow_CPU", "`--no-binary TensorFlow_CPU` is not supported: TensorFlow"),
        ("--only-binary ../x", "`--only-binary ../x`: that is not the name of a project"),
        ("--no-index", "`--no-index` is not supported in a file"),
        ("--frozen", "`--frozen` is not an option of requirements files"),
        ("-r https://host/more.txt", "`https://host/more.txt` is not read from the network"),
        ("-i files/simple", "`files/simple` is not the address of an index"),
        ("--hash=sha256:1", "a hash must stand behind a requirement"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_message_with_its_place(tmp_path: Path, line: str, words: str) -> None:
    found = wants_of(files(tmp_path, main="a\n-r inner.txt\n", inner=f"\n{line}\nb\n"))
    assert [want.text for want in found.requirements] == ["a", "b"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith("inner.txt:2: ")
    assert words in found.problems[0]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("git+https://host/x.git@main#egg=x", "x @ git+https://host/x.git@main"),
        ("git+https://host/x.git#egg=x[a]&subdirectory=lib/y", "x[a] @ git+https://host/x.git#subdirectory=lib/y"),
        ("x @ git+ssh://git@host/x.git ; os_name == 'nt'", "x @ git+ssh://git@host/x.git ; os_name == 'nt'"),
        ("--editable=git+https://host/x#egg=x", "x @ git+https://host/x"),
        ("https://host/x-1.0.tar.gz", "x @ https://host/x-1.0.tar.gz"),
        ("y @ https://host/master.zip", "y @ https://host/master.zip"),
    ],
)  # fmt: skip
def test_repositories_and_source_distributions_are_asked_for_by_name(tmp_path: Path, line: str, text: str) -> None:
    found = wants_of(files(tmp_path, main=f"a\n{line}\n"))
    assert [want.text for want in found.requirements] == ["a", text]
    assert found.problems == ()


@pytest.mark.parametrize(
    "line", ["--trusted-host host", "--use-feature fast-deps", "a --global-option=x", "a --config-settings x=y"]
)
def test_what_has_no_meaning_here_is_left_out_with_a_note(tmp_path: Path, line: str) -> None:
    found = wants_of(files(tmp_path, main=f"{line}\n"))
    assert found.problems == ()
    assert len(found.notes) == 1


@pytest.mark.parametrize(
    ("lines", "no", "only"),
    [
        ("--no-binary Six,py_yaml", ["six", "py-yaml"], []),
        ("--only-binary :all:", [], [":all:"]),
        ("--only-binary=a --no-binary=b", ["b"], ["a"]),
        # As in pip, the last one counts.
        ("--no-binary a\n--only-binary a", [], ["a"]),
        ("--only-binary a\n--no-binary a,b", ["a", "b"], []),
        ("--no-binary a,b\n--no-binary :none:", [], []),
        ("--no-binary a\n--only-binary :all:", [], [":all:"]),
        ("--only-binary :all:\n--no-binary a", ["a"], [":all:"]),
        ("--no-binary a\n-r inner.txt", ["a"], ["b"]),
    ],
)
def test_projects_are_built_or_not_as_the_file_says(tmp_path: Path, lines: str, no: list[str], only: list[str]) -> None:
    found = wants_of(files(tmp_path, main=f"{lines}\n", inner="--only-binary b\n"))
    assert found.problems == ()
    assert [want.text for want in found.no_binary] == no
    assert [want.text for want in found.only_binary] == only
    assert all(want.where.partition(":")[0] in ("main.txt", "inner.txt") for want in found.no_binary)


def test_pre_releases_count_where_a_file_says_so(tmp_path: Path) -> None:
    found = wants_of(files(tmp_path, main="a\n--pre\n"))
    assert [(want.text, want.where) for want in found.prereleases] == [("--pre", "main.txt:2")]
    assert wants_of(files(tmp_path, main="a\n")).prereleases == ()


@pytest.mark.parametrize("line", ["--prefer-binary", "--require-hashes", "--no-binary :none:"])
def test_what_is_always_so_is_taken_without_a_word(tmp_path: Path, line: str) -> None:
    assert replace(wants_of(files(tmp_path, main=f"{line}\n")), included=()) == Wants()


def test_a_local_wheel_is_named_relative_to_the_profile(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "Six_x-1.0-py3-none-any.whl").touch()
    for line in (
        "./wheels/Six_x-1.0-py3-none-any.whl[a]",
        f"six_x[a] @ {(tmp_path / 'wheels').as_uri()}/Six_x-1.0-py3-none-any.whl",
    ):
        found = wants_of(files(tmp_path, main=f"{line} ; python_version > '3'\n"))
        assert found.problems == ()
        assert [want.text.partition("[")[0].replace("_", "-") for want in found.requirements] == ["six-x"]
        assert found.requirements[0].text.endswith(
            "[a] @ file://${PROJECT_ROOT}/wheels/Six_x-1.0-py3-none-any.whl ; python_version > '3'"
        )


@pytest.mark.parametrize("folder", ["my wheels", "50%", "a#b", "größe"])
def test_a_local_wheel_in_a_folder_of_any_name_is_a_requirement(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "six-1.0+cu1-py3-none-any.whl").touch()
    place = (tmp_path / folder).as_uri()
    found = wants_of(files(tmp_path, main=f"six @ {place}/six-1.0+cu1-py3-none-any.whl\n"))
    assert found.problems == ()
    address = Requirement(found.requirements[0].text).url or ""
    assert unquote(address) == f"file://${{PROJECT_ROOT}}/{folder}/six-1.0+cu1-py3-none-any.whl"


@pytest.mark.parametrize(
    "line",
    [
        "six ; python_version ~= '3'",
        "six @ https://host/six-1-py3-none-any.whl ; garbage",
        "six @ https://host/six-1-py3-none-any.whl ; python_version ~= '3'",
        f"https://host/six-1-py3-none-any.whl#sha256={'b' * 64} ; python_version",
        "six @ https://host/a b/six-1-py3-none-any.whl",
        "git+https://host/six.git@a b#egg=six",
        "six[a b] @ https://host/six-1-py3-none-any.whl",
        "./six-1-py3-none-any.whl ; os_name",
    ],
)
def test_what_no_resolver_could_parse_or_evaluate_is_a_mistake(tmp_path: Path, line: str) -> None:
    (tmp_path / "six-1-py3-none-any.whl").touch()
    found = wants_of(files(tmp_path, main=f"{line}\n"))
    assert (found.requirements, len(found.problems)) == ((), 1)
    assert found.problems[0].startswith("main.txt:1: `")
    assert "is not a requirement: " in found.problems[0]


def test_a_hash_in_the_address_of_a_wheel_counts(tmp_path: Path) -> None:
    digest = "b" * 64
    found = wants_of(files(tmp_path, main=f"https://host/a%2Bb-1.0%2Bcu118-py3-none-any.whl#sha256={digest}\n"))
    assert [(want.text, want.hashes) for want in found.requirements] == []
    assert "not named like a wheel" in found.problems[0]
    found = wants_of(files(tmp_path, main=f"https://host/a-1.0%2Bcu118-py3-none-any.whl#sha256={digest}\n"))
    assert [(want.text, want.hashes) for want in found.requirements] == [
        ("a @ https://host/a-1.0%2Bcu118-py3-none-any.whl", (digest,))
    ]


class TestEncodings:
    TEXT = "numpy  # größer\r\npandas>=2\r\n"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    def test_what_people_save_is_read(self, tmp_path: Path, encoding: str) -> None:
        path = tmp_path / "main.txt"
        path.write_bytes(self.TEXT.encode(encoding))
        assert requirements(path) == ["numpy", "pandas>=2"]
        assert wants_of(path).problems == ()

    def test_a_named_encoding_is_taken(self, tmp_path: Path) -> None:
        path = tmp_path / "main.txt"
        path.write_bytes(f"# -*- coding: latin-1 -*-\r\n{self.TEXT}".encode("latin-1"))
        assert requirements(path) == ["numpy", "pandas>=2"]

    def test_another_one_is_named_with_its_line(self, tmp_path: Path) -> None:
        path = tmp_path / "main.txt"
        path.write_bytes(b"a\n" + "größe==1".encode("latin-1"))
        assert wants_of(path).problems == (
            "main.txt: it is not UTF-8: line 2 has the byte 0xF6; save the file as UTF-8",
        )


@pytest.mark.parametrize(
    ("line", "text", "kind"),
    [
        ("-e .", "my-pkg @ file://${PROJECT_ROOT}/a%20b", "editable"),
        ("--editable=.[x,y]", "my-pkg[x,y] @ file://${PROJECT_ROOT}/a%20b", "editable"),
        (". ; python_version > '3'", "my-pkg @ file://${PROJECT_ROOT}/a%20b ; python_version > '3'", "wheel"),
        ("./", "my-pkg @ file://${PROJECT_ROOT}/a%20b", "wheel"),
        ("my_pkg[x] @ .", "my_pkg[x] @ file://${PROJECT_ROOT}/a%20b", "wheel"),
        ("../a b", "my-pkg @ file://${PROJECT_ROOT}/a%20b", "wheel"),
    ],
)
def test_a_folder_with_a_project_is_named_relative_to_the_profile(
    tmp_path: Path, line: str, text: str, kind: str
) -> None:
    project = tmp_path / "a b"
    project.mkdir()
    (project / "setup.py").write_text('setup(name="my-pkg")')
    (project / "list.txt").write_text(f"{line}\n")
    found = read([project / "list.txt"], tmp_path, ProjectParts())
    assert found.problems == ()
    assert [want.text for want in found.requirements] == [text]
    assert [(folder.name, folder.kind, Path(folder.path)) for folder in found.folders] == [("my-pkg", kind, project)]


@pytest.mark.parametrize(
    ("line", "bound"),
    [("python==3.7.10", "==3.7.*"), ("python>=3.8,<3.12", ">=3.8,<3.12"), ("Python == 3.9", "==3.9.*"), ("python", "")],
)
def test_python_in_a_list_is_a_range_of_python_versions(tmp_path: Path, line: str, bound: str) -> None:
    found = wants_of(files(tmp_path, main=f"{line}\nnumpy==1.19.5\n"))
    assert [want.text for want in found.requirements] == ["numpy==1.19.5"]
    assert [SpecifierSet(want.text) for want in found.python] == ([SpecifierSet(bound)] if bound else [])
    assert found.notes == (f"main.txt:1: `{line}` is read as a range of Python versions: no index has it as a package",)
    assert found.problems == ()


@pytest.mark.parametrize("bounds", ["==0.0", "==0.0.post1", "==0.0.post12", "<0.1,>=0.0", ">=0.0", "~=0.0", "==0.0.*"])
def test_the_empty_package_that_lists_of_old_environments_have_is_what_it_asked_for(
    tmp_path: Path, bounds: str
) -> None:
    found = wants_of(files(tmp_path, main=f"sklearn{bounds}\nnumpy==1.19.5\n"))
    assert [want.text for want in found.requirements] == ["scikit-learn", "numpy==1.19.5"]
    assert found.notes == (
        f"main.txt:1: `sklearn{bounds}` is read as `scikit-learn`: it was an empty package that asked for that one",
    )


@pytest.mark.parametrize("bounds", ["", "==1.2", "<2", "<1,>=0.24", "!=0.0", ">=0.01"])
def test_a_version_that_the_empty_package_never_had_is_of_the_package_that_is_meant(
    tmp_path: Path, bounds: str
) -> None:
    assert wants_of(files(tmp_path, main=f"sklearn{bounds}\n")).requirements == ()


STORAGE = "https://storage.googleapis.com/tensorflow"


@pytest.mark.parametrize("before", ["", "tensorflow @ ", "tensorflow-gpu@"])
@pytest.mark.parametrize("marker", ["", ' ; python_version == "3.5"'])
@pytest.mark.parametrize(
    ("stored", "release"),
    [
        ("linux/cpu/tensorflow-1.13.1-cp35-cp35m-linux_x86_64.whl", "tensorflow==1.13.1"),
        ("linux/gpu/tensorflow_gpu-1.3.0-cp35-cp35m-linux_x86_64.whl", "tensorflow-gpu==1.3.0"),
        ("mac/cpu/tensorflow-0.12.0rc1-py3-none-any.whl", "tensorflow==0.12.0rc1"),
        ("linux/cpu/tensorflow_cpu-2.6.0-cp38-cp38-manylinux2010_x86_64.whl", "tensorflow-cpu==2.6.0"),
        (
            "versions/2.20.0/tensorflow_cpu-2.20.0-cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "tensorflow-cpu==2.20.0",
        ),
    ],
)
def test_a_release_in_the_storage_of_tensorflow_is_taken_from_the_index(
    tmp_path: Path, before: str, marker: str, stored: str, release: str
) -> None:
    found = wants_of(files(tmp_path, main=f"{before}{STORAGE}/{stored}{marker}\n"))
    assert [want.text for want in found.requirements] == [release + marker]
    words = f"`{STORAGE}/{stored}` is read as `{release}`: the index has the wheels of that release, too"
    assert (found.notes, found.problems) == ((f"main.txt:1: {words}",), ())


@pytest.mark.parametrize(
    "address",
    [
        "https://host.example/tensorflow/tensorflow-1.13.1-cp35-cp35m-linux_x86_64.whl",
        "https://storage.googleapis.com.example/tensorflow/tensorflow-1.13.1-cp35-cp35m-linux_x86_64.whl",
        "https://storage.googleapis.com/other/tensorflow/tensorflow-1.13.1-cp35-cp35m-linux_x86_64.whl",
        f"{STORAGE}/nightly/tf_nightly-2.5.0.dev20210101-cp38-cp38-linux_x86_64.whl",
        f"{STORAGE}/raspberrypi/tensorflow-1.13.1+local-cp35-none-linux_armv7l.whl",
        f"{STORAGE}/other-1.0-py3-none-any.whl",
    ],
)
def test_a_wheel_that_the_index_may_not_have_stays_an_address(tmp_path: Path, address: str) -> None:
    found = wants_of(files(tmp_path, main=f"{address}\n"))
    assert [want.text.partition(" @ ")[2] for want in found.requirements] == [address]


def test_a_marker_behind_an_option_has_no_effect(tmp_path: Path) -> None:
    line = '--extra-index-url https://h.example/simple ; sys_platform == "windows"'
    found = wants_of(files(tmp_path, main=f"{line}\ntorch\n"))
    assert [each.url for each in found.addresses] == ["https://h.example/simple"]
    words = "`; sys_platform == windows` behind an option has no effect, as in pip"
    assert (found.notes, found.problems) == ((f"main.txt:1: {words}",), ())


@pytest.mark.parametrize(("name", "meant"), [("dotenv", "python-dotenv"), ("zmq", "pyzmq")])
def test_an_empty_package_is_the_one_that_it_asks_for(tmp_path: Path, name: str, meant: str) -> None:
    found = wants_of(files(tmp_path, main=f"{name}\n{name}==0.0.0\n"))
    assert [want.text for want in found.requirements] == [meant, f"{name}==0.0.0"]
    words = "it is an empty package that asks for that one"
    assert (found.notes, found.problems) == ((f"main.txt:1: `{name}` is read as `{meant}`: {words}",), ())


@pytest.mark.parametrize("asked", ["tensorflow==2.8.2+zzzcolab20220719", "jaxlib==0.3.14+zzzcolab1; os_name=='nt'"])
def test_a_build_that_only_colab_has_is_the_release(tmp_path: Path, asked: str) -> None:
    found = wants_of(files(tmp_path, main=f"{asked}\nnumpy==1.21.6\n"))
    line, _, marker = asked.partition(";")
    release = line.partition("+")[0]
    assert [Requirement(want.text) for want in found.requirements] == [
        Requirement(f"{release};{marker}" if marker else release),
        Requirement("numpy==1.21.6"),
    ]
    assert found.notes == (f"main.txt:1: `{asked}` is read as `{release}`: only Colab has that build of it",)
    # Other builds are had from an index of their own.
    assert [want.text for want in wants_of(files(tmp_path, main="torch==2.1.0+cu121")).requirements] == [
        "torch==2.1.0+cu121"
    ]


@pytest.mark.parametrize("part", [" ", "a[", "[", "--a ", "-r ", "'", "a@", "a;", "# ", "${a"])
def test_a_line_of_any_length_takes_a_time_in_proportion(tmp_path: Path, part: str) -> None:
    # A time that grew with the square of the length would be many seconds.
    found = wants_of(files(tmp_path, requirements="x\n" + part * (300_000 // len(part)) + "x\n"))
    assert "x" in [want.text for want in found.requirements] or "300,00" in found.problems[0]


SHADOW = "root:$y$j9T$Hidden1Hidden:19000:0:99999:7:::\n[section]\nSecretWord=Hidden2\nHidden3Word extra\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("main.txt", f"{option} {{}}\n") for option in ("-r", "-c")),
        ("setup.cfg", "[options]\ninstall_requires = file: {}\n"),
        ("pyproject.toml", '[project]\nname = "x"\ndynamic = ["dependencies"]\n[tool.setuptools.dynamic]\n'
            'dependencies = {{file = ["{}"]}}\n'),
        ("environment.yml", "dependencies:\n- pip:\n  - -r {}\n"),
    ],
)  # fmt: skip
def test_nothing_of_a_file_outside_of_the_project_is_shown(tmp_path: Path, name: str, text: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "shadow").write_text(SHADOW)
    (project / "beside.txt").symlink_to(tmp_path / "shadow")
    for place in (str(tmp_path / "shadow"), "../shadow", "beside.txt"):
        (project / name).write_text(text.format(place))
        found = wants_of(project / name)
        assert found.problems
        assert not [told for told in (*found.problems, *found.notes) if "Hidden" in told or "root:" in told]


def test_the_line_of_such_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "shadow").write_text("numpy\nHidden1 Word\n")
    main = files(tmp_path / "project", main="-r ../shadow\n")
    shadow = tmp_path.resolve() / "shadow"
    words = (
        f"{shadow}:2: it cannot be used, and is not shown, because it is outside of the project: "
        f"`tfprov plan {quoted(str(shadow))}` shows it"
    )
    assert wants_of(main).problems == (words,)
    assert requirements(main) == ["numpy"]


def test_a_line_of_a_file_elsewhere_in_the_repository_is_shown(tmp_path: Path) -> None:
    for folder in ("app", "common", ".secret", ".git"):
        (tmp_path / folder).mkdir()
    for folder in ("common", ".secret"):
        (tmp_path / folder / "list.txt").write_text("a Word\n")
    main = files(tmp_path / "app", main="-r ../common/list.txt\n-r ../.secret/list.txt\n")
    first, second = wants_of(main).problems
    assert first.startswith("../common/list.txt:1: `a Word`")
    assert "Word" not in second


@pytest.mark.parametrize("line", ["~~ rubbish", "--nothing x", "x==1 --hash=sha256:0", "-r nowhere"])
def test_a_file_of_rubbish_has_a_hundred_mistakes(tmp_path: Path, line: str) -> None:
    problems = wants_of(files(tmp_path, main=f"{line}\n" * 2_000)).problems
    assert len(problems) == 101
    assert problems[99].startswith("main.txt:100: ")
    assert problems[100] == "main.txt: there may be more mistakes: after 100, no more are listed"


def test_a_file_has_no_more_lines_than_any_list(tmp_path: Path) -> None:
    assert wants_of(files(tmp_path, main="\f" * 250_001)).problems == ("main.txt: it has more than 250,000 lines",)
    problems = wants_of(files(tmp_path, main="a b\n" * 50_001)).problems
    assert problems == ("main.txt:50001: no more than 50,000 lines are read",)
