"""Interpreter, release and packages chosen together: uv resolves for real, on an index of tiny wheels."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from journals import events
from sdists import project, sdist
from site_under_test import OLDER, PYTHON, RELEASE, WINDOWS, Site, needs_two_processors, only_here, sham_wheel
from tfprov.lock.renew import versions_in
from wheels import build_wheel, simple_index

pytestmark = only_here


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site.make(tmp_path)
    wheels = tmp_path / "wheels"
    site.offer(
        sham_wheel(wheels, RELEASE),
        sham_wheel(wheels, OLDER),
        build_wheel(wheels, "shared", "1.0"),
        build_wheel(wheels, "shared", "2.0"),
        build_wheel(wheels, "left", "1.0", requires=["shared<2"]),
        build_wheel(wheels, "left", "2.0", requires=["shared>=2"]),
        build_wheel(wheels, "right", "1.0", requires=["shared<2"]),
    )
    return site


def ask(site: Site, *requirements: str, body: str = "") -> None:
    lines = ", ".join(f'"{line}"' for line in requirements)
    site.write(f"{body}\n[packages]\nrequirements = [{lines}]\n")


def planned(site: Site) -> tuple[str, str]:
    done = site.run("plan", "train.toml", "--json")
    assert done.returncode == 0, done.stderr
    decision = json.loads(done.stdout)["decision"]
    return decision["tensorflow"]["version"], decision["python"]["version"]


def refusal(site: Site, command: str = "plan", *, status: int = 15) -> dict[str, str]:
    done = site.run(command, "train.toml", "--json")
    assert done.returncode == status, done.stderr
    error: dict[str, str] = json.loads(done.stdout)["error"]
    return error


def test_wheels_for_variants_of_a_machine_are_passed_over(site: Site, tmp_path: Path) -> None:
    more = [sham_wheel(tmp_path / "more", "2.22.0"), sham_wheel(tmp_path / "more", RELEASE)]
    site.offer(*(wheel.rename(wheel.with_name(f"{wheel.stem}-any.whl")) for wheel in more))
    ask(site)
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    assert dict(versions_in(site.lock.read_text())) == {"tensorflow-cpu": RELEASE}


def test_a_nightly_build_is_installed_where_its_name_is_asked_for(site: Site, tmp_path: Path) -> None:
    build, wheels = "2.23.0.dev20261019", tmp_path / "nightly"
    site.offer(
        sham_wheel(wheels, build, package="tf-nightly", requires=("keras-nightly>=3.16.0.dev1",)),
        sham_wheel(wheels, "2.23.0.dev20261018", package="tf-nightly"),
        build_wheel(wheels, "keras-nightly", "3.16.0.dev20261019"),
        build_wheel(wheels, "needy", "1.0", requires=["tensorflow-cpu"]),
    )
    ask(site, "tf-nightly", "left<2")
    site.up()
    assert site.imported() == build
    assert "already verified" in site.run("up", "train.toml").stdout
    site.up("--offline", "--locked")
    ask(site, "tf-nightly==2.23.0.dev20261018")
    site.up()
    assert site.imported() == "2.23.0.dev20261018"
    ask(site, "tf-nightly", "needy")
    assert 'packages.exclude = ["tensorflow-cpu"]' in refusal(site, "lock")["hint"]
    site.write('[packages]\nrequirements = ["tf-nightly", "needy"]\nexclude = ["tensorflow-cpu"]\n')
    site.up()
    ask(site)
    site.up()
    assert site.imported() == RELEASE


def test_a_package_that_needs_an_older_release_gets_it_and_that_is_said(site: Site, tmp_path: Path) -> None:
    site.offer(build_wheel(tmp_path / "more", "companion", "3.0", requires=[f"tensorflow-cpu<{RELEASE}"]))
    ask(site, "companion")
    assert planned(site)[0] == OLDER
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    assert f"TensorFlow {OLDER} instead of {RELEASE}: the other packages of the profile need it" in done.stderr
    assert f'name = "tensorflow-cpu"\nversion = "{OLDER}"' in site.lock.read_text()


def test_the_release_that_a_package_asks_for_by_its_full_name_counts(site: Site, tmp_path: Path) -> None:
    more = tmp_path / "more"
    site.offer(
        sham_wheel(more, OLDER, package="tensorflow"),
        sham_wheel(more, RELEASE, package="tensorflow"),
        build_wheel(more, "companion", "3.0", requires=[f"tensorflow=={OLDER}"]),
    )
    ask(site, "companion", body='[tensorflow]\naccelerator = "cpu"')
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    assert dict(versions_in(site.lock.read_text())) == {"companion": "3.0", "tensorflow": OLDER}


def test_a_companion_is_taken_in_its_newest_version_rather_than_tensorflow(site: Site, tmp_path: Path) -> None:
    site.offer(
        build_wheel(tmp_path / "more", "companion", "1.0"),
        build_wheel(tmp_path / "more", "companion", "2.0", requires=[f"tensorflow-cpu=={OLDER}"]),
    )
    ask(site, "companion")
    assert planned(site)[0] == OLDER


@needs_two_processors
def test_two_processors_give_the_lock_of_one(site: Site, tmp_path: Path) -> None:
    more, pythons = tmp_path / "more", [f"cp3{minor}" for minor in (10, 11, 12, 13)]
    tags = [f"{python}-{python}-manylinux_2_17_x86_64" for python in pythons]
    site.offer(
        *(build_wheel(more, "tensorflow-cpu", version, tag=tag) for tag in tags for version in (RELEASE, OLDER)),
        *(build_wheel(more, "picky", "1.0", tag=tag, requires=["shared<2"]) for tag in tags[:2]),
    )
    site.extra["PYENV_ROOT"] = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
    ask(site, "picky")
    site.profile.write_text(
        site.profile.read_text(encoding="utf-8").replace(f'path = "{PYTHON.as_posix()}"\n', ""), "utf-8"
    )
    made = {}
    allowed = os.sched_getaffinity(0)
    for processors in (set(list(allowed)[:1]), allowed):
        os.sched_setaffinity(0, processors)
        try:
            done = site.run("lock", "train.toml")
        finally:
            os.sched_setaffinity(0, allowed)
        assert done.returncode == 0, done.stderr
        made[len(processors)] = site.lock.read_bytes()
        site.lock.unlink()
    assert len(set(made.values())) == 1


@pytest.mark.skipif(WINDOWS, reason="its wheels are for the Pythons of a Linux machine")
def test_a_python_with_wheels_is_preferred_where_something_else_has_to_be_built(site: Site, tmp_path: Path) -> None:
    more, pythons = tmp_path / "more", [f"cp3{minor}" for minor in (10, 11, 12, 13)]
    tags = [f"{python}-{python}-manylinux_2_17_x86_64" for python in pythons]
    sources = [sdist(more, project(name, "1.0"), stem=f"{name}-1.0") for name in ("compiled", "pure")]
    compiled = [build_wheel(more, "compiled", "1.0", tag=tag) for tag in tags[:2]]
    site.offer(*(build_wheel(more, "tensorflow-cpu", RELEASE, tag=tag) for tag in tags))
    simple_index(site.root / "index", [*sources, *compiled])
    site.extra["PYENV_ROOT"] = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
    ask(site, "compiled", "pure")
    site.profile.write_text(
        site.profile.read_text(encoding="utf-8").replace(f'path = "{PYTHON.as_posix()}"\n', ""), "utf-8"
    )
    assert planned(site)[1].startswith("3.11.")
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    assert "to be built from source: `pure` 1.0\n" in done.stderr


def test_what_is_known_to_break_since_a_lock_was_made_is_said(site: Site, tmp_path: Path) -> None:
    more = tmp_path / "more"
    site.offer(build_wheel(more, "setuptools", "80.0"), build_wheel(more, "resampy", "0.4.2", requires=["setuptools"]))
    ask(site, "resampy")
    assert site.run("lock", "train.toml").returncode == 0
    bound = "`resampy` needs `setuptools<81`: it imports pkg_resources, which newer setuptools does not have"

    def notes() -> list[str]:
        done = site.run("plan", "train.toml", "--json")
        assert done.returncode == 0, done.stderr
        return [note for note in json.loads(done.stdout)["notes"] if note.startswith(bound)]

    assert notes() == [bound]
    # As a tfprov that did not know of it would have made it.
    lines = [line for line in site.lock.read_text(encoding="utf-8").splitlines() if not line.startswith("breaks = ")]
    site.lock.write_text("\n".join(lines).replace("80.0", "81.0") + "\n", encoding="utf-8")
    assert notes() == [f"{bound}; the lock was made before that was known: `tfprov up --upgrade` renews it"]


@pytest.mark.parametrize("pin", ["setuptools==81.0", "setuptools>=81"])
def test_a_pinned_version_is_taken_although_something_is_known_to_break_with_it(
    site: Site, tmp_path: Path, pin: str
) -> None:
    more = tmp_path / "more"
    site.offer(build_wheel(more, "setuptools", "80.0"), build_wheel(more, "setuptools", "81.0"))
    site.offer(build_wheel(more, "resampy", "0.4.2", requires=["setuptools"]))
    ask(site, "resampy", pin)
    done = site.run("lock", "train.toml")
    if ">" in pin:
        assert done.returncode != 0
        return
    assert done.returncode == 0, done.stderr
    assert dict(versions_in(site.lock.read_text(encoding="utf-8")))["setuptools"] == "81.0"
    broken = "`resampy` needs `setuptools<81`: it imports pkg_resources, which newer setuptools does not have"
    assert f"{broken}; `{pin}` is taken, because the profile pins it" in done.stderr


def test_the_plan_and_the_lock_are_the_same(site: Site, tmp_path: Path) -> None:
    site.offer(build_wheel(tmp_path / "more", "companion", "3.0", requires=[f"tensorflow-cpu<{RELEASE}"]))
    ask(site, "companion", "left")
    before = planned(site)
    assert site.run("lock", "train.toml").returncode == 0
    assert planned(site) == before


@pytest.mark.parametrize("asked", [("left", "right"), ("companion==1.0",)])
def test_what_resolves_at_the_first_try_is_asked_once(site: Site, tmp_path: Path, asked: tuple[str, ...]) -> None:
    site.offer(build_wheel(tmp_path / "more", "companion", "1.0", requires=[f"tensorflow-cpu=={OLDER}"]))
    ask(site, *asked)
    done = site.run("lock", "train.toml")
    questions = [event["text"] for event in events(site.home) if str(event.get("text", "")).startswith("lock: ")]
    assert done.returncode == 0, done.stderr
    assert questions == ["lock: succeeded"]


def test_what_does_not_concern_tensorflow_leaves_it_the_newest(site: Site) -> None:
    ask(site, "left", "right")
    assert planned(site)[0] == RELEASE
    assert site.run("lock", "train.toml").returncode == 0
    assert 'name = "left"\nversion = "1.0"' in site.lock.read_text()


@pytest.mark.parametrize("command", ["plan", "lock"])
def test_a_hint_names_a_change_that_was_seen_to_resolve(site: Site, command: str) -> None:
    ask(site, "left==2.0", "right==1.0")
    hint = refusal(site, command)["hint"]
    assert hint.startswith("`left==1.0` instead of `left==2.0` resolves, with TensorFlow")
    assert "without" not in hint
    ask(site, "left==1.0", "right==1.0")
    assert planned(site)[0] == RELEASE


def test_a_line_whose_address_cannot_be_reached_is_named(site: Site) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/model-1.0-py3-none-any.whl"
        (site.root / "requirements.txt").write_text(f"left\nmodel @ {address}\n")
        site.write('[packages]\nfiles = ["requirements.txt"]\n[strategies]\nskip = ["patient"]\n')
        done = site.run("plan", "train.toml", "--json")
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "net-refused"
    assert error["evidence"][-1] == f"requirements.txt:2 asks for `model @ {address}`"
    assert "download the file, and write `model @ ./PATH` with the path of that copy" in error["hint"]


def test_a_package_that_needs_the_removed_placeholder_gets_the_release(site: Site, tmp_path: Path) -> None:
    more = tmp_path / "more"
    site.offer(
        build_wheel(more, "tensorflow-gpu", OLDER),
        build_wheel(more, "addons", "0.6", requires=[f"tensorflow-gpu=={OLDER}"]),
    )
    ask(site, f"tensorflow-cpu=={OLDER}", "addons")
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    assert "`tensorflow-gpu`, which an old package needs, is left out beside `tensorflow-cpu`" in done.stderr
    assert {name for name, _ in versions_in(site.lock.read_text())} == {"tensorflow-cpu", "addons"}
    ask(site, f"tensorflow-cpu=={RELEASE}", "addons")
    assert refusal(site, "lock")["code"] == "resolver-conflict"


@pytest.fixture
def dead() -> Iterator[str]:
    """The address of an index on a port that refuses connections."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}/whl/"


@pytest.mark.parametrize("option", ["--extra-index-url", "--find-links"])
def test_a_further_index_of_a_file_that_cannot_be_reached_is_left_out(site: Site, dead: str, option: str) -> None:
    (site.root / "more.txt").write_text(f"left\n\n{option} {dead}\n")
    (site.root / "requirements.txt").write_text("-r more.txt\n")
    site.write('[packages]\nfiles = ["requirements.txt"]\n')
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    assert "waiting for it" not in done.stderr
    assert f"`{dead.rstrip('/')}`" in done.stderr.replace("/`", "`")
    assert "(more.txt:3) cannot be reached, and is left out, as in pip" in done.stderr
    (site.root / "more.txt").write_text(f"left\n\n{option} {dead}\nonly-there\n")
    error = refusal(site, "lock")
    assert error["code"] == "package-name-wrong"
    assert error["evidence"][-1].endswith("cannot be reached, and may have it")


def test_the_index_of_a_file_is_needed_and_told_with_its_line(site: Site, dead: str) -> None:
    own = (site.root / "index").as_uri()
    site.extra["UV_DEFAULT_INDEX"] = own
    (site.root / "requirements.txt").write_text(f"left\n--index-url {dead}\ntensorflow-cpu\n")
    site.write('[packages]\nfiles = ["requirements.txt"]\n[strategies]\nskip = ["patient"]\n')
    site.profile.write_text(site.profile.read_text().replace(f'url = "{own}"', ""))
    error = refusal(site, "lock", status=12)
    assert error["code"] == "net-refused"
    assert error["evidence"][-1] == f"requirements.txt:2 names the index `{dead}`"
    assert error["hint"] == (
        f"remove the index in requirements.txt:2; the one that this machine uses without it can be read: `{own}`"
    )
    (site.root / "requirements.txt").write_text("left\n\ntensorflow-cpu\n")
    assert site.run("lock", "train.toml").returncode == 0


def test_a_further_index_of_the_profile_itself_is_needed(site: Site, dead: str) -> None:
    ask(site, "left", body='[strategies]\nskip = ["patient"]\n')
    more = f'[index]\nextra = ["{dead}"]\nstrategy = "best"\n'
    site.profile.write_text(site.profile.read_text().replace("[index]\n", more))
    assert refusal(site, "lock", status=12)["code"] == "net-refused"


def test_a_hint_keeps_the_extras_of_a_line_and_its_marker(site: Site, tmp_path: Path) -> None:
    site.offer(build_wheel(tmp_path / "more", "plotter", "1.0", requires=['shared<2; extra == "gui"', "shared"]))
    site.offer(build_wheel(tmp_path / "more", "plotter", "2.0", requires=['shared>=2; extra == "gui"', "shared"]))
    ask(site, "plotter[gui]==2.0; python_version > '3'", "right==1.0")
    assert refusal(site)["hint"].startswith('`plotter[gui]==1.0; python_version > "3"` instead of `plotter[gui]==2.0')


def test_a_bound_on_tensorflow_is_among_the_changes(site: Site, tmp_path: Path) -> None:
    site.offer(build_wheel(tmp_path / "more", "companion", "3.0", requires=[f"tensorflow-cpu<{RELEASE}"]))
    ask(site, "companion==3.0", body=f'[tensorflow]\nversion = "=={RELEASE}"')
    assert f"TensorFlow {OLDER} on Python" in refusal(site)["hint"]


@pytest.mark.parametrize("pin", ["2.20.0rc1", "2.20.7", "2.20.0-beta1"])
def test_in_place_of_a_release_that_there_is_not_one_of_its_series_is_proposed(site: Site, pin: str) -> None:
    ask(site, f"tensorflow=={pin}", "left")
    hint = refusal(site, status=10)["hint"]
    assert hint.startswith(f"`tensorflow=={OLDER}` instead of `tensorflow=={pin}` resolves, with TensorFlow {OLDER} on")


@pytest.mark.parametrize("lines", [("tensorflow==2.20.7",), ("tensorflow==2.20.7", "tensorflow-gpu==2.20.7")])
def test_where_several_lines_have_to_change_the_release_stays_near(site: Site, lines: tuple[str, ...]) -> None:
    ask(site, *lines, "left==2.0", "right==1.0")
    hint = refusal(site, status=10)["hint"]
    assert hint.startswith(f"`tensorflow=={OLDER}` instead of `tensorflow==2.20.7`, ")
    assert "`left==1.0` instead of `left==2.0`: this resolves" in hint


@pytest.mark.parametrize("lines", [("tensorflow==2.20.7",), ("tensorflow==2.20.7", "tensorflow-gpu==2.20.7")])
def test_what_a_release_brings_is_changed_with_it(site: Site, tmp_path: Path, lines: tuple[str, ...]) -> None:
    more = (build_wheel(tmp_path / "more", "tensorboard", version) for version in ("2.18.0", "2.20.0"))
    site.offer(*more)
    ask(site, *lines, "tensorboard==2.18.0", "left<2", "shared==1.0")
    gone = "".join(f", without `{line}`" for line in lines[1:])
    assert refusal(site, status=10)["hint"].partition(": this resolves, with ")[0] == (
        f"`tensorflow=={OLDER}` instead of `tensorflow==2.20.7`{gone}, "
        "`tensorboard==2.20.0` instead of `tensorboard==2.18.0`"
    )


@pytest.mark.parametrize(
    ("line", "taken"), [("tensorflow==2.20.7", OLDER), ("tensorflow>=1.4,<1.6", RELEASE), ("tensorflow~=1.4", RELEASE)]
)
@pytest.mark.parametrize("python", ["==3.5.*", ">=3.5,<3.6"])
def test_where_release_and_python_are_both_too_old_another_of_each_is_proposed(
    site: Site, line: str, taken: str, python: str
) -> None:
    ask(site, line, "left<2")
    on_any_python(site)
    site.profile.write_text(f'{site.profile.read_text()}\n[python]\nversion = "{python}"\n')
    hint = refusal(site, status=10)["hint"]
    assert f"TensorFlow {taken} on Python {sys.version.split()[0]}" in hint
    assert hint.endswith(f", and without the range of Python versions `{python}`")


@pytest.mark.parametrize(
    "lines",
    [
        (f"tensorflow=={RELEASE}", f"tensorflow-gpu=={OLDER}", "left<2"),
        (f"tensorflow=={RELEASE}", f"tensorflow-intel=={OLDER}", "shared"),
    ],
)
def test_of_two_lines_on_tensorflow_that_exclude_each_other_one_has_to_go(site: Site, lines: tuple[str, ...]) -> None:
    ask(site, *lines)
    python = f"Python {sys.version.split()[0]}"
    assert refusal(site, status=10)["hint"].split("; or ") == [
        f"without `{lines[0]}` it resolves, with TensorFlow {OLDER} on {python}",
        f"without `{lines[1]}` it resolves, with TensorFlow {RELEASE} on {python}",
    ]


def test_a_release_beside_a_nightly_build_is_refused_with_both_lines(site: Site, tmp_path: Path) -> None:
    site.offer(sham_wheel(tmp_path / "nightly", "2.23.0.dev20261019", package="tf-nightly"))
    ask(site, "tensorflow", "tf-nightly", "left<2")
    error = refusal(site)
    assert error["what"] == "`tensorflow` cannot be installed beside `tf-nightly`"
    assert [line.partition(" asks for ")[2] for line in error["evidence"][:2]] == ["`tensorflow`", "`tf-nightly`"]
    assert "without `tf-nightly` it resolves, with TensorFlow" in error["hint"]


def test_in_place_of_another_build_of_a_release_that_release_is_proposed(site: Site) -> None:
    ask(site, f"intel-tensorflow=={OLDER}", "left")
    assert refusal(site)["hint"].startswith(
        f"`tensorflow=={OLDER}` instead of `intel-tensorflow=={OLDER}` resolves, with TensorFlow {OLDER} on Python "
    )


def test_a_release_is_proposed_in_place_of_all_lines_that_ask_for_it(site: Site) -> None:
    ask(site, "tensorflow==2.20.7", "tensorflow-gpu==2.20.7", "left")
    assert refusal(site, status=10)["hint"].startswith(
        f"`tensorflow=={OLDER}` instead of `tensorflow==2.20.7` and `tensorflow-gpu==2.20.7` resolves"
    )


def test_a_release_is_proposed_once(site: Site) -> None:
    ask(site, f"intel-tensorflow=={RELEASE}", "left")
    assert refusal(site)["hint"].count(f"TensorFlow {RELEASE} on Python") == 1


def test_where_only_leaving_a_package_out_helps_that_is_said(site: Site, tmp_path: Path) -> None:
    site.offer(build_wheel(tmp_path / "more", "impossible", "1.0", requires=["shared>=3"]))
    ask(site, "impossible", "left")
    assert refusal(site)["hint"].startswith("without `impossible` it resolves")


def test_no_hint_is_given_where_nothing_was_found(site: Site, tmp_path: Path) -> None:
    site.offer(
        build_wheel(tmp_path / "more", "impossible", "1.0", requires=["shared>=3"]),
        build_wheel(tmp_path / "more", "hopeless", "1.0", requires=["shared>=4"]),
    )
    ask(site, "impossible", "hopeless")
    assert refusal(site)["hint"] == "no change to a few lines was found that resolves"


def test_an_extra_that_a_package_does_not_have_is_said(site: Site, tmp_path: Path) -> None:
    site.offer(build_wheel(tmp_path / "more", "plotter", "1.0", requires=['shared; extra == "gui"']))
    site.write('[packages]\nrequirements = ["plotter[web]", "left[fast]"]\n')
    said = site.run("plan", "train.toml").stderr
    assert "`left` 2.0 has no extra `fast`: it is left out" in said
    assert "`plotter` 1.0 has no extra `web`: it is left out" in said


def test_where_no_single_change_helps_several_lines_are_named(site: Site, tmp_path: Path) -> None:
    site.offer(
        build_wheel(tmp_path / "more", "common", "1.0"),
        build_wheel(tmp_path / "more", "common", "2.0"),
        build_wheel(tmp_path / "more", "up", "1.0", requires=["common<2"]),
        build_wheel(tmp_path / "more", "up", "2.0", requires=["common>=2"]),
        build_wheel(tmp_path / "more", "down", "1.0", requires=["common<2"]),
    )
    # Two pairs that do not go together, and a line that has no part in it.
    ask(site, "shared==1.0", "up==2.0", "down==1.0", "left==2.0", "right==1.0")
    hint = refusal(site)["hint"]
    assert hint.startswith("`up==1.0` instead of `up==2.0`, `left==1.0` instead of `left==2.0`: this resolves, with ")
    ask(site, "shared==1.0", "up==1.0", "down==1.0", "left==1.0", "right==1.0")
    assert planned(site)[0] == RELEASE


def older_python(site: Site) -> int:
    """Let a site see an older Python of this machine, too; its minor version. Skips where there is none."""
    site.extra["PYENV_ROOT"] = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
    minors = [minor for minor in range(10, 14) if minor != sys.version_info[1]]
    found = [minor for minor in minors if site.run("facts", "--json").stdout.count(f'"version": "3.{minor}.')]
    older = [minor for minor in found if minor < sys.version_info[1]]
    if not older:
        pytest.skip("no older Python that TensorFlow has wheels for is on this machine")
    return older[-1]


def on_any_python(site: Site) -> None:
    text = site.profile.read_text()
    site.profile.write_text("\n".join(line for line in text.splitlines() if not line.startswith(("[python]", "path"))))


def test_another_python_is_taken_where_the_packages_need_it(site: Site, tmp_path: Path) -> None:
    other = older_python(site)
    tag = f"cp3{other}-cp3{other}-manylinux_2_17_x86_64"
    source = {"tensorflow/__init__.py": "__version__ = '2.21.0'\n"}
    site.offer(
        build_wheel(tmp_path / "more", "tensorflow-cpu", RELEASE, files=source, tag=tag),
        build_wheel(tmp_path / "more", "bound", "1.0", tag=tag),
    )
    ask(site, "bound")
    on_any_python(site)
    version, python = planned(site)
    assert version == RELEASE
    assert python.startswith(f"3.{other}.")


def test_what_is_known_to_break_is_bound_before_anything_is_downloaded(site: Site, tmp_path: Path) -> None:
    site.offer(
        build_wheel(tmp_path / "more", "imgaug", "0.4.0", requires=["numpy"]),
        build_wheel(tmp_path / "more", "numpy", "1.26.4"),
        build_wheel(tmp_path / "more", "numpy", "2.1.0"),
    )
    ask(site, "imgaug")
    done = site.run("plan", "train.toml")
    assert done.returncode == 0, done.stderr
    assert "numpy<2: `imgaug`: it uses `np.sctypes`, which numpy 2 does not have" in done.stdout
    assert site.run("lock", "train.toml").returncode == 0
    assert 'name = "numpy"\nversion = "1.26.4"' in site.lock.read_text()
    ask(site, "imgaug", "numpy>=2")
    error = refusal(site)
    assert "`imgaug` needs `numpy<2`" in " ".join(error["evidence"])


def test_what_the_plan_resolved_is_not_resolved_again(site: Site) -> None:
    ask(site, "left", "right")
    assert site.run("lock", "train.toml").returncode == 0
    attempts = [event for event in events(site.home) if event["event"] == "attempt" and event["stage"] == "lock"]
    assert attempts == []
    fresh = site.lock.read_text()
    site.lock.unlink()
    ask(site, f"tensorflow-cpu=={RELEASE}", "left==1.0", "right==1.0", "shared==1.0")
    assert site.run("lock", "train.toml").returncode == 0
    assert versions_in(site.lock.read_text()) == versions_in(fresh)


def test_the_reason_is_that_of_a_python_which_has_the_release_rather_than_that_others_have_not(
    site: Site, tmp_path: Path
) -> None:
    other = older_python(site)
    tag = f"cp3{other}-cp3{other}-manylinux_2_17_x86_64"
    source = {"tensorflow/__init__.py": "__version__ = '2.19.0'\n"}
    site.offer(
        build_wheel(tmp_path / "more", "tensorflow-cpu", "2.19.0", files=source, tag=tag),
        build_wheel(tmp_path / "more", "bound", "1.0", requires=["tensorflow-cpu==2.19.0", "shared>=3"]),
    )
    ask(site, "bound")
    on_any_python(site)
    told = " ".join(refusal(site)["evidence"])
    assert "shared" in told
    assert "tensorflow" not in told


def test_all_lines_that_can_never_work_are_named_with_what_would(site: Site, tmp_path: Path) -> None:
    more = {"patched": ("4.6.0.66", "5.0"), "torch": ("2.1.0", "2.9.0")}
    site.offer(*(build_wheel(tmp_path / "more", name, each) for name, versions in more.items() for each in versions))
    ask(site, "left==9.9", "right", "patched==4.6.0", "torch==2.1.0+cu121", "nowhere-to-be-found")
    error = refusal(site, "lock", status=10)
    assert (
        error["evidence"][-1]
        == "no version satisfies `left==9.9`, `patched==4.6.0`, `torch==2.1.0+cu121`, `nowhere-to-be-found`"
    )
    assert error["hint"].startswith(
        "`left==1.0` instead of `left==9.9`, `patched==4.6.0.66` instead of `patched==4.6.0`, "
        "`torch==2.1.0` instead of `torch==2.1.0+cu121`, "
        f"without `nowhere-to-be-found`: this resolves, with TensorFlow {RELEASE} on Python "
    )


def test_a_line_that_can_never_work_is_named_beside_a_release_that_there_is_not(site: Site, tmp_path: Path) -> None:
    ask(site, "tensorflow==1.9.0", "left==9.9", "right")
    error = refusal(site, "lock", status=10)
    assert error["evidence"] == [
        f"`train.toml:10: tensorflow==1.9.0` allows none of the known releases: {RELEASE}, {OLDER}",
        "no version satisfies `left==9.9`",
    ]
    assert error["hint"].startswith("`left==1.0` instead of `left==9.9`, without `tensorflow==1.9.0`: this resolves")


def test_a_line_that_can_never_work_is_named_beside_a_contradiction(site: Site, tmp_path: Path) -> None:
    more = {"patched": ("4.6.0.66", "5.0"), "numpy": ("0.9", "1.26.4")}
    site.offer(
        sham_wheel(tmp_path / "more", RELEASE, requires=("numpy>=1",)),
        *(build_wheel(tmp_path / "more", name, each) for name, versions in more.items() for each in versions),
    )
    ask(site, f"tensorflow=={RELEASE}", "numpy<1", "patched==4.6.0")
    error = refusal(site, "lock")
    assert error["code"] == "resolver-conflict"
    assert error["evidence"][-1] == "no version satisfies `patched==4.6.0`"
    assert error["hint"].startswith(
        "`patched==4.6.0.66` instead of `patched==4.6.0`, `numpy==1.26.4` instead of `numpy<1`: this resolves"
    )


def test_all_lines_that_need_a_newer_python_are_named_with_what_would(site: Site, tmp_path: Path) -> None:
    offered = [(name, version) for name in ("ahead", "patched") for version in ("1.0", "2.0")]
    site.offer(*(build_wheel(tmp_path / "more", name, version) for name, version in offered))
    for name, version in offered[1::2]:
        page = site.root / "index" / name / "index.html"
        newer = f'<a data-requires-python="&gt;=3.99" href="{name}-{version}'
        page.write_text(page.read_text().replace(f'<a href="{name}-{version}', newer))
    ask(site, "ahead==2.0", "left", "patched>=2")
    error = refusal(site, "lock", status=10)
    assert error["code"] == "python-unsupported"
    version = ".".join(map(str, sys.version_info[:3]))
    assert error["evidence"][-1] == f"no version for Python {version} satisfies `ahead==2.0`, `patched>=2`"
    assert error["hint"].startswith(
        "`ahead==1.0` instead of `ahead==2.0`, `patched==1.0` instead of `patched>=2`: this resolves"
    )


def test_no_hint_is_a_version_without_the_extra_that_is_asked_for(site: Site, tmp_path: Path) -> None:
    more = tmp_path / "more"
    site.offer(
        build_wheel(more, "fast", "1.0"),
        build_wheel(more, "fast", "2.0", requires=['nowhere-to-be-found==1.0; extra == "cuda"']),
        build_wheel(more, "torch", "2.1.0"),
    )
    ask(site, "fast[cuda]==2.0", "left")
    assert "; or without `fast[cuda]==2.0` it resolves" in refusal(site, "lock")["hint"]
    ask(site, "fast[cuda]==2.0", "torch==2.1.0+cu121")
    hint = refusal(site, "lock", status=10)["hint"]
    assert hint.startswith("`torch==2.1.0` instead of `torch==2.1.0+cu121`, without `fast[cuda]==2.0`: this resolves")


@pytest.mark.parametrize(("name", "newest"), [("left", "2.0"), ("right", "1.0")])
@pytest.mark.parametrize("wanted", [">=7", "==7.*", ">2.0", "~=7.1"])
def test_a_range_without_any_version_is_the_reason(site: Site, name: str, newest: str, wanted: str) -> None:
    ask(site, "shared", f"{name}{wanted}")
    error = refusal(site, "lock", status=10)
    assert error["code"] == "version-not-available"
    assert error["hint"].startswith(f"`{name}=={newest}` instead of `{name}{wanted}`")


def test_all_names_that_no_index_has_are_named_at_once(site: Site) -> None:
    ask(site, "nowhere==1.0", "left", "nothing-of-the-kind")
    error = refusal(site, "lock")
    assert error["code"] == "package-name-wrong"
    assert error["evidence"][-1] == "no version satisfies `nowhere==1.0`, `nothing-of-the-kind`"
    assert error["hint"].startswith("correct the name")
    assert "; or without `nowhere==1.0`, without `nothing-of-the-kind`: this resolves, with TensorFlow" in error["hint"]


def test_an_empty_package_is_taken_in_the_version_before_it_refused_to_be_built(site: Site, tmp_path: Path) -> None:
    more = tmp_path / "more"
    site.offer(build_wheel(more, "aged", "1.0", requires=["sklearn"]))
    fails = project("sklearn", "0.0.post12", in_metadata="raise SystemExit('use scikit-learn')")
    empty = project("sklearn", "0.0", requires=["left"])
    simple_index(
        site.root / "index",
        [sdist(more, each, stem=f"sklearn-{version}") for each, version in ((empty, "0.0"), (fails, "0.0.post12"))],
    )
    ask(site, "aged")
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    found = dict(versions_in(site.lock.read_text()))
    assert (found["sklearn"], found["left"]) == ("0.0", "2.0")


def test_a_plan_for_another_machine_is_resolved_with_its_wheels(site: Site, tmp_path: Path) -> None:
    more, tag = tmp_path / "more", "py3-none-manylinux_2_17_{}"
    site.offer(
        *(sham_wheel(more, version, package="tensorflow") for version in (RELEASE, OLDER)),
        *(build_wheel(more, "tensorflow", version, tag=tag.format("aarch64")) for version in (RELEASE, OLDER)),
        build_wheel(more, "companion", "3.0", tag=tag.format("x86_64"), requires=["tensorflow"]),
        build_wheel(more, "companion", "3.0", tag=tag.format("aarch64"), requires=[f"tensorflow<{RELEASE}"]),
        build_wheel(more, "elsewhere", "1.0", tag=tag.format("x86_64")),
    )
    simple_index(site.root / "index", [sdist(more, project("built", "1.0"), stem="built-1.0")])
    facts = json.loads(site.run("facts", "--json").stdout)
    facts["machine"]["value"] = "aarch64"
    for one in facts["interpreters"]["value"]:
        one["machine"] = "aarch64" if "machine" in one else None
    (site.root / "host.json").write_text(json.dumps(facts))

    def there(*requirements: str) -> tuple[str, str]:
        ask(site, *requirements)
        done = site.run("plan", "train.toml", "--host", "host.json", "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        said = [note for note in document["notes"] if note.startswith("the other packages were not resolved")]
        left_out = [f"{one['requirement']}: {one['why']}" for one in document["decision"]["without"]]
        return document["decision"]["tensorflow"]["version"], "".join((*said, *left_out))

    assert there("companion") == (OLDER, "")
    assert planned(site)[0] == RELEASE
    release, said = there("companion", "elsewhere")
    assert (release, said.partition(" (")[0].endswith("or Python for them")) == (RELEASE, True)
    not_built = "built: it has no wheel for that machine, where it would be built; what it needs is not in this plan"
    assert there("built") == (RELEASE, not_built)
    # All others are resolved.
    assert there("built", "companion") == (OLDER, not_built)
    # What needs it has wheels, as many packages have whose oldest releases are sources only.
    site.offer(build_wheel(more, "needs-built", "2.0", requires=["built>=1"]))
    old = [sdist(more, project(name, "0.1"), stem=f"{name.replace('-', '_')}-0.1") for name in ("needs-built", "aged")]
    simple_index(site.root / "index", [*old, *(site.root / "index/needs-built").glob("*.whl")])
    assert there("needs-built") == (RELEASE, not_built)
    assert there("needs-built", "companion") == (OLDER, not_built)
    site.offer(build_wheel(more, "aged", "2.0"), build_wheel(more, "needs-aged", "1.0", requires=["aged==0.1"]))
    simple_index(site.root / "index", [*old[1:], *(site.root / "index/aged").glob("*.whl")])
    # Of the version that is asked for there are sources alone.
    assert there("aged<1") == (RELEASE, not_built.replace("built", "aged", 1))
    assert there("needs-aged", "companion") == (OLDER, not_built.replace("built", "aged", 1))


def test_a_plan_for_another_machine_leaves_out_what_tensorflow_is_bound_to_without_a_wheel(
    site: Site, tmp_path: Path
) -> None:
    more, tag = tmp_path / "more", "cp37-cp37m-manylinux2010_x86_64"
    site.offer(
        build_wheel(more, "tensorflow-cpu", "2.1.4", tag=tag, requires=["gast==0.2.2"]),
        build_wheel(more, "gast", "0.4.0"),
        build_wheel(more, "companion", "3.0"),
    )
    simple_index(
        site.root / "index",
        [sdist(more, project("gast", "0.2.2"), stem="gast-0.2.2"), more / "gast-0.4.0-py3-none-any.whl"],
    )
    facts = json.loads(site.run("facts", "--json").stdout)
    facts["interpreters"]["value"] = [{"path": "/opt/python3.7", "version": "3.7.17", "machine": "x86_64"}]
    facts["machine"]["value"] = "x86_64"
    (site.root / "host.json").write_text(json.dumps(facts))
    ask(site, "tensorflow==2.1.*", "companion", body='[tensorflow]\naccelerator = "cpu"')
    asked = ("--set", "python.path=/opt/python3.7")
    document = json.loads(site.run("plan", "train.toml", "--host", "host.json", *asked, "--json").stdout)
    assert document["decision"]["tensorflow"]["version"] == "2.1.4"
    assert [each["requirement"] for each in document["decision"]["without"]] == ["gast"]
    assert not [note for note in document["notes"] if note.startswith("the other packages were not resolved")]


def test_what_contradicts_itself_is_refused_for_another_machine_too(site: Site, tmp_path: Path) -> None:
    more = tmp_path / "more"
    site.offer(
        build_wheel(more, "one", "1.0", requires=["shared==1.0"]),
        build_wheel(more, "two", "1.0", requires=["shared>1.0"]),
    )
    facts = json.loads(site.run("facts", "--json").stdout)
    facts["memory_bytes"]["value"] = 950_000_000
    (site.root / "host.json").write_text(json.dumps(facts))
    ask(site, "one")
    done = site.run("plan", "train.toml", "--host", "host.json", "--json")
    assert "950 MB of memory is little: importing TensorFlow takes half a GB" in json.loads(done.stdout)["notes"]
    ask(site, "one", "two")
    error = json.loads(site.run("plan", "train.toml", "--host", "host.json", "--json").stdout)["error"]
    assert error["code"] == "resolver-conflict"
    assert error["hint"].startswith("without `one` it resolves, with TensorFlow")
    # A name that no index has is not there for any machine.
    ask(site, "one", "nowhere")
    error = json.loads(site.run("plan", "train.toml", "--host", "host.json", "--json").stdout)["error"]
    assert error["code"] == "package-name-wrong"
    assert "without `nowhere`: this resolves, with TensorFlow" in error["hint"]


def test_a_known_name_that_was_meant_is_tried(site: Site, tmp_path: Path) -> None:
    site.offer(*(build_wheel(tmp_path / "more", name, "1.0") for name in ("tf-agents", "gym")))
    ask(site, "tensorflow-agent>=7", "gyn", "sheaborn", "left")
    hint = refusal(site, "lock")["hint"]
    assert (
        "; or `tf-agents==1.0` instead of `tensorflow-agent>=7`, `gym==1.0` instead of `gyn`, without `sheaborn`: "
        f"this resolves, with TensorFlow {RELEASE}" in hint
    )


@pytest.mark.parametrize("wider", ["prereleases", "find-links"])
def test_that_a_lock_keeps_its_versions_where_more_count_is_said(site: Site, tmp_path: Path, wider: str) -> None:
    site.offer(build_wheel(tmp_path / "more", "fresh", "1.0"))
    ask(site, "fresh")
    assert site.run("lock", "train.toml").returncode == 0
    newer = build_wheel(tmp_path / "newer", "fresh", "2.0rc1" if wider == "prereleases" else "2.0")
    if wider == "prereleases":
        site.offer(newer)
        site.write('[packages]\nrequirements = ["fresh"]\nprereleases = "all"\n')
    else:
        text = site.profile.read_text("utf-8").replace("[smoke]", f'find-links = ["{newer.parent}"]\n[smoke]')
        site.profile.write_text(text, encoding="utf-8")
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    assert dict(versions_in(site.lock.read_text()))["fresh"] == "1.0"
    said = "the lock's versions still fit and are kept; `tfprov lock --upgrade` takes newer ones"
    assert said in " ".join(done.stderr.split())
    # What is up to date says it no more, and the command does what is said.
    assert said not in " ".join(site.run("lock", "train.toml").stderr.split())
    assert site.run("lock", "train.toml", "--upgrade").returncode == 0
    assert dict(versions_in(site.lock.read_text()))["fresh"].startswith("2.0")


@pytest.mark.parametrize(("day", "release"), [("2025-09-01", OLDER), ("2026-04-01", RELEASE)])
def test_a_time_pin_holds_on_an_index_that_gives_no_times(site: Site, tmp_path: Path, day: str, release: str) -> None:
    # By the table that comes with tfprov: 2.20.0 came in August 2025, 2.21.0 in March 2026, h5py 3.15 in October 2025.
    wheels = tmp_path / "more"
    site.offer(build_wheel(wheels, "h5py", "3.14.0"), build_wheel(wheels, "h5py", "3.15.0"))
    ask(site, "h5py")
    text = site.profile.read_text("utf-8").replace("[smoke]", f'exclude-newer = "{day}"\n[smoke]')
    site.profile.write_text(text, encoding="utf-8")
    assert planned(site)[0] == release
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    locked = site.lock.read_text()
    assert f'name = "tensorflow-cpu"\nversion = "{release}"' in locked
    # 2.21.0 itself wants h5py below 3.15; the sham does not say so.
    assert f'name = "h5py"\nversion = "{"3.14.0" if release == OLDER else "3.15.0"}"' in locked


def test_a_companion_follows_the_release_that_other_bounds_lead_to(site: Site, tmp_path: Path) -> None:
    """Without metadata of its own `tf-keras` is bound for the older release first, which numpy 2 leads to."""
    more = tmp_path / "more"
    site.offer(
        sham_wheel(more, RELEASE, requires=("numpy<2",)),
        build_wheel(more, "numpy", "1.26.4"),
        build_wheel(more, "numpy", "2.4.0"),
        build_wheel(more, "newest", "1.0", requires=["numpy"]),
        build_wheel(more, "newest", "2.0", requires=["numpy>=2"]),
        build_wheel(more, "imgaug", "0.4.0", requires=["numpy"]),
        build_wheel(more, "tf-keras", "2.20.1"),
        build_wheel(more, "tf-keras", "2.21.0"),
    )
    ask(site, "newest", "imgaug", "tf-keras")
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    locked = dict(versions_in(site.lock.read_text()))
    assert locked == {
        "imgaug": "0.4.0",
        "newest": "1.0",
        "numpy": "1.26.4",
        "tensorflow-cpu": RELEASE,
        "tf-keras": "2.21.0",
    }


KERAS_2 = "import os\nassert os.environ['TF_USE_LEGACY_KERAS'] == '1', 'Keras 3'\n"


def test_a_companion_that_needs_keras_2_gets_it_with_the_variable_which_the_lock_keeps(
    site: Site, tmp_path: Path
) -> None:
    recommenders = "tensorflow_recommenders/__init__.py"
    site.offer(
        build_wheel(tmp_path / "more", "tensorflow-recommenders", "0.7.7", files={recommenders: KERAS_2}),
        build_wheel(tmp_path / "more", "tf-keras", RELEASE),
    )
    ask(site, "tensorflow-recommenders")
    why = "`tensorflow-recommenders`: it is written for Keras 2, and `tf.keras` is Keras 3 otherwise"
    done = site.run("plan", "train.toml")
    assert done.returncode == 0, done.stderr
    assert f"tf-keras: {why}" in done.stdout
    assert f"TF_USE_LEGACY_KERAS=1: {why}" in done.stdout
    done = site.run("up", "train.toml")
    assert done.returncode == 0, done.stderr
    said = site.run("run", "train.toml", "--", "python", "-c", "import tensorflow_recommenders as one; print(one)")
    assert said.returncode == 0, said.stderr
    # The lock alone says it: to whoever has it, on every later run.
    needs = "`tensorflow-recommenders` needs `tf-keras` and `TF_USE_LEGACY_KERAS=1`: "
    assert needs in site.run("plan", "train.toml").stdout
    done = site.run("up", "train.toml", "--recreate", "--locked")
    assert done.returncode == 0, done.stderr
    # What the profile says of the variable counts.
    site.profile.write_text(f'{site.profile.read_text()}\n[environment.variables]\nTF_USE_LEGACY_KERAS = "0"\n')
    assert "Keras 3" in site.run("up", "train.toml").stderr


def test_what_overwrites_the_files_of_another_package_is_left_out(site: Site, tmp_path: Path) -> None:
    site.offer(
        build_wheel(tmp_path / "more", "opencv-python", "4.11.0", files={"cv2.py": "kind = 'windows'"}),
        build_wheel(tmp_path / "more", "opencv-python-headless", "4.11.0", files={"cv2.py": "kind = 'none'"}),
        build_wheel(tmp_path / "more", "augmenter", "1.0", requires=["opencv-python"]),
        build_wheel(tmp_path / "more", "faces", "1.0", requires=["opencv-python-headless"]),
    )
    ask(site, "augmenter", "opencv-python-headless")
    why = "both bring the module `cv2`, and overwrite each other's files"
    assert f"opencv-python: beside `opencv-python-headless`: {why}" in site.run("plan", "train.toml").stdout
    assert site.run("lock", "train.toml").returncode == 0
    assert 'name = "opencv-python"\n' not in site.lock.read_text()
    # The lock alone says it, on every later run.
    left_out = f"`opencv-python` is left out beside `opencv-python-headless`: {why}"
    assert left_out in site.lock.read_text()
    assert left_out in site.run("plan", "train.toml").stdout
    # A line whose marker is false asks for nothing.
    ask(site, "augmenter", "opencv-python-headless", "opencv-python; sys_platform == 'never'")
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    assert "although the profile asks for it" not in done.stderr
    assert left_out in site.lock.read_text()
    # What is asked for by name stays.
    ask(site, "faces", "opencv-python")
    site.up()
    assert "`opencv-python-headless` is left out beside `opencv-python`" in site.lock.read_text()
    # To ask for both is no reason to stop: what is kept brings the module of the other.
    ask(site, "opencv-python", "opencv-python-headless")
    done = site.run("up", "train.toml")
    assert done.returncode == 0, done.stderr
    told = "`opencv-python` is left out, although the profile asks for it, beside `opencv-python-headless`"
    assert f"{told}: {why}" in done.stdout + done.stderr
    assert 'name = "opencv-python"\n' not in site.lock.read_text()


def test_no_change_is_proposed_after_which_something_is_known_to_break(site: Site, tmp_path: Path) -> None:
    site.offer(
        build_wheel(tmp_path / "more", "tensorflow-ranking", "0.5.5"),
        build_wheel(tmp_path / "more", "resampy", "0.4.3"),
    )
    ask(site, "tensorflow-ranking", "resampy==9")
    assert "instead of" not in refusal(site, status=10)["hint"]
    ask(site, "resampy==9")
    assert "`resampy==0.4.3` instead of `resampy==9`" in refusal(site, status=10)["hint"]


def test_what_goes_in_no_version_is_refused_before_the_download_with_what_to_ask_for(
    site: Site, tmp_path: Path
) -> None:
    wheels = tmp_path / "more"
    site.offer(
        build_wheel(wheels, "nvidia-cudnn-cu12", "9.1", files={"nvidia/cudnn/lib/libcudnn.so.9": "12"}),
        build_wheel(wheels, "nvidia-cudnn-cu13", "9.1", files={"nvidia/cudnn/lib/libcudnn.so.9": "13"}),
        build_wheel(wheels, "ours", "1.0", requires=["nvidia-cudnn-cu12"]),
        build_wheel(wheels, "jax-cuda13-plugin", "0.9", requires=["nvidia-cudnn-cu13"]),
        build_wheel(wheels, "torch", "2.10.0", requires=["nvidia-cudnn-cu12"]),
        build_wheel(wheels, "torch", "2.11.0", requires=["nvidia-cudnn-cu13"]),
    )
    ask(site, "ours", "torch")
    assert site.run("lock", "train.toml").returncode == 0
    assert 'name = "torch"\nversion = "2.10.0"' in site.lock.read_text()
    ask(site, "ours", "jax-cuda13-plugin")
    error = refusal(site)
    assert error["what"].startswith("`jax-cuda13-plugin` and `nvidia-cudnn-cu12` cannot be installed together: ")
    assert error["hint"] == "ask for `jax[cuda12]`"


def test_a_companion_that_asks_for_the_full_tensorflow_decides_on_the_release_of_the_smaller_one(
    site: Site, tmp_path: Path
) -> None:
    """To a resolver they are two projects, of which it may take two releases."""
    more = tmp_path / "more"
    site.offer(
        *(sham_wheel(more, release, package="tensorflow") for release in (RELEASE, OLDER)),
        build_wheel(more, "garden", "1.0"),
        build_wheel(more, "garden", "2.0", requires=[f"tensorflow=={OLDER}"]),
    )
    ask(site, "garden", body='[tensorflow]\naccelerator = "cpu"')
    assert planned(site)[0] == OLDER
    assert site.run("lock", "train.toml").returncode == 0
    assert dict(versions_in(site.lock.read_text())) == {"garden": "2.0", "tensorflow": OLDER}


def test_a_companion_that_asks_for_the_smaller_tensorflow_decides_on_the_release_of_the_full_one(
    site: Site, tmp_path: Path
) -> None:
    """On Windows, where `tensorflow` has no CUDA, tfprov installs that."""
    more, tag = tmp_path / "more", "py3-none-win_amd64"
    releases = {("tensorflow", RELEASE), ("tensorflow", OLDER), ("tensorflow-cpu", RELEASE), ("tensorflow-cpu", OLDER)}
    site.offer(
        *(build_wheel(more, package, release, tag=tag) for package, release in sorted(releases)),
        build_wheel(more, "plugin", "1.0", requires=[f"tensorflow-cpu=={OLDER}"]),
        build_wheel(more, "both", "1.0", requires=["plugin", "tensorflow"]),
    )
    facts = json.loads(site.run("facts", "--json").stdout)
    facts |= {"system": {"value": "windows", "source": ""}, "os_version": {"value": "10.0.22631", "source": ""}}
    facts["machine"]["value"], facts["libc"]["value"] = "x86_64", None
    (site.root / "host.json").write_text(json.dumps(facts))

    def there(*requirements: str) -> tuple[str, str]:
        ask(site, *requirements)
        done = site.run("plan", "train.toml", "--host", "host.json", "--json")
        assert done.returncode == 0, done.stderr
        chosen = json.loads(done.stdout)["decision"]["tensorflow"]
        return chosen["package"], chosen["version"]

    assert there("plugin") == ("tensorflow-cpu", OLDER)
    assert there("both")[0] == "tensorflow"


def test_who_wants_the_smaller_tensorflow_beside_one_that_asks_for_the_other_is_told_how_and_gets_it(
    site: Site, tmp_path: Path
) -> None:
    site.offer(
        sham_wheel(tmp_path / "more", RELEASE, package="tensorflow"),
        build_wheel(
            tmp_path / "more", "for-all", "1.0", requires=["tensorflow"], files={"for_all.py": "import tensorflow\n"}
        ),
    )
    ask(site, "for-all", body='[tensorflow]\naccelerator = "cpu"')
    done = site.run("lock", "train.toml")
    advice = '`packages.exclude = ["tensorflow"]` keeps the smaller one'
    assert f"it is taken instead of `tensorflow-cpu`; {advice}" in done.stderr
    assert 'name = "tensorflow"\n' in site.lock.read_text()
    site.profile.write_text(site.profile.read_text() + 'exclude = ["tensorflow"]\n')
    site.up()
    assert 'name = "tensorflow"\n' not in site.lock.read_text()
    assert site.imported() == RELEASE
