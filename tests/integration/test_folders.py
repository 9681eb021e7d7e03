"""Projects in folders: installed as wheels or as links, seen when they change; real builds and environments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdists import project
from site_under_test import OLDER, RELEASE, Site, only_here, sham_wheel
from wheels import build_wheel

pytestmark = only_here


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site.make(tmp_path)
    wheels = tmp_path / "wheels"
    site.offer(sham_wheel(wheels, RELEASE), sham_wheel(wheels, OLDER), build_wheel(wheels, "needed", "1.0"))
    return site


def lay_down(folder: Path, version: str = "1.0", *, requires: tuple[str, ...] = ()) -> Path:
    """A project with a module `mine` that has a version."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in project("mine", version, requires=requires).items():
        (folder / name).write_text(text)
    content = (folder / "pyproject.toml").read_text()
    needs = f"dependencies = {json.dumps([*requires])}"
    (folder / "pyproject.toml").write_text(f'[project]\nname = "mine"\nversion = "{version}"\n{needs}\n{content}')
    (folder / "mine.py").write_text(f'__version__ = "{version}"\n')
    return folder


def imported(site: Site, module: str = "mine") -> tuple[str, str]:
    script = f"import {module}; print({module}.__version__, {module}.__file__, sep='|')"
    done = site.run("run", str(site.profile), "--", "python", "-c", script, cwd=Path("/"))
    assert done.returncode == 0, done.stderr
    version, _, place = done.stdout.strip().partition("|")
    return version, place


def ask(site: Site, *lines: str) -> None:
    (site.root / "needs.txt").write_text("".join(f"{line}\n" for line in lines))
    site.write('[packages]\nfiles = ["needs.txt"]\n')


def test_a_folder_is_installed_as_a_wheel_and_a_changed_one_again(site: Site) -> None:
    folder = lay_down(site.root / "a project")
    ask(site, "./a project")
    site.up()
    version, place = imported(site)
    assert version == "1.0"
    assert not place.startswith(str(folder))
    assert 'directory = { path = "a project" }' in site.lock.read_text()
    assert site.up()["already"] is True
    (folder / "mine.py").write_text('__version__ = "changed"\n')
    changed = site.up()
    assert (changed["already"], changed["changes"]) == (False, [])
    assert imported(site)[0] == "changed"
    assert site.up()["already"] is True
    done = site.run("rollback", "train.toml")
    assert done.returncode == 0, done.stderr
    assert imported(site)[0] == "1.0"


def test_an_editable_project_is_the_folder_itself(site: Site) -> None:
    folder = lay_down(site.root / "project")
    ask(site, "-e project")
    site.up()
    assert imported(site) == ("1.0", str(folder / "mine.py"))
    (folder / "mine.py").write_text('__version__ = "changed"\n')
    assert site.up()["already"] is True
    assert imported(site)[0] == "changed"
    assert "editable = true" in site.lock.read_text()


@pytest.mark.parametrize("line", ["./project", "-e ./project"])
def test_a_project_that_needs_more_gets_it(site: Site, line: str) -> None:
    lay_down(site.root / "project")
    ask(site, line)
    site.up()
    lay_down(site.root / "project", "2.0", requires=("needed",))
    site.up()
    assert imported(site)[0] == "2.0"
    done = site.run("run", "train.toml", "--", "python", "-c", "import needed")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_the_project_of_the_profile_itself_is_installed_where_that_is_asked_for(site: Site, kind: str) -> None:
    lay_down(site.root, requires=("needed",))
    site.write(f'[packages]\nproject = "{kind}"\n')
    site.up()
    version, place = imported(site)
    assert version == "1.0"
    assert place.startswith(str(site.root / "mine.py")) == (kind == "editable")


def test_an_older_tensorflow_is_taken_where_the_project_needs_it(site: Site) -> None:
    lay_down(site.root / "project", requires=(f"tensorflow-cpu<{RELEASE}",))
    ask(site, "./project")
    site.up()
    assert site.imported() == OLDER


def test_what_only_a_build_knows_is_asked_of_it(site: Site) -> None:
    lay_down(site.root, requires=("needed",))
    path = site.root / "pyproject.toml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith(("version", "dependencies"))]
    path.write_text("\n".join([lines[0], 'dynamic = ["version", "dependencies"]', *lines[1:]]))
    site.write('[packages]\nfiles = ["pyproject.toml"]\n')
    site.up()
    done = site.run("run", str(site.profile), "--", "python", "-c", "import needed", cwd=Path("/"))
    assert done.returncode == 0, done.stderr
    done = site.run("run", str(site.profile), "--", "python", "-c", "import mine", cwd=Path("/"))
    assert done.returncode != 0


def test_a_folder_may_be_built_although_nothing_else_may(site: Site) -> None:
    lay_down(site.root / "project")
    (site.root / "needs.txt").write_text("./project\n")
    site.write('[packages]\nfiles = ["needs.txt"]\nbuild = "never"\n')
    site.up()
    assert imported(site)[0] == "1.0"


def test_a_bundle_has_a_wheel_of_the_folder(site: Site) -> None:
    folder = lay_down(site.root / "project")
    ask(site, "-e ./project")
    done = site.run("bundle", "train.toml", "-o", "out.tar")
    assert done.returncode == 0, done.stderr
    folder.rename(site.root / "gone")
    (site.root / "index").rename(site.root / "index-gone")
    site.extra["TFPROV_HOME"] = str(site.root / "other")
    done = site.run("up", "--bundle", "out.tar", "--json")
    assert done.returncode == 0, done.stderr
    done = site.run("run", "train", "--", "python", "-c", "import mine; print(mine.__version__)", cwd=Path("/"))
    assert done.stdout.strip() == "1.0", done.stderr


def test_a_lock_whose_folder_is_gone_says_so(site: Site) -> None:
    folder = lay_down(site.root / "project")
    ask(site, "./project")
    assert site.run("lock", "train.toml").returncode == 0
    text = site.lock.read_text()
    folder.rename(site.root / "elsewhere")
    done = site.run("up", "train.toml", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "profile-invalid"
    assert "`./project`: there is no such file here" in json.loads(done.stdout)["error"]["evidence"][0]
    assert site.lock.read_text() == text


def test_a_project_whose_version_only_its_build_knows_is_as_the_lock_has_it(site: Site) -> None:
    folder = lay_down(site.root / "project")
    pyproject = (folder / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(pyproject.replace('version = "1.0"', 'dynamic = ["version"]', 1))
    ask(site, "./project")
    site.up()
    assert 'name = "mine"\ndirectory' in site.lock.read_text()
    examined = site.run("doctor", "train.toml")
    assert examined.returncode == 0, examined.stdout


@pytest.mark.parametrize("found", ["direct", "find-links"])
def test_a_wheel_beside_the_profile_is_where_the_profile_is(site: Site, tmp_path: Path, found: str) -> None:
    wheel = build_wheel(site.root / "wheels", "own", "1.0")
    (site.root / "needs.txt").write_text(f"own @ ./wheels/{wheel.name}\n" if found == "direct" else "own\n")
    site.write('[packages]\nfiles = ["needs.txt"]\n')
    if found == "find-links":
        text = site.profile.read_text(encoding="utf-8").replace("[index]\n", '[index]\nfind-links = ["wheels"]\n')
        site.profile.write_text(text, encoding="utf-8")
    site.up()
    assert f'path = "wheels/{wheel.name}"' in site.lock.read_text(encoding="utf-8")
    assert (site.root / "index").as_uri() in site.lock.read_text(encoding="utf-8").partition("[tool.tfprov]")[0]
    there = Site(tmp_path / "checked out elsewhere")
    there.root.mkdir()
    for path in (site.profile, site.lock, site.root / "needs.txt", site.root / "wheels"):
        path.rename(there.root / path.name)
    there.up("--locked")
    assert there.run("run", "train.toml", "--", "python", "-c", "import own").returncode == 0
