"""Writes a modulefile for Environment Modules (Tcl) and Lmod (Tcl or Lua) that loads an environment in place."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LISTS = frozenset({"LD_LIBRARY_PATH"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """The content of a modulefile.

    Attributes:
        what: one line of description.
        path: folders for PATH.
        values: the other variables, with values that do not depend on the user's variables.
        templates: those of them that refer to variables of the user (`${NAME}`), as written in the profile.
    """

    what: str
    path: tuple[str, ...]
    values: Mapping[str, str]
    templates: Mapping[str, str]


def tcl(module: Module) -> str:
    """The modulefile in Tcl."""
    lines = [
        "#%Module1.0",
        f"module-whatis {_tcl(module.what)}",
        f"proc ModulesHelp {{}} {{ puts stderr {_tcl(module.what)} }}",
    ]
    lines += [f"prepend-path PATH {_tcl(each)}" for each in reversed(module.path)]
    for name, value in module.values.items():
        if name in _LISTS:
            lines += [f"prepend-path {name} {_tcl(each)}" for each in reversed(value.split(":"))]
        else:
            lines.append(
                f"setenv {name} {_tcl(module.templates.get(name, value), references=name in module.templates)}"
            )
    return "\n".join(lines) + "\n"


def lua(module: Module) -> str:
    """The modulefile in Lua, which only Lmod reads."""
    lines = [f"whatis({_lua(module.what)})", f"help({_lua(module.what)})"]
    lines += [f'prepend_path("PATH", {_lua(each)})' for each in reversed(module.path)]
    for name, value in module.values.items():
        if name in _LISTS:
            lines += [f'prepend_path("{name}", {_lua(each)})' for each in reversed(value.split(":"))]
        elif name in module.templates:
            parts = REFERENCE.split(module.templates[name])
            words = [f'os.getenv("{part}")' if index % 2 else _lua(part) for index, part in enumerate(parts)]
            lines.append(f'setenv("{name}", {" .. ".join(words)})')
        else:
            lines.append(f'setenv("{name}", {_lua(value)})')
    return "\n".join(lines) + "\n"


def _tcl(text: str, *, references: bool = False) -> str:
    """A Tcl word in double quotes, in ASCII only: Lmod decodes Tcl with another encoding than it encodes."""
    parts = REFERENCE.split(text) if references else [text]
    words = [f"$::env({part})" if index % 2 else _tcl_escaped(part) for index, part in enumerate(parts)]
    return '"' + "".join(words) + '"'


def _tcl_escaped(text: str) -> str:
    escaped = re.sub(r'([\\"$\[\]{}])', r"\\\1", text)
    return re.sub(r"[^ -~]", lambda found: _tcl_code(ord(found[0])), escaped)


def _tcl_code(number: int) -> str:
    # After `\u`, Tcl reads four digits at the most.
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _lua(text: str) -> str:
    # Lua has the same escapes as JSON, except for the slash and for code points.
    written = json.dumps(text, ensure_ascii=False)
    return re.sub(r"\\\\|\\u([0-9a-f]{4})", lambda found: f"\\u{{{found[1]}}}" if found[1] else found[0], written)
