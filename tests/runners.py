"""A stand-in for a CI runner: it runs the scripts of an example with the real tfprov and an index of tiny wheels.

tfprov is a fork (`forks`), in a home that was used before (`used_home`). What the scripts start besides is a shim that
notes how it was called: `pip` installs nothing, because tfprov is there already.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import forks
import used_home
from site_under_test import RELEASE, first_home, sham_wheel
from wheels import simple_index

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SYSTEM = "/usr/bin:/bin"


@dataclass
class Runner:
    """A machine with a folder of the project in it.

    Attributes:
        project: working folder of the scripts.
        environ: variables that all scripts see.
    """

    root: Path
    project: Path
    environ: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, root: Path, example: str, *, version: str = RELEASE) -> Runner:
        """A runner whose project is a copy of an example's folder."""
        project = root / "project"
        shutil.copytree(EXAMPLES / example, project)
        for path in project.glob("*.toml"):
            # The tiny index has wheels for this platform alone.
            path.write_text(re.sub(r"(?m)^platforms = .*$", "platforms = []", path.read_text()))
        wheels = [sham_wheel(root / "built", version), sham_wheel(root / "built", version, package="tensorflow")]
        index = simple_index(root / "index", wheels)
        runner = cls(root, project)
        runner.environ = {
            "PATH": f"{root / 'bin'}:{SYSTEM}",
            "HOME": str(root / "user"),
            "PIP_INDEX_URL": index.as_uri(),
            "PIP_CONFIG_FILE": os.devnull,
            "TFPROV_HOME": str(root / "home"),
        }
        tfprov = f'exec {shlex.join(forks.command())} "$@"'
        runner.shim("tfprov", tfprov)
        used_home.lay_down(root / "home", first_home)
        runner.shim(
            "python3",
            f'echo "python3 $*" >> "{root}/calls"\ncase "$*" in *pip*) ;; "-m tfprov "*) shift 2; {tfprov};; '
            f'*) exec "{sys.executable}" "$@";; esac',
        )
        (root / "user").mkdir()
        return runner

    def shim(self, name: str, body: str) -> None:
        """Put a program on the PATH of the scripts."""
        path = self.root / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def run(
        self, script: str, *, shell: tuple[str, ...] = ("bash", "-eo", "pipefail", "-c"), **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """A script, as a runner would run it; it must succeed."""
        done = subprocess.run(
            [*shell, script],
            env={**self.environ, **environ},
            cwd=self.project,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done

    def lock(self, profile: str) -> None:
        """Make the lock that a user of the example has committed."""
        self.run(f"tfprov lock {profile}")

    @property
    def calls(self) -> str:
        """How the shims were called."""
        path = self.root / "calls"
        return path.read_text() if path.exists() else ""


def violations(path: Path, schema: str) -> str:
    """What a file has that a CI system's own schema, as check-jsonschema brings it, does not allow; empty for none."""
    # It compiles the grammars of regular expressions as it is imported, which takes four seconds.
    from check_jsonschema import main
    from click.testing import CliRunner

    done = CliRunner().invoke(main, ["--builtin-schema", f"vendor.{schema}", str(path)])
    return "" if done.exit_code == 0 else done.output or "is not valid"


def resolved(value: str, contexts: Mapping[str, str]) -> str:
    """A value with every `${{ … }}` replaced.

    Raises:
        KeyError: a context that nobody set.
    """
    return re.sub(r"\$\{\{\s*([^}]+?)\s*\}\}", lambda found: contexts[found[1]], value)
