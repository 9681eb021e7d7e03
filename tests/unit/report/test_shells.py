"""Words of shells that are not at hand where the tests run; `integration/test_activation` evaluates the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprov.errors import TfprovError
from tfprov.pipeline.variables import Activation, Changes
from tfprov.report.shells import FORMS, activated, encoding_on_windows, how_to_evaluate, spelled
from tfprov.structured import toml_of

CHANGES = Changes(
    path=("/env/bin",),
    values={"VIRTUAL_ENV": "/env", "ODD": "it\u2019s 'x' 100%", "OWN": "Ada"},
    templates={"OWN": "${WHO}"},
    unset=("PYTHONHOME",),
)


def test_powershell_gets_literal_words() -> None:
    end = os.pathsep
    assert spelled(CHANGES, "powershell", {}).splitlines() == [
        "Remove-Item -LiteralPath 'Env:PYTHONHOME' -ErrorAction SilentlyContinue",
        "${env:VIRTUAL_ENV} = '/env'",
        "${env:ODD} = 'it\u2019\u2019s ''x'' 100%'",
        "${env:OWN} = 'Ada'",
        f"if (-not $env:PATH.StartsWith('/env/bin{end}')) {{ $env:PATH = '/env/bin{end}' + $env:PATH }}",
    ]


def test_cmd_gets_a_batch_file() -> None:
    assert spelled(CHANGES, "cmd", {}).splitlines() == [
        'set "PYTHONHOME="',
        'set "VIRTUAL_ENV=/env"',
        "set \"ODD=it\u2019s 'x' 100%%\"",
        'set "OWN=Ada"',
        f'set "PATH=/env/bin{os.pathsep}%PATH%"',
    ]


@pytest.mark.parametrize(
    ("shell", "line", "command"),
    [
        ("powershell", "& 'it''s a'", "tfprov activate --shell powershell p.toml | Out-String | Invoke-Expression"),
        ("cmd", 'call "it\'s a"', "for /f \"delims=\" %i in ('tfprov activate --shell cmd p.toml') do @%i"),
        ("fish", "source 'it\\'s a';", "tfprov activate --shell fish p.toml | source"),
        ("tcsh", "source 'it'\\''s a';", 'eval "`tfprov activate --shell tcsh p.toml`"'),
        ("zsh", ". 'it'\"'\"'s a'", 'eval "$(tfprov activate --shell zsh p.toml)"'),
    ],
)
def test_a_script_is_started_by_the_word_of_the_shell(shell: str, line: str, command: str) -> None:
    nothing = Changes(path=(), values={}, templates={}, unset=())
    assert activated(Activation(script=Path("it's a"), changes=nothing), shell, {}) == line
    assert how_to_evaluate(shell, "p.toml") == command


def test_a_percent_sign_is_doubled_in_batch_files_alone() -> None:
    changes = Changes(path=("/env%1/bin",), values={"ODD": "100%"}, templates={}, unset=())
    found = activated(Activation(script=None, changes=changes), "cmd", {"PATH": "/usr/bin /50%/bin"})
    assert found.splitlines() == ['set "ODD=100%"', f'set "PATH=/env%1/bin{os.pathsep}/usr/bin /50%/bin"']


@pytest.mark.parametrize(
    ("shell", "word"),
    [("powershell", "'my p.toml'"), ("cmd", '"my p.toml"'), ("zsh", "'my p.toml'"), ("fish", "'my p.toml'")],
)
def test_a_profile_with_a_space_is_one_word_of_the_command_to_evaluate(shell: str, word: str) -> None:
    assert f"tfprov activate --shell {shell} {word}" in how_to_evaluate(shell, "my p.toml")


def test_powershell_does_not_replace_what_looks_like_a_variable_of_its_own() -> None:
    assert "--shell powershell 'my $HOME it''s.toml' |" in how_to_evaluate("powershell", "my $HOME it's.toml")


def test_a_value_of_several_lines_is_refused_where_it_cannot_be_said() -> None:
    changes = Changes(path=(), values={"TEXT": "a\nb"}, templates={}, unset=())
    refused = set()
    for form in FORMS:
        try:
            spelled(changes, form, {})
        except TfprovError as error:
            refused.add(form)
            assert str(error.what) == f"{form} cannot set a variable to more than one line: `TEXT`"
    assert refused == {"csh", "cmd", "dotenv"}


@pytest.mark.parametrize(
    ("form", "code_page", "encoding"),
    [
        ("cmd", 850, "cp850"),
        ("powershell", 850, "cp850"),
        ("powershell", 65001, "cp65001"),
        ("cmd", 0, None),
        ("bash", 850, "utf-8"),
        ("bash", 0, "utf-8"),
        ("nu", 850, "utf-8"),
        ("dotenv", 932, "utf-8"),
    ],
)
def test_shells_of_windows_get_the_encoding_that_they_read(form: str, code_page: int, encoding: str | None) -> None:
    assert encoding_on_windows("C:\\Jörg", form, code_page=code_page) == encoding


@pytest.mark.parametrize(("form", "code_page"), [("cmd", 850), ("powershell", 1252), ("cmd", 708)])
def test_a_path_that_the_console_cannot_spell_is_refused_and_not_misspelled(form: str, code_page: int) -> None:
    with pytest.raises(TfprovError) as caught:
        encoding_on_windows("C:\\日本語", form, code_page=code_page)
    assert caught.value.what == f"code page {code_page} of this console cannot spell the environment's variables"
    assert caught.value.hint is not None
    assert ("chcp 65001" in caught.value.hint) is (form == "cmd")


def test_only_forms_that_are_executed_at_once_have_values_of_the_user() -> None:
    kept = {form for form in FORMS if "Ada" not in spelled(CHANGES, form, {"WHO": "Ada"})}
    assert kept == {"direnv", "mise", "dotenv"}


def test_what_stands_between_quotes_of_a_value_is_no_command_in_a_batch_file() -> None:
    odd = 'a & "b & c" | d'
    changes = Changes(path=(), values={"ODD": odd}, templates={}, unset=())
    assert spelled(changes, "cmd", {}) == 'set "ODD=a & "b ^& c" | d"'
    # What `for /f` reads is not parsed again.
    assert activated(Activation(script=None, changes=changes), "cmd", {}) == f'set "ODD={odd}"'


@given(st.text("{}%#'\" raw end ex", max_size=20) | st.just("{% endraw %}{{ exec(command='id') }}{% raw %}"))
def test_no_value_is_a_template_to_mise(value: str) -> None:
    """mise would run the commands of one."""
    changes = Changes(path=(), values={"ODD": value, "OWN": "Ada"}, templates={"OWN": value + "${WHO}"}, unset=())
    document = toml_of(spelled(changes, "mise", {}))["env"]
    brace = "{{ '{' }}"
    for written, end in ((document["ODD"], ""), (document["OWN"], "{{ env.WHO }}")):
        plain = written.removesuffix(end)
        assert plain.replace(brace, "{") == value
        assert "{" not in plain.replace(brace, "")
