from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.pylock import Pylock
from packaging.tags import Tag

from tfprov.errors import TfprovError
from tfprov.lock import platforms, pylock
from tfprov.lock.allowed import only_allowed
from tfprov.lock.records import Header, Inputs, Lock, LockedFile
from tfprov.lock.target_records import Target
from told import told

TAGS = (
    Tag("cp312", "cp312", "manylinux_2_28_x86_64"),
    Tag("cp312", "cp312", "manylinux_2_17_x86_64"),
    Tag("py3", "none", "any"),
)
ENVIRONMENT = {
    **default_environment(),
    "python_version": "3.12",
    "python_full_version": "3.12.1",
    "sys_platform": "linux",
}
SHA = "0123456789abcdef" * 4
HEADER = Header(
    inputs=Inputs(
        profile="train",
        tensorflow=">=2.16",
        requirements=("pandas>=2", "x @ https://h/x.whl"),
        extra=("https://e",),
        find_links=("wheels/",),
    ),
    target=Target(
        package="tensorflow-cpu",
        version="2.21.0",
        extras=("and-cuda",),
        accelerator="cpu",
        python="3.12",
        platform="linux-x86_64-glibc",
    ),
)


def wheel(name: str, version: str = "1.0", tag: str = "py3-none-any", sha: str = SHA, more: str = "") -> str:
    return f'{{ url = "https://host/{name}-{version}-{tag}.whl", {more}hashes = {{ sha256 = "{sha}" }} }}'


def package(name: str, *wheels: str, version: str = "1.0", more: str = "") -> str:
    listed = f"wheels = [{', '.join(wheels)}]\n" if wheels else ""
    return f'\n[[packages]]\nname = "{name}"\nversion = "{version}"\n{more}{listed}'


def document(*packages: str, head: str = "") -> str:
    return f'lock-version = "1.0"\ncreated-by = "uv"\n{head}' + "".join(packages)


def written(folder: Path, *packages: str, header: Header = HEADER, head: str = "") -> Path:
    path = folder / "pylock.train.toml"
    pylock.write(path, document(*packages, head=head), header)
    return path


def read(path: Path) -> Lock:
    return pylock.read(path, environment=ENVIRONMENT, tags=TAGS)  # type: ignore[arg-type]  # a whole environment


def refusal(path: Path) -> TfprovError:
    with pytest.raises(TfprovError) as failure:
        read(path)
    return failure.value


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = written(tmp_path / "new", package("zope", wheel("zope", more="size = 12, ")), package("app", wheel("app")))
    lock = read(path)
    assert [(file.name, file.version, file.size) for file in lock.files] == [("app", "1.0", None), ("zope", "1.0", 12)]
    assert lock.files[0].url == "https://host/app-1.0-py3-none-any.whl"
    assert lock.files[0].filename == "app-1.0-py3-none-any.whl"
    assert lock.files[0].sha256 == SHA
    assert (lock.path, lock.target, lock.changes) == (path, HEADER.target, ())
    assert lock.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert lock.version("zope") == "1.0"
    assert lock.version("nothing") is None
    assert pylock.read_header(path) == HEADER
    pylock.check_ours(path)


def test_other_tools_can_read_it(tmp_path: Path) -> None:
    import sys

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    Pylock.from_dict(tomllib.loads(written(tmp_path, package("app", wheel("app"))).read_text()))


def test_a_lock_that_is_not_there_has_no_header(tmp_path: Path) -> None:
    assert pylock.read_header(tmp_path / "pylock.x.toml") is None


def test_credentials_never_get_into_the_file(tmp_path: Path) -> None:
    secret = "https://me:hunter2@host/simple"
    header = replace(
        HEADER,
        inputs=replace(
            HEADER.inputs,
            index=secret,
            extra=("https://hunter2@host",),
            find_links=(secret,),
            requirements=(f"x @ {secret}/x.whl",),
        ),
    )
    resolved = package("app", wheel("app").replace("https://host", "https://me:hunter2@host"))
    path = written(tmp_path, resolved, header=header, head="# https://me:hunter2@host\n")
    assert "hunter2" not in path.read_text()
    assert read(path).files[0].url == "https://host/app-1.0-py3-none-any.whl"
    found = pylock.read_header(path)
    assert found is not None
    assert header.inputs.changes_from(found.inputs) == ()


def test_of_several_wheels_the_one_with_the_best_tag_is_taken(tmp_path: Path) -> None:
    tags = (
        "py3-none-any",
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp312-cp312-manylinux_2_28_x86_64",
        "cp313-cp313-win32",
    )
    path = written(tmp_path, package("app", *(wheel("app", tag=tag) for tag in tags)))
    assert read(path).files[0].filename == "app-1.0-cp312-cp312-manylinux_2_28_x86_64.whl"


def test_markers_choose_the_packages(tmp_path: Path) -> None:
    marked = package("windows", wheel("windows"), more="marker = \"sys_platform == 'win32'\"\n")
    assert [file.name for file in read(written(tmp_path, marked, package("app", wheel("app")))).files] == ["app"]


def test_a_file_beside_the_lock_is_found_from_the_lock(tmp_path: Path) -> None:
    local = package("app", wheel("app").replace("https://host/", "").replace("url", "path"))
    path = written(tmp_path / "a b", local)
    assert read(path).files[0].url == (tmp_path / "a b" / "app-1.0-py3-none-any.whl").as_uri()
    assert read(path).files[0].filename == "app-1.0-py3-none-any.whl"


def test_a_requirement_with_an_address_of_its_own_is_an_archive(tmp_path: Path) -> None:
    archive = f'archive = {{ url = "https://host/x/app-1.5+cpu-py3-none-any.whl", hashes = {{ sha256 = "{SHA}" }} }}\n'
    with_version = read(written(tmp_path, package("app", version="1.5+cpu", more=archive))).files[0]
    # The standard lets the version out.
    without = read(written(tmp_path, package("app", more=archive).replace('version = "1.0"\n', ""))).files[0]
    assert with_version == without
    assert without.version == "1.5+cpu"


def test_percent_signs_of_an_address_are_no_part_of_the_file_name(tmp_path: Path) -> None:
    path = written(tmp_path, package("app", wheel("app", "1.0%2Bcpu"), version="1.0+cpu"))
    assert read(path).files[0].filename == "app-1.0+cpu-py3-none-any.whl"


def test_hashes_are_compared_in_small_letters(tmp_path: Path) -> None:
    assert read(written(tmp_path, package("app", wheel("app", sha=SHA.upper())))).files[0].sha256 == SHA


def test_a_lock_that_is_a_link_is_replaced_and_what_it_led_to_stays(tmp_path: Path) -> None:
    """A cloned project could otherwise name any file of the user's as its lock."""
    there = tmp_path / "elsewhere" / "file"
    there.parent.mkdir()
    there.write_text("the user's")
    (tmp_path / "pylock.train.toml").symlink_to(there)
    path = written(tmp_path, package("app", wheel("app")))
    assert not path.is_symlink()
    assert there.read_text() == "the user's"


@pytest.mark.parametrize("host", ["xn--a", "index..example", "x" * 64, ""])
def test_an_address_whose_host_is_not_a_name_is_refused(tmp_path: Path, host: str) -> None:
    error = refusal(written(tmp_path, package("app", wheel("app")).replace("://", f"://{host}/")))
    assert error.code.name == "lock-invalid"
    assert error.what.endswith("has an invalid URL for `app`")


def test_a_wheel_without_sha_256_is_refused(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, package("app", wheel("app").replace("sha256", "sha512"))))
    assert error.code.name == "lock-invalid"
    assert error.what.endswith("has no SHA-256 for `app`")
    assert error.evidence == ("hashes given: sha512",)


@pytest.mark.parametrize("sha", ["", "00", "../../etc/passwd", "g" * 64])
def test_a_hash_that_is_none_is_refused(tmp_path: Path, sha: str) -> None:
    assert refusal(written(tmp_path, package("app", wheel("app", sha=sha)))).code.name == "lock-invalid"


@pytest.mark.parametrize("name", ["../../app-1.0-py3-none-any.whl", "app.whl", "a/app-1.0-py3-none-any.whl"])
def test_a_file_name_that_is_none_of_a_wheel_is_refused(tmp_path: Path, name: str) -> None:
    error = refusal(written(tmp_path, package("app", wheel("app", more=f'name = "{name}", '))))
    assert error.code.name in ("lock-invalid", "lock-unfit")


def test_an_escaped_slash_in_an_address_does_not_lead_out_of_a_folder(tmp_path: Path) -> None:
    archive = (
        f'archive = {{ url = "https://host/..%2F..%2Fapp-1.0-py3-none-any.whl", hashes = {{ sha256 = "{SHA}" }} }}\n'
    )
    assert refusal(written(tmp_path, package("app", more=archive))).code.name == "lock-invalid"


def test_a_package_with_only_a_source_distribution_is_refused(tmp_path: Path) -> None:
    source = f'sdist = {{ url = "https://host/app-1.0.tar.gz", hashes = {{ sha256 = "{SHA}" }} }}\n'
    error = refusal(written(tmp_path, package("app", more=source)))
    assert error.code.name == "lock-unfit"
    assert error.what == "`pylock.train.toml` has no wheel of `app` 1.0 for this machine"


def test_an_archive_that_is_not_a_wheel_and_not_to_be_built_is_refused(tmp_path: Path) -> None:
    archive = f'archive = {{ url = "https://host/app-1.0.zip", hashes = {{ sha256 = "{SHA}" }} }}\n'
    error = refusal(written(tmp_path, package("app", more=archive)))
    assert error.code.name == "lock-unfit"
    assert error.what == "`pylock.train.toml` has no wheel of `app` 1.0 for this machine"


def test_a_lock_without_wheels_for_the_interpreter_says_what_it_was_made_for(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, package("app", wheel("app", tag="cp313-cp313-win32"))))
    assert error.code.name == "lock-unfit"
    assert error.what == "`pylock.train.toml` does not fit this machine or interpreter"
    assert error.evidence[1] == "it was made for Python 3.12 on linux-x86_64-glibc"


def test_a_lock_for_a_newer_python_does_not_fit(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, package("app", wheel("app")), head='requires-python = ">=3.13"\n'))
    assert error.code.name == "lock-unfit"


def test_a_lock_that_something_else_made_is_neither_read_nor_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "pylock.train.toml"
    path.write_text(document(package("app", wheel("app"))))
    for verb in (read, pylock.read_header):
        with pytest.raises(TfprovError) as failure:
            verb(path)
        assert failure.value.code.name == "lock-invalid"
        assert failure.value.what == f"`{path}` was not made by tfprov"
    with pytest.raises(TfprovError) as failure:
        pylock.check_ours(path)
    assert failure.value.code.name == "path-not-ours"


@pytest.mark.parametrize("own", ["[tool]\ntfprov = 3", "tool = 3", "[tool.other]\nx = 1"])
def test_a_table_of_ours_that_is_no_table_is_not_ours_or_damaged(tmp_path: Path, own: str) -> None:
    path = tmp_path / "pylock.train.toml"
    path.write_text(f"{own}\n" + document() if own.startswith("tool =") else document() + f"\n{own}\n")
    with pytest.raises(TfprovError) as failure:
        pylock.read_header(path)
    assert failure.value.code.name == "lock-invalid"


@pytest.mark.parametrize(
    ("old", "new", "evidence"),
    [
        ('package = "tensorflow-cpu"\n', "", "`tool.tfprov.target.package`: Field required"),
        ('accelerator = "cpu"', "accelerator = 3", "`tool.tfprov.target.accelerator`: Input should be a valid string"),
        ("extra = [", 'extra = ["a", 3, ', "`tool.tfprov.inputs.extra.1`: Input should be a valid string"),
    ],
)
def test_a_damaged_header_is_named_by_its_key(tmp_path: Path, old: str, new: str, evidence: str) -> None:
    path = written(tmp_path, package("app", wheel("app")))
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    error = refusal(path)
    assert (error.code.name, error.what) == ("lock-invalid", f"`{path}` is damaged")
    assert error.evidence == (evidence,)


def test_a_header_of_a_later_version_with_more_keys_can_be_read(tmp_path: Path) -> None:
    path = written(tmp_path, package("app", wheel("app")))
    path.write_text(path.read_text().replace("[tool.tfprov.target]", "[tool.tfprov.target]\nlater = 1"))
    assert pylock.read_header(path) == HEADER


def test_a_byte_order_mark_and_other_line_ends_are_no_mistake(tmp_path: Path) -> None:
    path = written(tmp_path, package("app", wheel("app")))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert pylock.read_header(path) == HEADER


def test_a_mistake_made_by_hand_is_said_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, package("app", wheel("app")))
    path.write_text(path.read_text().replace('created-by = "uv"', "created-by = uv"))
    error = refusal(path)
    assert (error.code.name, error.what) == ("lock-invalid", f"`{path}` is not a valid lock")
    assert "line 4" in error.evidence[0]


def test_a_conflict_of_git_is_called_one(tmp_path: Path) -> None:
    path = written(tmp_path, package("app", wheel("app")))
    path.write_text(path.read_text().replace("created-by", "<<<<<<< HEAD\n=======\n>>>>>>> theirs\ncreated-by", 1))
    error = refusal(path)
    assert (error.code.name, error.what) == ("lock-invalid", f"`{path}` has an unresolved git conflict")
    assert error.evidence == ("line 4: <<<<<<< HEAD",)
    assert f"`git checkout --ours -- {path}`" in str(error.hint)


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"lock-version = '9.0'\ncreated-by = 'x'\npackages = []", b"packages = 3"]
)
def test_what_is_no_lock_at_all_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pylock.train.toml"
    path.write_bytes(content)
    assert refusal(path).what == f"`{path}` is not a valid lock"


def test_a_lock_that_is_a_folder_cannot_be_read(tmp_path: Path) -> None:
    assert refusal(tmp_path).what == f"`{tmp_path}` cannot be read"


def test_a_lock_for_several_platforms_has_a_target_for_each(tmp_path: Path) -> None:
    there = replace(HEADER.target, package="tensorflow", platform="windows-x86_64")
    header = replace(HEADER, others=(there,))
    path = written(tmp_path, package("app", wheel("app")), header=header)
    assert pylock.read_header(path) == header

    def target(platform: str | None) -> Target:
        return pylock.read(path, environment=ENVIRONMENT, tags=TAGS, platform=platform).target  # type: ignore[arg-type]  # a whole environment

    assert target("windows-x86_64") == there
    assert target("linux-x86_64-glibc") == target(None) == HEADER.target
    assert (header.target_on("windows-x86_64"), header.target_on("macos-arm64")) == (there, None)
    assert header.platforms == "linux-x86_64-glibc, windows-x86_64"


def test_a_lock_of_a_version_without_platforms_can_be_read(tmp_path: Path) -> None:
    path = written(tmp_path, package("app", wheel("app")))
    text = path.read_text()
    assert "platforms = []\n" in text
    assert "others = []\n" in text
    path.write_text(text.replace("platforms = []\n", "").replace("others = []\n", ""))
    assert pylock.read_header(path) == HEADER


@pytest.mark.parametrize(
    "address",
    [
        "xhttps://host/app-1.0-py3-none-any.whl",
        "https:///app-1.0-py3-none-any.whl",
        "https://h:port/app-1.0-py3-none-any.whl",
    ],
)
def test_an_address_that_cannot_be_asked_is_refused(tmp_path: Path, address: str) -> None:
    one = f'{{ url = "{address}", hashes = {{ sha256 = "{SHA}" }} }}'
    failure = refusal(written(tmp_path, package("app", one)))
    assert failure.code.name == "lock-invalid"
    assert address in failure.evidence


COMMIT = "12345678" * 5
SDIST = f'sdist = {{ url = "https://host/app-1.0.tar.gz", size = 9, hashes = {{ sha256 = "{SHA}" }} }}\n'
VCS = f'vcs = {{ type = "git", url = "https://host/app.git", commit-id = "{COMMIT}", subdirectory = "in" }}\n'
BUILT = replace(HEADER, built=("app",))


def test_what_the_lock_says_is_built_is_a_source(tmp_path: Path) -> None:
    (source,) = read(written(tmp_path, package("app", more=SDIST), header=BUILT)).sources
    assert (source.name, source.version, source.repository) == ("app", "1.0", "")
    assert source.archive is not None
    assert (source.archive.filename, source.archive.sha256, source.archive.size) == ("app-1.0.tar.gz", SHA, 9)
    assert source.identity == f"sha256:{SHA}"


def test_a_repository_is_known_by_its_commit_wherever_it_lies(tmp_path: Path) -> None:
    (source,) = read(written(tmp_path, package("app", more=VCS), header=BUILT)).sources
    assert (source.repository, source.subdirectory) == ("https://host/app.git", "in")
    assert source.identity == f"git:{COMMIT}#in"
    elsewhere = replace(source, repository="https://mirror/app.git")
    assert elsewhere.identity == source.identity


def test_a_wheel_that_fits_goes_before_the_source(tmp_path: Path) -> None:
    lock = read(written(tmp_path, package("app", wheel("app"), more=SDIST), header=BUILT))
    assert lock.sources == ()
    assert [file.filename for file in lock.files] == ["app-1.0-py3-none-any.whl"]


@pytest.mark.parametrize("source", [SDIST, VCS])
def test_a_source_that_the_lock_does_not_say_to_build_is_refused(tmp_path: Path, source: str) -> None:
    assert refusal(written(tmp_path, package("app", more=source))).code.name == "lock-unfit"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (COMMIT, "main"),
        (COMMIT, COMMIT[:7]),
        ('"git"', '"hg"'),
        ("app-1.0.tar.gz", "..%2Fapp-1.0.tar.gz"),
        ("https://host/app-1.0.tar.gz", "ftp://host/app-1.0.tar.gz"),
    ],
)
def test_a_source_that_cannot_be_relied_on_is_refused(tmp_path: Path, right: str, wrong: str) -> None:
    text = (VCS if right in VCS else SDIST).replace(right, wrong)
    assert refusal(written(tmp_path, package("app", more=text), header=BUILT)).code.name.startswith("lock-")


def test_built_wheels_take_the_place_of_their_sources(tmp_path: Path) -> None:
    packages = (package("app", more=SDIST), package("own", more=VCS), package("other", wheel("other")))
    path = written(tmp_path, *packages, header=replace(HEADER, built=("app", "own")))
    wheels = {
        name: LockedFile(name=name, version="1.0", filename=f"{name}-1.0-py3-none-any.whl", url="file:///x", sha256=SHA)
        for name in ("app", "own")
    }
    (tmp_path / "bundled").mkdir()
    bundled = tmp_path / "bundled" / path.name
    bundled.write_text(pylock.with_wheels(path.read_text(), wheels, "../wheels"))
    lock = read(bundled)
    assert lock.sources == ()
    assert [file.name for file in lock.files] == ["app", "other", "own"]
    assert lock.files[0].url == (tmp_path / "wheels" / "app-1.0-py3-none-any.whl").as_uri()


@pytest.mark.parametrize("content", [b"", b"\xff", b"packages = 3", b"x = " + b"[" * 100_000])
@pytest.mark.parametrize("is_ours", [True, False])
def test_a_renewal_is_advised_where_it_is_possible(tmp_path: Path, content: bytes, is_ours: bool) -> None:
    path = tmp_path / "pylock.train.toml"
    path.write_bytes(content + (b"\n[tool.tfprov]\n" if is_ours else b""))
    assert ("--upgrade" in str(refusal(path).hint)) is is_ours
    with contextlib.nullcontext() if is_ours else pytest.raises(TfprovError):
        pylock.check_ours(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_a_pipe_in_the_place_of_a_lock_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pylock.train.toml"
    os.mkfifo(path)
    assert refusal(path).what == f"`{path}` cannot be read"
    with pytest.raises(TfprovError) as failure:
        pylock.check_ours(path)
    assert failure.value.code.name == "path-not-ours"


FOLDER = 'directory = { path = "%s", editable = true }\n'


@pytest.mark.parametrize("name", ["a project", "pröject", "📦 box", "in/side"])
def test_a_folder_is_relative_to_the_lock_however_the_document_was_made(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    plain = document(package("app", wheel("app")), package("mine", more=FOLDER % folder.as_posix()))
    header = replace(HEADER, built=("mine",))
    here = platforms.PLATFORMS["linux-x86_64"]
    variables = {**ENVIRONMENT, "sys_platform": here.sys_platform, "platform_machine": here.platform_machine}
    for made in (
        plain,
        only_allowed(plain, {"app": (SHA,)}),
        platforms.merge({"linux-x86_64": plain, "macos-arm64": plain}, python="3.12"),
    ):
        path = tmp_path / "pylock.train.toml"
        pylock.write(path, made, header)
        assert str(tmp_path) not in path.read_text()
        lock = pylock.read(path, environment=variables, tags=TAGS)  # type: ignore[arg-type]  # a whole environment
        assert [(source.folder, source.editable) for source in lock.sources] == [(str(folder.resolve()), True)]


def test_a_lock_that_is_made_elsewhere_has_the_paths_of_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "project" / "mine"
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    draft = tmp_path / "far" / "away" / "pylock.train.toml"
    text = document(package("mine", more=FOLDER % folder.as_posix()))
    pylock.write(draft, text, replace(HEADER, built=("mine",)), folder=folder.parent)
    assert 'path = "mine"' in draft.read_text()
    lock = pylock.read(draft, environment=ENVIRONMENT, tags=TAGS, folder=folder.parent)  # type: ignore[arg-type]  # a whole environment
    assert [source.folder for source in lock.sources] == [str(folder)]


@pytest.mark.parametrize("name", ["own", "öwn wheels", "100% 📦"])
def test_files_beside_the_lock_are_relative_to_it_and_others_are_not(tmp_path: Path, name: str) -> None:
    here, there = tmp_path / "project", tmp_path / "elsewhere"
    listed = []
    for number, folder in enumerate((here / name, here, there)):
        file = (folder / f"app{number}-1.0-py3-none-any.whl").as_uri()
        hashes = f'hashes = {{ sha256 = "{SHA}" }}'
        entry = f'archive = {{ url = "{file}", {hashes} }}\n' if number else ""
        listed.append(package(f"app{number}", *(() if number else (f'{{ url = "{file}", {hashes} }}',)), more=entry))
    repository = (here / "repository.git").as_uri()
    more = f'vcs = {{ type = "git", url = "{repository}", commit-id = "{COMMIT}" }}\n'
    text = document(*listed, package("built", more=more))
    for made in (text, platforms.merge({"linux-x86_64": text}, python="3.12")):
        path = here / "pylock.train.toml"
        pylock.write(path, made, replace(HEADER, built=("built",)))
        assert repository in path.read_text()
        moved = tmp_path / "moved" / path.name
        moved.parent.mkdir(exist_ok=True)
        moved.write_bytes(path.read_bytes().replace(b"\nenvironments", b"\n# environments"))
        for lock, root in ((path, here), (moved, moved.parent)):
            lock.write_bytes(lock.read_bytes().replace(b"\nenvironments", b"\n# environments"))
            assert [file.url for file in read(lock).files] == [
                (root / name / "app0-1.0-py3-none-any.whl").as_uri(),
                (root / "app1-1.0-py3-none-any.whl").as_uri(),
                (there / "app2-1.0-py3-none-any.whl").as_uri(),
            ]


def raw(url: str, hashes: str = f'sha256 = "{SHA}"') -> str:
    return f'{{ url = "{url}", hashes = {{ {hashes} }} }}'


def archive(url: str) -> str:
    return f"archive = {raw(url)}\n"


RESTORE = "restore it, or renew it with `tfprov lock --upgrade`"
RENEW = "renew it with `tfprov lock --upgrade`"
WHEEL = "https://host/a-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (package("a", raw(WHEEL, 'md5 = "00"')), ("invalid", " has no SHA-256 for `a`", "hashes given: md5")),
        (package("a", wheel("a", sha="zz")), ("invalid", " has an invalid SHA-256 for `a`", "zz")),
        (
            package("a", raw(f"https:///{WHEEL[13:]}")),
            ("invalid", " has an invalid URL for `a`", f"https:///{WHEEL[13:]}", "it has no host"),
        ),
        (
            package("a", raw(f"ftp{WHEEL[5:]}")),
            (
                "invalid",
                " has an invalid URL for `a`",
                f"ftp{WHEEL[5:]}",
                "its scheme `ftp` is not https, http or file",
            ),
        ),
        (
            package("a", more=archive("https://host/a.whl")),
            (
                *("invalid", " has a file for `a` with an invalid wheel name"),
                "Invalid wheel filename (wrong number of parts): 'a'",
            ),
        ),
        (package("a", more=archive("https://host/%2e%2e")), ("invalid", " has an invalid file name for `a`")),
        (
            package("a", more='vcs = { type = "git", url = "https://h/r", commit-id = "1234" }\n'),
            ("invalid", " has an incomplete commit hash for `a`"),
        ),
        (
            package("a", more='vcs = { type = "hg", url = "https://h/r", commit-id = "1234" }\n'),
            ("unfit", " locks a repository for `a` that is not a git repository", "its type is `hg`"),
        ),
        (
            package("b", more=archive("https://host/b-1.tar.gz")),
            ("unfit", " has no wheel of `b` 1.0 for this machine", "it has a source that is not marked to be built"),
        ),
    ],
)
def test_what_is_wrong_with_a_package_is_said_in_full(tmp_path: Path, entry: str, words: tuple[str, ...]) -> None:
    path = written(tmp_path, entry, header=replace(HEADER, built=("a",)))
    kind, what, *evidence = words
    named = f"`{path}`" if kind == "invalid" else f"`{path.name}`"
    hint = RESTORE if kind == "invalid" else RENEW
    assert told(refusal(path)) == (f"lock-{kind}", f"{named}{what}", *evidence, hint)


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pylock.train.toml"
    entry = package("a", more='directory = { path = "gone" }\n')
    pylock.write(path, document(entry), replace(HEADER, built=("a",)), folder=tmp_path)
    code, what, evidence, hint = told(refusal(path))
    assert (code, hint) == ("lock-unfit", RENEW)
    assert what.startswith("`pylock.train.toml` locks the folder `")
    assert what.endswith("gone` for `a`, which is not a Python project")
    assert evidence.endswith("gone` has neither `pyproject.toml` nor `setup.py`")
