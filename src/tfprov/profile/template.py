"""The profile that `tfprov init` writes: each option with an explanation, and values that suit this machine."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tfprov.harmless import harmless, lined
from tfprov.structured import minor_of

_TEMPLATE = """\
# A tfprov profile: what the environment should be. `tfprov up {file}` makes it so.
# Lines that begin with `#` show defaults or examples. `tfprov plan {file}` says what would be done, and why.

name = "{name}"

[python]
# {python}.{bounds}
# version = ">=3.10,<3.14"     # default: whatever the chosen TensorFlow has wheels for
# path = "/opt/python3.12/bin/python3.12"    # this interpreter and no other
# install = true               # may bring an interpreter when none fits

[environment]
# path = ".venv"               # default: in tfprov's data folder
# keep = 3                     # generations kept for `tfprov rollback`

[tensorflow]
# The newest release that fits this machine today is {version}.
{wanted}
# {why}.
accelerator = "auto"           # auto | cpu | cuda
# allow-fallback = false       # may go to an older release after a failed install or smoke test

[packages]
{files}
{requirements}
# project = "editable"         # installs the project in this folder, too: as a link, or as a "wheel"
# groups = ["test"]            # dependency groups of the project; `extras` likewise
# constraints = ["protobuf<7"]

# [index]                      # default: what uv or pip are configured with
# url = "https://index.example/simple"
# mirrors = ["https://mirror.example/simple"]    # the same files, by hash
# exclude-newer = "2026-01-01" # a resolve that gives the same answer later

# [network]
# proxies = ["environment", "system", "direct"]  # tried in this order
# deadline = "2h"              # for the whole run

[smoke]
level = "standard"             # quick | standard | deep
# require-gpus = 1             # fail rather than fall back to the CPU
# scripts = ["checks/model.py"]
"""


def profile_template(
    *,
    name: str,
    file: str,
    python: str,
    version: str,
    why: str,
    files: Sequence[str] = (),
    bounds: Sequence[str] = (),
    requirements: Sequence[str] = (),
    unknown: Sequence[str] = (),
    old: str | None = None,
) -> str:
    """The text of a new profile, with comments.

    Args:
        name: of the environment.
        file: name of the profile's file.
        python: the available interpreters, in a sentence.
        version: TensorFlow release that suits this machine.
        why: the reason for that release, and for the device that it runs on here, in one line.
        files: in which the project lists its dependencies.
        bounds: ranges of Python versions in those files, each with its place.
        requirements: what the project's Python files import.
        unknown: modules that they import, too, whose packages are not known.
        old: a use of something that only TensorFlow 1 has, with its file; None without one.
    """
    file, python, why, *bounds = (harmless(lined((each,))) for each in (file, python, why, *bounds))
    lines = ['requirements = []              # such as "pandas>=2"']
    if requirements or unknown:
        lines = ["# What the Python files here import:", "requirements = ["]
        lines += [*(f"    {json.dumps(each)}," for each in requirements), "]"]
    if unknown:
        modules = ", ".join(f"`{each}`" for each in unknown)
        lines.append(f"# They also import {modules}: add the packages that contain them.")
    wanted = f'# version = ">={minor_of(version)}"'
    if old is not None:
        wanted = f'version = "<2"                 # `{harmless(lined((old,)))}`: TensorFlow 2 does not have that'
    return _TEMPLATE.format(
        name=name,
        file=file,
        python=python,
        version=version,
        wanted=wanted,
        why=why,
        files=f"files = {json.dumps(files, ensure_ascii=False)}" if files else '# files = ["requirements.txt"]',
        requirements="\n".join(lines),
        bounds="".join(f"\n# {bound}: that holds, too." for bound in bounds),
    )
