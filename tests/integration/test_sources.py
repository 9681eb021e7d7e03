"""Packages without a wheel: real source distributions and repositories, a real index, uv, builds and environments."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from loopback import Index
from sdists import project, sdist
from site_under_test import OLDER, RELEASE, Site, only_here, sham_wheel
from wheels import build_wheel, simple_index

pytestmark = only_here


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(tmp_path / "wheels", RELEASE), sham_wheel(tmp_path / "wheels", OLDER))
    return site


def ask(site: Site, *requirements: str, body: str = "", smoke: str = 'level = "quick"') -> None:
    site.write(f"{body}\n[packages]\nrequirements = {json.dumps([*requirements])}\n", smoke=smoke)


def offer(site: Site, name: str, version: str, **told: object) -> Path:
    """Put the source distribution of a project into the index."""
    path = sdist(site.root / "sdists", project(name, version, **told), stem=f"{name.replace('-', '_')}-{version}")  # type: ignore[arg-type]
    simple_index(site.root / "index", [path, *(site.root / "index" / name).glob("*.[wt]*")])
    return path


def imported(site: Site, module: str) -> str:
    done = site.run("run", "train.toml", "--", "python", "-c", f"import {module}; print({module}.__version__)")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def failure(site: Site, status: int, *arguments: str) -> dict[str, object]:
    done = site.run(*(arguments or ("up", "train.toml")), "--json")
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    error: dict[str, object] = json.loads(done.stdout)["error"]
    return error


def test_a_page_is_read_once_although_the_resolver_is_asked_again_for_what_is_built(site: Site, tmp_path: Path) -> None:
    made = [
        sham_wheel(tmp_path / "wheels", RELEASE),
        build_wheel(tmp_path / "wheels", "user", "1.0", requires=["pure"]),
    ]
    made.append(sdist(tmp_path / "sdists", project("pure", "1.0"), stem="pure-1.0"))
    with Index({path.name: path for path in made}) as index:
        ask(site, "user")
        text = site.profile.read_text(encoding="utf-8")
        site.profile.write_text(text.replace((site.root / "index").as_uri(), index.simple), encoding="utf-8")
        done = site.run("lock", "train.toml")
        assert done.returncode == 0, done.stderr
        assert "to be built from source: `pure` 1.0" in done.stderr
        read = Counter(each.path for each in index.seen)
    # The plan reads of TensorFlow and of what has no wheel which files there are; uv reads all, twice.
    assert {name: read[f"/simple/{name}/"] for name in ("user", "pure", "tensorflow-cpu")} == {
        "user": 1,
        "pure": 2,
        "tensorflow-cpu": 2,
    }


def test_a_package_without_a_wheel_is_built_once(site: Site) -> None:
    offer(site, "pure", "1.0")
    ask(site, "pure")
    done = site.run("up", "train.toml")
    assert done.returncode == 0, done.stderr
    assert "no wheel fits, to be built from source: `pure` 1.0" in done.stderr
    assert "building pure 1.0 from its source" in done.stderr
    assert imported(site, "pure") == "1.0"
    again = site.run("up", "train.toml", "--recreate")
    assert again.returncode == 0, again.stderr
    assert "building" not in again.stderr


def test_a_package_with_a_wheel_is_built_where_a_file_says_so(site: Site, tmp_path: Path) -> None:
    site.offer(build_wheel(tmp_path / "more", "pure", "1.0"), build_wheel(tmp_path / "more", "early", "2.0rc1"))
    offer(site, "pure", "1.0")
    (site.profile.parent / "requirements.txt").write_text("--no-binary pure\n--pre\npure\nearly\n")
    site.write('\n[packages]\nfiles = ["requirements.txt"]\n', smoke='level = "quick"')
    done = site.run("up", "train.toml")
    assert done.returncode == 0, done.stderr
    assert "to be built from source, as asked: `pure` 1.0" in done.stderr
    assert "building pure 1.0 from its source" in done.stderr
    locked = next(site.profile.parent.glob("pylock.*")).read_text(encoding="utf-8")
    assert 'version = "2.0rc1"' in locked
    again = site.run("up", "train.toml")
    assert again.returncode == 0, again.stderr
    assert "nothing to do" in again.stdout
    # Without the choice the lock is made anew.
    (site.profile.parent / "requirements.txt").write_text("pure\n")
    error = failure(site, 2, "up", "train.toml", "--locked")
    assert error["code"] == "lock-unfit"
    assert "`no-binary` was `pure`, is unset" in str(error["evidence"])


def test_what_a_build_requires_comes_from_the_index(site: Site, tmp_path: Path) -> None:
    site.offer(
        build_wheel(tmp_path / "more", "asked-first", "1.0"), build_wheel(tmp_path / "more", "asked-later", "1.0")
    )
    check = "import asked_first, asked_later"
    offer(site, "pure", "1.0", build_requires=["asked-first"], more=["asked-later"], in_build=check)
    ask(site, "pure")
    site.up()
    assert imported(site, "pure") == "1.0"
    done = site.run("run", "train.toml", "--", "python", "-c", "import asked_first")
    assert done.returncode != 0, "what a build requires does not belong to the environment"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no compiler")
def test_an_extension_module_is_compiled(site: Site) -> None:
    source = """
    #include <Python.h>
    static struct PyModuleDef part = {PyModuleDef_HEAD_INIT, "part", NULL, -1, NULL};
    PyMODINIT_FUNC PyInit_part(void) {
        PyObject *module = PyModule_Create(&part);
        PyModule_AddStringConstant(module, "__version__", "compiled");
        return module;
    }
    """
    offer(site, "mixed", "1.0", c=source)
    ask(site, "mixed")
    site.up()
    assert imported(site, "part") == "compiled"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no compiler")
def test_a_missing_header_is_named_with_the_package_that_brings_it(site: Site) -> None:
    offer(site, "sound", "1.0", c="#include <portaudio.h>\n")
    ask(site, "sound")
    error = failure(site, 15)
    assert error["code"] == "build-tool-missing"
    assert (
        error["what"] == "`sound 1.0` has no wheel that fits, and its build failed: it needs the headers of PortAudio"
    )
    assert "`portaudio19-dev` on Debian and Ubuntu" in str(error["hint"])


def test_a_failed_build_shows_its_last_words_and_keeps_its_log(site: Site) -> None:
    offer(site, "broken", "1.0", in_build="print('so far so good'); raise RuntimeError('no luck today')")
    ask(site, "broken")
    error = failure(site, 15)
    assert error["code"] == "build-failed"
    evidence = list(error["evidence"])  # type: ignore[call-overload]
    assert "RuntimeError: no luck today" in evidence
    log = Path(evidence[-1].partition("`")[2].rstrip("`"))
    assert "so far so good" in log.read_text(encoding="utf-8")
    assert site.generations() == []


def test_the_newest_version_with_a_wheel_is_named_when_a_build_fails(site: Site, tmp_path: Path) -> None:
    offer(site, "broken", "2.0", in_build="raise RuntimeError('no luck today')")
    index = site.root / "index"
    simple_index(index, [build_wheel(tmp_path / "more", "broken", "1.0"), *(index / "broken").glob("*.gz")])
    ask(site, "broken>=2")
    assert "`broken==1.0`, which has a wheel for this Python" in str(failure(site, 15)["hint"])


def test_a_source_that_cannot_tell_what_it_needs_is_a_failed_build_as_well(site: Site) -> None:
    offer(site, "broken", "1.0", in_metadata="raise RuntimeError('no metadata today')")
    ask(site, "broken")
    error = failure(site, 15, "lock", "train.toml")
    assert error["code"] == "build-failed"
    assert "`broken==1.0` has no wheel that fits, and its source does not provide metadata" in str(error["what"])
    assert "RuntimeError: no metadata today" in error["evidence"]  # type: ignore[operator]


def test_a_source_that_wants_the_network_to_tell_what_it_needs_is_not_a_dead_index(site: Site) -> None:
    offer(site, "greedy", "1.0", in_metadata="import socket; socket.getaddrinfo('weights.invalid', 443)")
    ask(site, "greedy")
    error = failure(site, 15, "lock", "train.toml")
    assert error["code"] == "build-failed"
    assert "`greedy==1.0` has no wheel that fits, and its source does not provide metadata" in str(error["what"])
    assert "the build tried to use the network, which builds may not use" in error["evidence"]  # type: ignore[operator]
    # It fails like this everywhere, so that nothing else is tried; and the way on is one that works.
    assert error["hint"] == (
        "make its wheel where the network may be used (`pip wheel --no-deps`), and ask for `NAME @ ./FILE.whl`; or "
        "leave it out"
    )
    made = build_wheel(site.root, "greedy", "1.0")
    ask(site, f"greedy @ ./{made.name}")
    assert site.run("lock", "train.toml").returncode == 0


def test_a_build_has_neither_the_network_nor_variables_of_the_user(site: Site) -> None:
    command = ["unshare", "--net", "--map-root-user", "true"]
    if shutil.which("unshare") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("this system cannot shut the network off")
    check = """
import os, socket
assert "MY_TOKEN" not in os.environ, "the build sees a variable of the user"
assert not os.path.exists(os.path.join(os.environ["HOME"], "train.toml")), "the build may write to the user's home"
with socket.create_connection(("127.0.0.1", PORT), timeout=5):
    pass
"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        port = listener.getsockname()[1]
        offer(site, "curious", "1.0", in_build=check.replace("PORT", str(port)))
        site.extra["MY_TOKEN"] = "secret"
        ask(site, "curious")
        error = failure(site, 15)
        with pytest.raises(TimeoutError):
            listener.accept()
    assert error["code"] == "build-failed"
    assert "the build tried to use the network, which builds may not use" in error["evidence"]  # type: ignore[operator]


def test_a_source_that_tells_what_it_needs_sees_no_variables_of_the_user(site: Site) -> None:
    offer(site, "curious", "1.0", in_metadata="assert 'MY_TOKEN' not in os.environ, 'it sees the token'")
    site.extra["MY_TOKEN"] = "secret"
    ask(site, "curious")
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr


def test_another_machine_with_the_same_store_builds_nothing_and_needs_no_network(site: Site) -> None:
    offer(site, "pure", "1.0")
    ask(site, "pure")
    site.extra["TFPROV_STORE"] = str(site.root / "store")
    site.up()
    shutil.rmtree(site.root / "index")
    shutil.rmtree(site.home)
    done = site.run("up", "train.toml", "--offline")
    assert done.returncode == 0, done.stderr
    assert "building" not in done.stderr
    assert imported(site, "pure") == "1.0"


def test_a_built_wheel_that_the_store_has_lost_is_built_again(site: Site) -> None:
    offer(site, "pure", "1.0")
    ask(site, "pure")
    site.up()
    (wheel,) = site.home.glob("cache/store/sha256/*/*/pure-*.whl")
    wheel.unlink()
    done = site.run("up", "train.toml", "--recreate")
    assert done.returncode == 0, done.stderr
    assert "building pure 1.0" in done.stderr


def test_a_bundle_has_the_built_wheels(site: Site) -> None:
    offer(site, "pure", "1.0")
    ask(site, "pure")
    assert site.run("bundle", "train.toml", "-o", "out").returncode == 0
    lock = next((site.root / "out" / "profile").glob("pylock.*.toml")).read_text(encoding="utf-8")
    assert "sdist" not in lock
    assert "pure-1.0-py3-none-any.whl" in lock
    shutil.rmtree(site.root / "index")
    shutil.rmtree(site.home)
    done = site.run("up", "--bundle", "out")
    assert done.returncode == 0, done.stderr
    assert "building" not in done.stderr
    assert site.installed("pure.py").exists()


def test_where_wheels_give_an_answer_nothing_is_built(site: Site, tmp_path: Path) -> None:
    offer(site, "both", "2.0", in_metadata="raise RuntimeError('it is not even looked at')")
    index = site.root / "index"
    simple_index(index, [build_wheel(tmp_path / "more", "both", "1.0"), *(index / "both").glob("*.gz")])
    ask(site, "both")
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    assert 'name = "both"\nversion = "1.0"' in site.lock.read_text()


def test_a_dependency_without_a_wheel_is_built_and_the_others_are_not(site: Site, tmp_path: Path) -> None:
    offer(site, "pure", "1.0", requires=["shared>=1"])
    site.offer(build_wheel(tmp_path / "more", "user", "1.0", requires=["pure"]))
    offer(site, "shared", "2.0", in_metadata="raise RuntimeError('it has a wheel')")
    index = site.root / "index"
    simple_index(index, [build_wheel(tmp_path / "more", "shared", "1.5"), *(index / "shared").glob("*.gz")])
    ask(site, "user")
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    assert "to be built from source: `pure` 1.0\n" in done.stderr


@pytest.mark.parametrize("allowed", ['"never"', '["other"]'])
def test_what_may_not_be_built_is_refused(site: Site, allowed: str) -> None:
    offer(site, "pure", "1.0", in_metadata="raise RuntimeError('it may not run')")
    site.write(f'[packages]\nrequirements = ["pure"]\nbuild = {allowed}\n')
    error = failure(site, 15, "lock", "train.toml")
    assert error["code"] == "sdist-build-failed"


def test_a_refused_build_names_what_would_be_built(site: Site) -> None:
    offer(site, "pure", "1.0")
    site.write('[packages]\nrequirements = ["pure"]\nbuild = "never"\n')
    hint = str(failure(site, 15, "lock", "train.toml")["hint"])
    assert hint.startswith('`packages.build = "needed"` resolves, with TensorFlow')
    assert "`pure` would be built" in hint


def test_what_is_named_may_be_built(site: Site) -> None:
    offer(site, "pure-thing", "1.0")
    site.write('[packages]\nrequirements = ["pure-thing"]\nbuild = ["Pure_Thing"]\n')
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    assert 'built = ["pure-thing"]' in site.lock.read_text()


def test_more_is_locked_beside_what_is_built(site: Site, tmp_path: Path) -> None:
    offer(site, "pure", "1.0")
    ask(site, "pure")
    assert site.run("lock", "train.toml").returncode == 0
    site.offer(build_wheel(tmp_path / "more", "another", "1.0"))
    ask(site, "pure", "another")
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    assert 'built = ["pure"]' in site.lock.read_text()


def test_the_doctor_finds_nothing_wrong_with_what_was_built(site: Site) -> None:
    offer(site, "pure", "1.0")
    ask(site, "pure")
    site.up()
    shutil.rmtree(site.home / "cache" / "store" / "built")
    done = site.run("doctor", "train.toml", "--json")
    assert done.returncode == 0, done.stdout


def git(folder: Path, *arguments: str) -> str:
    name = ("-c", "user.name=A", "-c", "user.email=a@b.example", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *name, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a project in a folder, in version 1.0 and then 2.0."""
    folder = tmp_path / "a repository"
    (folder / "inner").mkdir(parents=True)
    git(tmp_path, "init", "--quiet", str(folder))
    for version in ("1.0", "2.0"):
        for name, text in project("own", version).items():
            (folder / "inner" / name).write_text(text)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", version)
        git(folder, "tag", f"v{version}")
    return folder


def want_git(site: Site, repository: Path, ref: str) -> None:
    (site.root / "requirements.txt").write_text(f"git+{repository.as_uri()}{ref}#egg=own&subdirectory=inner\n")
    site.write('[packages]\nfiles = ["requirements.txt"]\n')


@needs_git
def test_a_repository_without_a_name_is_taken_for_what_it_is_called_and_told_what_it_is(
    site: Site, repository: Path
) -> None:
    repository = repository.rename(repository.with_name("other"))
    address = f"git+{repository.as_uri()}"
    (site.root / "requirements.txt").write_text(f"{address}#subdirectory=inner\n")
    site.write('[packages]\nfiles = ["requirements.txt"]\n')
    done = site.run("lock", "train.toml", "--json")
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "package-name-wrong"
    assert f"write `own @ {address}#subdirectory=inner`" in error["hint"]
    repository = repository.rename(repository.with_name("own"))
    (site.root / "requirements.txt").write_text(f"git+{repository.as_uri()}#subdirectory=inner\n")
    done = site.run("lock", "train.toml")
    assert done.returncode == 0, done.stderr
    assert 'name = "own"' in site.lock.read_text()


@needs_git
def test_a_git_requirement_is_locked_at_its_commit_and_built_once(site: Site, repository: Path) -> None:
    want_git(site, repository, "@v1.0")
    site.up()
    assert imported(site, "own") == "1.0"
    assert f'commit-id = "{git(repository, "rev-parse", "v1.0^{commit}")}"' in site.lock.read_text()
    shutil.rmtree(repository)
    done = site.run("up", "train.toml", "--recreate", "--offline")
    assert done.returncode == 0, done.stderr
    assert "building" not in done.stderr


@needs_git
def test_a_branch_that_moved_is_followed_by_an_upgrade_only(site: Site, repository: Path) -> None:
    want_git(site, repository, "@main")
    git(repository, "reset", "--quiet", "--hard", "v1.0")
    site.up()
    git(repository, "reset", "--quiet", "--hard", "v2.0")
    site.up("--recreate")
    assert imported(site, "own") == "1.0"
    site.up("--upgrade")
    assert imported(site, "own") == "2.0"


@needs_git
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("{repository}@v9", "no such ref"),
        ("{repository}-gone", "no such repository"),
        ("http://127.0.0.1:9/x", "its host does not answer"),
        ("https://host.invalid/x", "its host name cannot be resolved"),
    ],
)
def test_a_repository_that_cannot_be_had_is_told_apart(site: Site, repository: Path, address: str, words: str) -> None:
    place = address.format(repository=repository.as_uri())
    ask(site, f"own @ git+{place}")
    error = failure(site, 12, "lock", "train.toml")
    assert error["code"] == "source-unreachable"
    assert str(error["what"]).endswith(f"cannot be fetched: {words}")


@needs_git
def test_without_git_that_is_what_is_missing(site: Site, repository: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "unshare", "true", "env"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    site.extra["PATH"] = str(tools)
    ask(site, f"own @ git+{repository.as_uri()}#subdirectory=inner")
    error = failure(site, 15, "lock", "train.toml")
    assert error["code"] == "build-tool-missing"
    assert "git is not installed" in str(error["what"])
    assert "`git` on Debian and Ubuntu" in str(error["hint"])
