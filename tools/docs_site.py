"""Build the documentation as a site: MkDocs Material, with the navigation of docs/README.md.

python tools/docs_site.py OUT    needs the packages of the extra `docs`; a link that leads nowhere ends the build
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# As they lie in the checkout, so that links between them hold.
PARTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "examples")


def navigation() -> list[dict[str, object]]:
    """The sections of docs/README.md with their pages, in order; each page once, named by its own heading."""
    found: list[dict[str, object]] = [{"Overview": "README.md"}]
    seen = set()
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for section in re.finditer(r"^\*\*(.+?)\*\*\n\n((?:[- ].*\n)+)", text, re.MULTILINE):
        pages = []
        for link in re.findall(r"\]\(([^)#]+\.md)", section[2]):
            path = (ROOT / "docs" / link).resolve()
            if path in seen:
                continue
            seen.add(path)
            heading = re.search(r"^# (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            pages.append({heading[1] if heading else path.stem: path.relative_to(ROOT).as_posix()})
        found.append({section[1]: pages})
    return [*found, {"Changes": "CHANGELOG.md"}]


def build(out: Path) -> int:
    """Build the site; the exit status of MkDocs."""
    with tempfile.TemporaryDirectory() as work:
        pages = Path(work) / "pages"
        pages.mkdir()
        for name in PARTS:
            place = ROOT / name
            shutil.copytree(place, pages / name) if place.is_dir() else shutil.copy(place, pages / name)
        config = {
            "site_name": "tfprov",
            "docs_dir": str(pages),
            "site_dir": str(out.absolute()),
            "theme": {"name": "material", "font": False, "features": ["navigation.tabs", "content.code.copy"]},
            "markdown_extensions": ["tables", "toc", "pymdownx.superfences", "pymdownx.highlight"],
            "plugins": ["search"],
            "nav": navigation(),
            "strict": True,
            "validation": {"omitted_files": "ignore", "links": {"anchors": "warn", "unrecognized_links": "ignore"}},
        }
        # JSON is YAML, too.
        settings = Path(work) / "mkdocs.yml"
        settings.write_text(json.dumps(config), encoding="utf-8")
        argv = [sys.executable, "-m", "mkdocs", "build", "-f", str(settings)]
        return subprocess.run(argv, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=False).returncode


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(build(Path(sys.argv[1])))
