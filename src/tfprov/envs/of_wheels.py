"""Tells the files of an environment that came from wheels from those of the environment itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tfprov.envs.holders import OLDER_SHELLS
from tfprov.envs.layout import BINDING
from tfprov.envs.manifest import MANIFEST, SEAL
from tfprov.envs.survey import Files

# Files that belong to a virtual environment itself and are made anew for each: its configuration, interpreter and
# activation scripts, its cures, and what binds a process to it; and bytecode that is just being written, which has a
# number at its end.
_OWN = re.compile(
    rf"^(pyvenv\.cfg|\.gitignore|CACHEDIR\.TAG|lib64|{re.escape(SEAL)}|{re.escape(MANIFEST)}|{re.escape(OLDER_SHELLS)}"
    rf"|(bin|Scripts)/(python|activate|deactivate)[^/]*|(.*/)?(_tfprov_cures|{BINDING})\.(py|pth|start|[^/]*\.pyc)"
    r"|.*\.pyc\.\d+)$"
)


def contents(files: Files) -> Iterator[str]:
    """Those of the files that wheels installed, bytecode included."""
    own: dict[str, bool] = {"": False}

    def is_own(path: str) -> bool:
        folder = path.rpartition("/")[0]
        if folder not in own:
            own[folder] = is_own(folder)
        return own[folder] or _OWN.match(path) is not None

    return (path for path, status in files.items() if status.is_regular and not is_own(path))
