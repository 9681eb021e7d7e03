"""Record the demo: run real commands of this checkout and draw what they print, `docs/demo.svg`.

    .bootstrap/*/bin/python tools/demo.py

Takes a minute, a package index and 2 GB of disk in a temporary folder. Nothing is edited but paths of that folder.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
DAMAGE = "rm -r ~/tf/data/environments/cpu-*/current/lib/python3.*/site-packages/numpy"
SCENES = (
    "./bootstrap up cpu",
    DAMAGE,
    "./bootstrap up cpu",
    "./bootstrap up cpu --set 'tensorflow.version===2.21.*' --set 'python.version===3.9.*'",
)
WIDTH = 118
STYLES = {r"^error\[.*?\]": "bold red", r"^! .*": "yellow", r"^\* ": "green", r"^hint:": "bold"}
# rich's own format loads a font from the network; the reader's monospace font serves as well.
FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g></svg>
"""


def main(scenes: Sequence[str], target: Path) -> None:
    """Run the scenes one after the other and write the picture."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
            "HOME": name,
            "TFPROV_HOME": str(home / "tf"),
            "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip")),
        }
        for scene in scenes:
            done = subprocess.run(
                ["sh", "-c", f"{scene} 2>&1"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
            )
            console.print(Text("$ ", "bold green") + Text(scene.replace(str(home), "~"), "bold"), soft_wrap=False)
            console.print(coloured(done.stdout.replace(str(home), "~").replace(str(Path.home()), "~").rstrip()))
            console.print("" if done.returncode == 0 else f"[dim](exit status {done.returncode})[/dim]")
    target.write_text(console.export_svg(title="tfprov", code_format=FORMAT), encoding="utf-8")


def coloured(words: str) -> Text:
    """The output as a terminal shows it: errors red, warnings yellow, finished stages green."""
    text = Text(words)
    for pattern, style in STYLES.items():
        text.highlight_regex(re.compile(pattern, re.MULTILINE), style)
    return text


if __name__ == "__main__":
    main(SCENES, ROOT / "docs" / "demo.svg")
    sys.exit(0)
