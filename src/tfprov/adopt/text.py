"""Writes the profile that asks for what an environment was meant to be."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from tfprov.adopt.records import Asked
from tfprov.structured import json_of

_MARK = "# Written by `tfprov adopt` from "
_MARKED = re.compile(rf"^{re.escape(_MARK)}(?P<place>\".+\")\.$", re.MULTILINE)


def profile_text(wanted: Asked, *, name: str, place: str) -> str:
    """The profile as TOML.

    Args:
        wanted: what it asks for.
        name: name of the environment.
        place: folder of the environment that it was derived from, absolute.
    """
    why = dict(wanted.reasons)
    lines = [
        f"{_MARK}{_text(place)}.",
        "# `tfprov plan` shows what would be done. You may loosen pins: versions are kept as long as they fit.",
        "",
        f"name = {_text(name)}",
    ]
    if wanted.python:
        lines += ["", "[python]", f"version = {_text(wanted.python)}"]
    if wanted.kind != "venv":
        lines += ["", "[environment]", f'kind = "{wanted.kind}"']
    lines += ["", "[tensorflow]"]
    lines += [f"version = {_text(wanted.tensorflow)}"] if wanted.tensorflow else []
    lines += [f'accelerator = "{wanted.accelerator}"']
    if wanted.packages or wanted.project != "no":
        lines += ["", "[packages]"]
    if wanted.project != "no":
        lines.append(f'project = "{wanted.project}"')
    if wanted.packages:
        lines.append("requirements = [")
        for one in wanted.packages:
            reason = f"  # {one.version} was found; {why[one.name]}" if one.name in why and one.version else ""
            lines.append(f"    {_text(str(one))},{_one_line(reason)}".rstrip())
        lines.append("]")
    if wanted.index:
        lines += ["", "[index]", f"url = {_text(wanted.index)}"]
    if wanted.kind == "conda":
        lines += ["", "[conda]", f"channels = {_list(wanted.channels)}"] if wanted.channels else ["", "[conda]"]
        lines += [f"packages = {_list(wanted.conda)}"] if wanted.conda else []
        lines += [f'tensorflow = "{"conda" if wanted.conda_tensorflow else "wheel"}"']
    return "\n".join(lines) + "\n"


def adopted_from(text: str) -> str:
    """The environment that a profile was derived from; empty if `tfprov adopt` did not write it."""
    found = _MARKED.search(text)
    try:
        return str(json_of(found["place"])) if found else ""
    except ValueError:
        return ""


def without_path(text: str) -> str:
    """A profile without its `environment.path`, so that the environment is kept in tfprov's own folder."""
    import tomlkit

    document = tomlkit.parse(text)
    table = document.get("environment")
    if table is not None and "path" in table:
        del table["path"]
        if not table:
            del document["environment"]
    return tomlkit.dumps(document)


def _text(value: str) -> str:
    # A TOML string is written like a JSON string, except for characters beyond U+FFFF, which JSON writes as two
    # escapes.
    text = json.dumps(value, ensure_ascii=False)
    # TOML allows no DEL, and no file the halves that stand for bytes of a name that is not UTF-8.
    return re.sub(r"[\x7f\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _one_line(text: str) -> str:
    """Text without line breaks and control characters, for a comment; a resolver's output may have both."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text)


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(_text(value) for value in values)}]"
