"""Environment variables and activation, in the syntax of shells and of per-folder tools (direnv, mise, dotenv)."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Mapping

from tfprov.errors import TfprovError
from tfprov.pipeline.variables import Activation, Changes
from tfprov.words import powershell_quoted, quoted

_REFERENCE = re.compile(r"(\$\{[A-Za-z_][A-Za-z0-9_]*\})")


def spelled(changes: Changes, form: str, environ: Mapping[str, str]) -> str:
    """Variable changes in one of the `FORMS`.

    The forms that are kept in a file (direnv, mise, dotenv) refer to the user's own variables where the profile does,
    instead of containing their values.

    Raises:
        TfprovError: `usage` when a value has a line break and the form cannot represent it.
    """
    return "\n".join(FORMS[form](changes, environ))


def activated(activation: Activation, shell: str, environ: Mapping[str, str]) -> str:
    """The lines that a shell evaluates to activate an environment.

    Args:
        activation: of the environment.
        shell: as for `how_to_evaluate`.
        environ: variables of that shell.

    Raises:
        TfprovError: as for `spelled`.
    """
    if shell == "cmd":
        # Each line is the output of `for /f`, where a percent sign is literal, and a variable is not replaced.
        lines = _cmd_lines(activation.changes, before=environ.get("PATH", ""), value_of=str)
    else:
        lines = FORMS[_FORM_OF.get(shell, shell)](activation.changes, {})
    if activation.script is not None:
        lines.insert(0, _SOURCE[shell](str(activation.script)))
    return "\n".join(lines)


def how_to_evaluate(shell: str, profile: str) -> str:
    """The command by which a shell evaluates the output of `tfprov activate`."""
    word = quoted(profile, windows=shell in ("powershell", "cmd"))
    if shell == "powershell" and word != profile:
        word = powershell_quoted(profile)  # between double quotes it replaces `$NAME`
    command = f"tfprov activate --shell {shell}" + (f" {word}" if profile else "")
    return {
        "fish": f"{command} | source",
        "tcsh": f'eval "`{command}`"',
        "powershell": f"{command} | Out-String | Invoke-Expression",
        "cmd": f"for /f \"delims=\" %i in ('{command}') do @%i",
    }.get(shell, f'eval "$({command})"')


def encoding_on_windows(words: str, form: str, *, code_page: int) -> str | None:
    """The encoding in which a shell of Windows reads what a program prints; None when nothing says which one that is.

    Python itself writes to a pipe in another one, the code page of programs without a console.

    Args:
        words: what is printed, in one of the `FORMS` or for one of the shells.
        form: its name. cmd and PowerShell read the code page of the console, all others UTF-8.
        code_page: number of that code page; 0 without a console.

    Raises:
        TfprovError: `usage` when the code page lacks a letter, or Python lacks the code page.
    """
    if form not in ("cmd", "powershell"):
        return "utf-8"
    if code_page == 0:
        return None
    try:
        words.encode(f"cp{code_page}")
    except (LookupError, UnicodeEncodeError) as error:
        unicode = {"cmd": "chcp 65001", "powershell": "[Console]::OutputEncoding = [Text.Encoding]::UTF8"}[form]
        raise TfprovError(
            "usage",
            f"code page {code_page} of this console cannot spell the environment's variables",
            evidence=(str(error),),
            hint=f"run `{unicode}` first, or start a shell with `tfprov shell`",
        ) from error
    return f"cp{code_page}"


def _sh(changes: Changes, _environ: Mapping[str, str]) -> list[str]:
    lines = [f"unset {name}" for name in changes.unset]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in changes.values.items()]
    if changes.path:
        front = shlex.quote(":".join(changes.path))
        lines.append(f'case "$PATH:" in {front}:*) ;; *) export PATH={front}"${{PATH:+:$PATH}}" ;; esac')
    return lines


def _fish(changes: Changes, _environ: Mapping[str, str]) -> list[str]:
    lines = [f"set -e {name};" for name in changes.unset]
    lines += [f"set -gx {name} {_fish_quoted(value)};" for name, value in changes.values.items()]
    for each in reversed(changes.path):
        quoted = _fish_quoted(each)
        lines.append(f'test "$PATH[1]" = {quoted}; or set -gx PATH {quoted} $PATH;')
    return lines


def _fish_quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _csh(changes: Changes, _environ: Mapping[str, str]) -> list[str]:
    _check_lines(changes, "csh")
    lines = [f"unsetenv {name};" for name in changes.unset]
    lines += [f"setenv {name} {_csh_quoted(value)};" for name, value in changes.values.items()]
    if changes.path:
        lines.append(f'setenv PATH {_csh_quoted(":".join(changes.path))}":$PATH";')
    return lines


def _csh_quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''").replace("!", "\\!") + "'"


def _powershell(changes: Changes, _environ: Mapping[str, str]) -> list[str]:
    lines = [f"Remove-Item -LiteralPath 'Env:{name}' -ErrorAction SilentlyContinue" for name in changes.unset]
    lines += [f"${{env:{name}}} = {powershell_quoted(value)}" for name, value in changes.values.items()]
    if changes.path:
        front = powershell_quoted(os.pathsep.join(changes.path) + os.pathsep)
        lines.append(f"if (-not $env:PATH.StartsWith({front})) {{ $env:PATH = {front} + $env:PATH }}")
    return lines


def _cmd(changes: Changes, _environ: Mapping[str, str]) -> list[str]:
    """Lines of a batch file."""
    return _cmd_lines(changes, before="%PATH%", value_of=_batch_value)


def _batch_value(value: str) -> str:
    """A value in `set "NAME=…"`: its own quotes end and begin the quoting, and between them cmd has a syntax."""
    parts = value.replace("%", "%%").split('"')
    return '"'.join(re.sub(r"([&|<>^])", r"^\1", part) if at % 2 else part for at, part in enumerate(parts))


def _cmd_lines(changes: Changes, *, before: str, value_of: Callable[[str], str]) -> list[str]:
    _check_lines(changes, "cmd")
    lines = [f'set "{name}="' for name in changes.unset]
    lines += [f'set "{name}={value_of(value)}"' for name, value in changes.values.items()]
    if changes.path:
        lines.append(f'set "PATH={value_of(os.pathsep.join(changes.path))}{os.pathsep}{before}"')
    return lines


def _nu(changes: Changes, environ: Mapping[str, str]) -> list[str]:
    """A record for `from nuon | load-env`, which cannot unset a variable: it is set to an empty value instead."""
    before = [each for each in environ.get("PATH", os.defpath).split(os.pathsep) if each not in changes.path]
    record: dict[str, object] = dict.fromkeys(changes.unset, "")
    record |= changes.values
    record["PATH"] = [*changes.path, *before]
    return [json.dumps(record, ensure_ascii=False)]


def _direnv(changes: Changes, _environ: Mapping[str, str]) -> list[str]:
    lines = [f"unset {name}" for name in changes.unset]
    for name, value in changes.values.items():
        template = changes.templates.get(name)
        lines.append(f"export {name}={shlex.quote(value) if template is None else _sh_template(template)}")
    return lines + [f"PATH_add {shlex.quote(each)}" for each in reversed(changes.path)]


def _sh_template(template: str) -> str:
    """A word for sh: literal parts are quoted, references are left for the shell to expand."""
    parts = [part for part in _REFERENCE.split(template) if part]
    return "".join(f'"{part}"' if _REFERENCE.fullmatch(part) else shlex.quote(part) for part in parts) or "''"


def _mise(changes: Changes, _environ: Mapping[str, str]) -> list[str]:
    import tomlkit

    table = tomlkit.table()
    for name in changes.unset:
        table[name] = False
    for name, value in changes.values.items():
        template = changes.templates.get(name)
        # mise reads values as Tera templates.
        parts = _REFERENCE.split(template) if template is not None else [value]
        table[name] = "".join(
            "{{ env." + part[2:-1] + " }}" if at % 2 else _tera(part) for at, part in enumerate(parts)
        )
    if changes.path:
        table.append(tomlkit.key(["_", "path"]), tomlkit.item([_tera(each) for each in changes.path]))
    document = tomlkit.document()
    document["env"] = table
    return tomlkit.dumps(document).rstrip("\n").split("\n")


def _tera(part: str) -> str:
    return part.replace("{", "{{ '{' }}")


def _dotenv(changes: Changes, _environ: Mapping[str, str]) -> list[str]:
    _check_lines(changes, "dotenv")
    lines = [f"{name}=" for name in changes.unset]
    for name, value in changes.values.items():
        template = changes.templates.get(name)
        lines.append(f"{name}={_dotenv_quoted(value) if template is None else _dotenv_template(template)}")
    if changes.path:
        lines.append(f"PATH={_doubly_quoted(os.pathsep.join(changes.path) + os.pathsep, end='${PATH}')}")
    return lines


def _dotenv_quoted(value: str) -> str:
    return f"'{value}'" if "'" not in value else _doubly_quoted(value)


def _dotenv_template(template: str) -> str:
    return _doubly_quoted(template, keep=True) if _REFERENCE.search(template) else _dotenv_quoted(template)


def _doubly_quoted(value: str, *, end: str = "", keep: bool = False) -> str:
    escaped = re.sub(r'([\\"`])' if keep else r'([\\"`$])', r"\\\1", value)
    return f'"{escaped}{end}"'


def _check_lines(changes: Changes, form: str) -> None:
    broken = sorted(name for name, value in changes.values.items() if "\n" in value or "\r" in value)
    if broken:
        names = ", ".join(f"`{name}`" for name in broken)
        raise TfprovError(
            "usage",
            f"{form} cannot set a variable to more than one line: {names}",
            hint="use another form, or start programs with `tfprov run`, which sets them",
        )


FORMS: Mapping[str, Callable[[Changes, Mapping[str, str]], list[str]]] = {
    "sh": _sh,
    "fish": _fish,
    "csh": _csh,
    "powershell": _powershell,
    "cmd": _cmd,
    "nu": _nu,
    "direnv": _direnv,
    "mise": _mise,
    "dotenv": _dotenv,
}
"""A function for each form that gives the lines for some changes."""

_FORM_OF = {"bash": "sh", "zsh": "sh", "tcsh": "csh"}
_SOURCE: Mapping[str, Callable[[str], str]] = {
    "sh": lambda script: f". {shlex.quote(script)}",
    "bash": lambda script: f". {shlex.quote(script)}",
    "zsh": lambda script: f". {shlex.quote(script)}",
    "fish": lambda script: f"source {_fish_quoted(script)};",
    "tcsh": lambda script: f"source {_csh_quoted(script)};",
    "powershell": lambda script: f"& {powershell_quoted(script)}",
    "cmd": lambda script: f'call "{script}"',
}
