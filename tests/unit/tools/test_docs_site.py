from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tfprov.pipeline.uv import uv_executable

ROOT = Path(__file__).parents[3]


def test_every_page_has_its_place_in_the_navigation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import docs_site

    sections: Any = docs_site.navigation()
    names = [name for section in sections for name in section]
    assert names == [
        "Overview", "Tutorial", "How to", "Reference", "Explanation", "For those who change tfprov", "Changes"
    ]  # fmt: skip
    listed = [
        path for section in sections[1:-1] for pages in section.values() for page in pages for path in page.values()
    ]
    assert len(listed) == len(set(listed))
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}
    assert pages - {"docs/README.md"} <= set(listed)


@pytest.mark.network
@pytest.mark.skipif(not os.environ.get("TFPROV_TEST_SITE"), reason="TFPROV_TEST_SITE=1 builds the site")
@pytest.mark.parametrize("link", ["", "[gone](gone.md)", "[gone](profile.md#gone)"])
def test_the_site_is_built_unless_a_link_leads_nowhere(tmp_path: Path, link: str) -> None:
    for name in ("docs", "examples", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        shutil.copy(ROOT / name, tmp_path)
    with (tmp_path / "docs" / "ci.md").open("a", encoding="utf-8") as page:
        page.write(f"\n{link}\n")
    argv = [uv_executable(), "run", "-q", "--no-project", "--python", sys.executable, "--with", "mkdocs-material>=9.6"]
    argv += ["python", tmp_path / "tools" / "docs_site.py", tmp_path / "out"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (not link), done.stderr
    assert ("gone" in done.stderr + done.stdout) == bool(link)
    assert link or (tmp_path / "out" / "docs" / "profile" / "index.html").is_file()
