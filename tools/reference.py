"""Write the reference pages that come from the code: the profile's keys, and the failure codes.

python tools/reference.py          write docs/profile.md and docs/codes.md
python tools/reference.py --check  exit with status 1 when they are out of date
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tfprov.diagnose.about import about
from tfprov.errors import CODES, Group
from tfprov.profile.schema import json_schema
from tfprov.report.diagnosis import rungs, shown_as, worked_example

DOCS = Path(__file__).resolve().parents[1] / "docs"


def profile_page() -> str:
    """The keys of a profile, table by table."""
    schema: dict[str, Any] = json_schema()
    lines = [
        "# The profile",
        "",
        "A profile is a TOML file that describes an environment. This page lists every key. It is generated from the",
        "JSON Schema that `tfprov schema` prints, which editors can use as well.",
        "",
        "Only `name` is required. Relative paths are relative to the profile. To override a key for one run, use",
        "`--set`: `--set 'tensorflow.version===2.19.*'` sets `==2.19.*`.",
        "",
        "| key | type | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for name, field in schema["properties"].items():
        if "$ref" not in field:
            lines.append(_row(name, field, required=name in schema.get("required", ())))
    for name, field in schema["properties"].items():
        if "$ref" in field:
            table = schema["$defs"][field["$ref"].rsplit("/", 1)[-1]]
            lines += ["", f"## `[{name}]`", "", table["description"], ""]
            lines += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
            lines += [_row(key, inner, required=False) for key, inner in table["properties"].items()]
    return "\n".join(lines) + "\n"


def codes_page() -> str:
    """The failure codes by group: a table of each group, then what is known about each code."""
    lines = [
        "# Failure codes and exit statuses",
        "",
        "Every failure has a code. It is on the screen, in the journal and in the JSON document; its group decides",
        "the exit status. 0 means verified. `tfprov explain --code CODE` prints what this page says of one code;",
        "`tfprov explain LOG` finds the code in any log ([diagnose.md](diagnose.md)). This page is made from the code.",
    ]
    for group in Group:
        codes = [code for code in CODES.values() if code.group is group]
        lines += ["", f"## {group.label}: exit status {group.value}", "", "| code | meaning | next step |"]
        lines += ["| --- | --- | --- |"]
        lines += [
            f"| [`{code.name}`](#{code.name}) | {code.meaning} | {code.remedy} |".replace("\n", " ") for code in codes
        ]
        for code in codes:
            lines += _code_section(code.name)
    return "\n".join(lines) + "\n"


def _code_section(code: str) -> list[str]:
    known = about(code)
    lines = ["", f"### {code}", "", f"- shows itself: {'; '.join(shown_as(code))}"]
    lines += [f"- tfprov by itself: {'; '.join((known.alone, *rungs(code)))}", f"- you: {known.you}"]
    lines += [f"- ask the administrator for: {known.ask}"] if known.ask else []
    lines += ["", *(f"      {command}" for command in known.commands)] if known.commands else []
    example = worked_example(code)
    return [*lines, "", "Example:", "", *(f"    {row}" for row in example)] if example else lines


def _row(key: str, field: dict[str, Any], *, required: bool) -> str:
    description = " ".join(str(field.get("description", "")).split()).replace("|", "\\|")
    default = "required" if required else _default(field.get("default"))
    return f"| `{key}` | {_type(field)} | {default} | {description} |"


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " \\| ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"] if one.get("type") != "null")
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if field.get("type") == "object":
        return "table of " + _type(field["additionalProperties"])
    words = {
        "string": "text",
        "integer": "whole number",
        "number": "seconds, or text such as `2h`",
        "boolean": "boolean",
    }
    return words.get(str(field.get("type")), "text")


def _default(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "`{}`"
    if isinstance(value, (list, tuple)):
        return "`[" + ", ".join(f'"{one}"' for one in value) + "]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value:g}`"


PAGES = {"profile.md": profile_page, "codes.md": codes_page}


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them with what is there."""
    stale = [name for name, page in PAGES.items() if not _is_current(DOCS / name, page())]
    if "--check" in arguments:
        for name in stale:
            print(f"docs/{name} is out of date: run `python tools/reference.py`", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"wrote docs/{name}")
    return 0


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
