"""A modulefile for Environment Modules (Tcl) and Lmod (Tcl or Lua) that leads to an environment where it lies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LISTS = frozenset({"LD_LIBRARY_PATH"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """What a modulefile says.

    Attributes:
        what: in a line.
        path: folders for PATH.
        values: the other variables, as they are without any of the user.
        templates: those among them that name variables of the user (`${NAME}`), as the profile has them.
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
    """The modulefile in Lua, for Lmod alone."""
    lines = [f"whatis({_lua(module.what)})", f"help({_lua(module.what)})"]
    lines += [f'prepend_path("PATH", {_lua(each)})' for each in reversed(module.path)]
    for name, value in module.values.items():
        if name in _LISTS:
            lines += [f'prepend_path("{name}", {_lua(each)})' for each in reversed(value.split(":"))]
        elif name in module.templates:
            parts = _REFERENCE.split(module.templates[name])
            words = [f'os.getenv("{part}")' if index % 2 else _lua(part) for index, part in enumerate(parts)]
            lines.append(f'setenv("{name}", {" .. ".join(words)})')
        else:
            lines.append(f'setenv("{name}", {_lua(value)})')
    return "\n".join(lines) + "\n"


def _tcl(text: str, *, references: bool = False) -> str:
    """A word of Tcl in double quotes, of ASCII alone: Lmod reads Tcl in another encoding than it writes."""
    parts = _REFERENCE.split(text) if references else [text]
    words = [f"$::env({part})" if index % 2 else _tcl_escaped(part) for index, part in enumerate(parts)]
    return '"' + "".join(words) + '"'


def _tcl_escaped(text: str) -> str:
    escaped = re.sub(r'([\\"$\[\]{}])', r"\\\1", text)
    return re.sub(r"[^ -~]", lambda found: f"\\u{ord(found[0]):04x}", escaped)


def _lua(text: str) -> str:
    # What JSON escapes, Lua escapes in the same way, but for a slash and for numbers of letters.
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: f"\\u{{{found[1]}}}", json.dumps(text, ensure_ascii=False))
