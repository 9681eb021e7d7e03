"""An index setting that cannot be read ends a run; no other index serves instead. Real commands, an index nearby."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loopback import Faults, Index
from site_under_test import RELEASE, Site, only_here, sham_wheel
from tfprov.lock.renew import versions_in
from wheels import build_wheel

pytestmark = only_here

PASSWORD = "Q7x#Z9w"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site.make(tmp_path)
    site.write()
    text = site.profile.read_text(encoding="utf-8")
    site.profile.write_text(text.replace("[index]\n", "").replace("url = ", "# "), encoding="utf-8")
    return site


def failure(site: Site, command: str) -> dict[str, object]:
    done = site.run(command, "train.toml", "--json")
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Z9w" not in done.stdout + done.stderr
    error: dict[str, object] = json.loads(done.stdout)["error"]
    return error


SETTINGS = {
    "UV_DEFAULT_INDEX": "htps://index.example/simple",
    "UV_INDEX_URL": f"https://me:{PASSWORD}@index.example/simple",
    "UV_INDEX": "https://[::1/simple",
    "UV_FIND_LINKS": "htps://index.example/wheels",
    "PIP_INDEX_URL": f"https://me:{PASSWORD}@index.example/simple",
    "PIP_EXTRA_INDEX_URL": "https://index.example:port/simple",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_variable_that_cannot_be_read_ends_the_run(site: Site, tmp_path: Path, name: str) -> None:
    wheel = sham_wheel(tmp_path / "wheels", RELEASE)
    with Index({wheel.name: wheel}) as other:
        write_pip(site, f"index-url = {other.simple}")
        site.extra[name] = SETTINGS[name]
        for command in ("plan", "up"):
            error = failure(site, command)
            assert error["code"] == "index-setting-invalid"
            assert str(error["what"]).startswith(f"`{name}`: ")
        assert other.seen == []


def write_pip(site: Site, *lines: str) -> None:
    path = site.root / "pip.conf"
    path.write_text("[global]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    site.extra["PIP_CONFIG_FILE"] = str(path)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pip.conf", "[global]\nindex-url = htps://index.example/simple\n"),
        ("pip.conf", "index-url = https://index.example/simple\n"),
        (".config/uv/uv.toml", 'index-url = "https://[::1/simple"\n'),
        (".config/uv/uv.toml", "index-url = \n"),
    ],
)
def test_a_file_that_cannot_be_read_ends_the_run(site: Site, file: str, text: str) -> None:
    path = site.root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if file == "pip.conf":
        site.extra["PIP_CONFIG_FILE"] = str(path)
    error = failure(site, "plan")
    assert error["code"] == "index-setting-invalid"
    assert path.name in str(error["what"])


def test_a_variable_of_the_profile_that_gives_no_address_ends_the_run(site: Site) -> None:
    text = site.profile.read_text(encoding="utf-8")
    site.profile.write_text(f'{text}\n[index]\nurl = "https://me:${{TOKEN}}@index.example/simple"\n', encoding="utf-8")
    site.extra["TOKEN"] = PASSWORD
    error = failure(site, "plan")
    assert error["code"] == "index-setting-invalid"
    assert "`%23`" in str(error["what"])


def test_an_index_of_the_profile_makes_the_machines_settings_meaningless(site: Site, tmp_path: Path) -> None:
    site.extra["UV_DEFAULT_INDEX"] = "htps://index.example/simple"
    wheel = sham_wheel(tmp_path / "wheels", RELEASE)
    with Index({wheel.name: wheel}) as index:
        text = site.profile.read_text(encoding="utf-8")
        site.profile.write_text(f'{text}\n[index]\nurl = "{index.simple}"\n', encoding="utf-8")
        done = site.run("plan", "train.toml")
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("strategy", ["first", "best"])
def test_a_package_that_two_indexes_have_is_said_with_the_one_that_serves_it(
    site: Site, tmp_path: Path, strategy: str
) -> None:
    made = tmp_path / "wheels"
    public = [sham_wheel(made, RELEASE), *(build_wheel(made, "ours", version) for version in ("1.0", "9.0"))]
    private = [build_wheel(tmp_path / "private", "ours", "1.0"), build_wheel(tmp_path / "private", "only", "1.0")]
    with Index({path.name: path for path in public}) as main, Index({path.name: path for path in private}) as extra:
        text = site.profile.read_text(encoding="utf-8")
        site.profile.write_text(
            f'{text}\n[packages]\nrequirements = ["ours", "only"]\n[index]\nurl = "{main.simple}"\n'
            f'extra = ["{extra.simple}"]\nstrategy = "{strategy}"\n',
            encoding="utf-8",
        )
        done = site.run("plan", "train.toml")
        assert done.returncode == 0, done.stderr
        said = done.stdout + done.stderr
        both = f"on `{extra.simple}` and `{main.simple}`: `ours`; "
        if strategy == "first":
            assert f"`{extra.simple}` serves `only`, `ours`" in said
            assert f"`{main.simple}` serves `tensorflow-cpu`" in said
            assert f"{both}the first one is used" in said
        else:
            assert f"{both}the newest version wins" in said
        # Where the first index serves, nobody has to be warned, and `up` asks no index for the sake of words.
        brought = site.run("up", "train.toml")
        assert brought.returncode == 0, brought.stderr
        assert (both in brought.stdout + brought.stderr) is (strategy == "best")
        locked = site.run("lock", "train.toml")
        assert locked.returncode == 0, locked.stderr
        assert f'name = "ours"\nversion = "{"1.0" if strategy == "first" else "9.0"}"' in site.lock.read_text()


def test_packages_on_several_indexes_are_reported_in_one_note_when_the_lock_is_made(site: Site, tmp_path: Path) -> None:
    made = tmp_path / "wheels"
    public = [sham_wheel(made, RELEASE, requires=("dep",)), build_wheel(made, "dep", "1.0")]
    site.offer(*public)
    with Index({path.name: path for path in public}) as extra, Index({public[1].name: public[1]}) as more:
        (site.root / "requirements.txt").write_text(f"--extra-index-url {extra.simple}\n")
        (site.root / "more.txt").write_text(f"--extra-index-url {more.simple}\n")
        site.write('[packages]\nfiles = ["requirements.txt", "more.txt"]\n')
        for command in ("lock", "up", "up"):
            done = site.run(command, "train.toml")
            assert done.returncode == 0, done.stderr
            assert (done.stdout + done.stderr).count("index.strategy") == (1 if command == "lock" else 0)
        site.lock.unlink()
        done = site.run("up", "train.toml")
        assert (done.stdout + done.stderr).count("index.strategy") == 1


@pytest.mark.parametrize("strategy", ["first", "best"])
@pytest.mark.parametrize("by", ["profile", "file"])
def test_a_project_comes_from_its_own_index_and_nothing_else_does(
    site: Site, tmp_path: Path, strategy: str, by: str
) -> None:
    made = tmp_path / "wheels"
    public = [sham_wheel(made, RELEASE), build_wheel(made, "ours", "9.0"), build_wheel(made, "dep", "1.0")]
    private = tmp_path / "private"
    files = [build_wheel(private, "ours", "1.0", requires=["dep"]), build_wheel(private, "dep", "9.0")]
    with Index({path.name: path for path in public}) as main, Index({path.name: path for path in files}) as own:
        only = f'only = {{ Ours = "{own.simple}" }}\n'
        project = (
            f'[project]\nname = "mine"\ndependencies = ["ours"]\n[tool.uv.sources]\nours = {{ index = "own" }}\n'
            f'[[tool.uv.index]]\nname = "own"\nurl = "{own.simple}"\nexplicit = true\n'
        )
        (site.root / "pyproject.toml").write_text(project)
        packages = 'requirements = ["ours"]' if by == "profile" else 'files = ["pyproject.toml"]'
        text = site.profile.read_text(encoding="utf-8")
        site.profile.write_text(
            f'{text}\n[packages]\n{packages}\n[index]\nurl = "{main.simple}"\nstrategy = "{strategy}"\n'
            + (only if by == "profile" else ""),
            encoding="utf-8",
        )
        done = site.run("lock", "train.toml")
        assert done.returncode == 0, done.stderr
        lock = site.lock.read_text(encoding="utf-8")
        assert dict(versions_in(lock)) == {"dep": "1.0", "ours": "1.0", "tensorflow-cpu": RELEASE}
        assert lock.count(own.origin) > 0
        assert {seen.path for seen in own.seen if seen.path.startswith("/simple/")} == {"/simple/ours/"}
        assert "/simple/ours/" not in {seen.path for seen in main.seen}


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Faults(), "has none of the packages"),
        (Faults(each=(403,) * 99), "answered 403 Forbidden: it is taken not to have what it refuses, as in pip"),
    ],
)
def test_a_further_index_without_anything_is_told_and_the_rest_is_locked(
    site: Site, tmp_path: Path, faults: Faults, words: str
) -> None:
    site.offer(sham_wheel(tmp_path / "wheels", RELEASE), build_wheel(tmp_path / "wheels", "ours", "1.0"))
    with Index({}, faults) as extra:
        (site.root / "requirements.txt").write_text(f"--extra-index-url {extra.simple}\nours\n")
        site.write('[packages]\nfiles = ["requirements.txt"]\n')
        done = site.run("up", "train.toml")
        assert done.returncode == 0, done.stderr
        assert (done.stdout + done.stderr).count(f"`{extra.simple}` {words}") == 1


def test_an_index_that_comes_first_must_not_refuse(site: Site, tmp_path: Path) -> None:
    wheels = [sham_wheel(tmp_path / "wheels", RELEASE), build_wheel(tmp_path / "wheels", "ours", "1.0")]
    with Index({path.name: path for path in wheels}) as main, Index({}, Faults(each=(403,) * 99)) as extra:
        text = site.profile.read_text(encoding="utf-8")
        more = f'[packages]\nrequirements = ["ours"]\n[index]\nurl = "{main.simple}"\nextra = ["{extra.simple}"]\n'
        site.profile.write_text(f"{text}\n{more}", encoding="utf-8")
        done = site.run("lock", "train.toml", "--json")
        error = json.loads(done.stdout)["error"]
        assert error["code"] == "mirror-http-error"
        assert f"index.extra names the index `{extra.simple}`" in error["evidence"]
