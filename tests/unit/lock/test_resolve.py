from __future__ import annotations

import errno
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from uv import find_uv_bin

from sdists import project, sdist
from tfprov import process
from tfprov.errors import TfprovError
from tfprov.lock import pylock
from tfprov.lock.question import Question, Resolver
from tfprov.lock.records import Header, Inputs
from tfprov.lock.refusals import NoWheelsError
from tfprov.lock.resolve import _ask_freely, is_tensorflow, resolve, sources_in, tensorflows_in
from tfprov.lock.target_records import Target
from wheels import build_wheel, simple_index

UV = Path(find_uv_bin())
HEADER = Header(
    inputs=Inputs(profile="x"),
    target=Target(package="app", version="1", extras=(), accelerator="cpu", python="3", platform="x"),
)


def question(*requirements: str, constraints: tuple[str, ...] = ()) -> Question:
    return Question(requirements=requirements, constraints=constraints, python=Path(sys.executable))


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    source = tmp_path / "source"
    return [
        build_wheel(source, "app", "1.0", requires=["dep>=1"]),
        build_wheel(source, "dep", "1.0"),
        build_wheel(source, "dep", "2.0"),
        build_wheel(source, "old-only", "1.0", requires=["dep<2"]),
        build_wheel(source, "new-only", "1.0", requires=["dep>=2"]),
        build_wheel(source, "future", "1.0", requires_python=">=4"),
        build_wheel(source, "windows", "1.0", tag="py3-none-win32"),
    ]


@pytest.fixture
def resolver(tmp_path: Path, wheels: list[Path]) -> Resolver:
    # The space and the umlaut are on purpose: addresses escape them, paths do not.
    index = simple_index(tmp_path / "my ïndex", wheels)
    environ = {"PATH": os.environ.get("PATH", os.defpath), "UV_DEFAULT_INDEX": index.as_uri()}
    return Resolver(uv=UV, cache=tmp_path / "cache", environ=environ)


def versions(resolved: str) -> dict[str, str]:
    import re

    return dict(re.findall(r'(?m)^name = "(.+)"\nversion = "(.+)"$', resolved))


def refusal(asked: Question, resolver: Resolver) -> TfprovError:
    with pytest.raises(TfprovError) as failure:
        resolve(asked, resolver)
    assert failure.value.what == "the requirements could not be resolved"
    return failure.value


def test_the_newest_of_everything_is_taken_with_its_hash(resolver: Resolver) -> None:
    resolved = resolve(question("app"), resolver)
    assert versions(resolved) == {"app": "1.0", "dep": "2.0"}
    assert resolved.count("sha256 = ") == 2


def test_constraints_bind_what_is_needed_and_ask_for_nothing(resolver: Resolver) -> None:
    assert versions(resolve(question("app", constraints=("dep<2", "future<1")), resolver)) == {
        "app": "1.0",
        "dep": "1.0",
    }


def test_a_conflict_is_told_in_the_words_of_uv(resolver: Resolver) -> None:
    error = refusal(question("old-only", "new-only"), resolver)
    assert error.code.name == "resolver-conflict"
    assert "dep" in "\n".join(error.evidence)


def test_a_package_that_the_index_does_not_have_is_named(resolver: Resolver) -> None:
    error = refusal(question("app", "tensorflwo"), resolver)
    assert error.code.name == "package-name-wrong"
    assert "tensorflwo" in "\n".join(error.evidence)


def test_a_package_that_would_have_to_be_built_is_refused(tmp_path: Path, resolver: Resolver) -> None:
    folder = tmp_path / "my ïndex" / "built"
    folder.mkdir()
    (folder / "built-1.0.tar.gz").write_bytes(b"no archive: nobody may open it")
    (folder / "index.html").write_text('<a href="built-1.0.tar.gz">built-1.0.tar.gz</a>')
    error = refusal(question("built"), resolver)
    assert error.code.name == "sdist-build-failed"


def test_a_version_that_does_not_exist_is_said_so(resolver: Resolver) -> None:
    assert refusal(question("dep==3.0"), resolver).code.name == "version-not-available"


def test_a_package_for_another_python_is_said_so(resolver: Resolver) -> None:
    assert refusal(question("future"), resolver).code.name == "python-unsupported"


@pytest.mark.skipif(sys.platform == "win32", reason="the wheel is for Windows")
def test_a_package_for_another_system_is_said_so(resolver: Resolver) -> None:
    assert refusal(question("windows"), resolver).code.name == "platform-no-wheel"


def test_versions_of_an_older_lock_are_kept_where_they_fit(resolver: Resolver) -> None:
    keeping = replace(question("app"), prefer=(("app", "1.0"), ("dep", "1.0")))
    assert versions(resolve(keeping, resolver))["dep"] == "1.0"
    assert versions(resolve(replace(keeping, requirements=("app", "new-only")), resolver))["dep"] == "2.0"


def test_the_date_limit_reaches_uv(resolver: Resolver) -> None:
    # Files in a folder have no upload time, and uv leaves out what it cannot date.
    error = refusal(replace(question("app"), exclude_newer="2020-01-01"), resolver)
    assert error.code.name in ("resolver-conflict", "version-not-available", "package-name-wrong")


def test_folders_of_wheels_are_searched_too(tmp_path: Path, resolver: Resolver) -> None:
    links = tmp_path / "my links"
    build_wheel(links, "local", "3.0")
    resolved = resolve(question("local"), replace(resolver, find_links=(str(links),)))
    lock = tmp_path / "elsewhere" / "pylock.x.toml"
    pylock.write(lock, resolved, HEADER)
    # Wherever the lock lies, the file is found.
    assert (links / "local-3.0-py3-none-any.whl").as_uri() in lock.read_text()


def test_indexes_are_merged_only_on_request(tmp_path: Path, wheels: list[Path], resolver: Resolver) -> None:
    other = simple_index(tmp_path / "other", [build_wheel(tmp_path / "source", "dep", "9.0")])
    both = replace(resolver, environ={**resolver.environ, "UV_INDEX": resolver.environ["UV_DEFAULT_INDEX"]})
    both = replace(both, environ={**both.environ, "UV_DEFAULT_INDEX": other.as_uri()})
    assert versions(resolve(question("dep"), both)) == {"dep": "2.0"}
    assert versions(resolve(question("dep"), replace(both, merge_indexes=True))) == {"dep": "9.0"}


def test_a_fresh_resolve_works_as_well(resolver: Resolver) -> None:
    assert versions(resolve(question("app"), replace(resolver, fresh=True))) == {"app": "1.0", "dep": "2.0"}


def test_a_configuration_of_uv_lying_about_changes_nothing(
    tmp_path: Path, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uv.toml").write_text('no-index = true\nresolution = "lowest"\n')
    monkeypatch.chdir(tmp_path)
    assert versions(resolve(question("app"), resolver))["dep"] == "2.0"


def script(folder: Path, body: str) -> Path:
    path = folder / "uv"
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(os.name != "posix", reason="a script as a program")
def test_an_index_that_never_answers_meets_the_time_limit(tmp_path: Path, resolver: Resolver) -> None:
    silent = script(
        tmp_path, "import sys, time; print('waiting for the index', file=sys.stderr, flush=True); time.sleep(600)"
    )
    with pytest.raises(TfprovError) as failure:
        resolve(question("app"), replace(resolver, uv=silent, timeout=1.0))
    assert failure.value.code.name == "net-timeout"
    assert failure.value.what == "the index did not answer in 1 s"
    # Whoever stands between uv and the index knows better.
    seen = TfprovError("net-refused", "nothing listens there")
    with pytest.raises(TfprovError) as failure:
        resolve(question("app"), replace(resolver, uv=silent, timeout=1.0, failure=lambda: seen))
    assert failure.value is seen


def test_a_uv_that_is_gone_is_a_part_of_tfprov_that_is_missing(tmp_path: Path, resolver: Resolver) -> None:
    with pytest.raises(TfprovError) as failure:
        resolve(question("app"), replace(resolver, uv=tmp_path / "gone"))
    assert failure.value.code.name == "extra-missing"


def test_a_system_that_starts_no_more_processes_is_to_blame_and_not_uv(
    monkeypatch: pytest.MonkeyPatch, resolver: Resolver
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("subprocess.Popen", refuse)
    with pytest.raises(TfprovError) as failure:
        resolve(question("app"), resolver)
    assert failure.value.code.name == "limit-reached"


def test_distributions_of_tensorflow_are_found_in_a_resolved_document(tmp_path: Path, resolver: Resolver) -> None:
    links = tmp_path / "links"
    build_wheel(links, "tensorflow-cpu", "2.0", requires=["tensorflow-io"])
    build_wheel(links, "tensorflow-io", "2.0", requires=["tensorflow"])
    build_wheel(links, "tensorflow", "2.0")
    resolved = resolve(question("tensorflow-cpu"), replace(resolver, find_links=(str(links),)))
    assert tensorflows_in(resolved) == ("tensorflow", "tensorflow-cpu")
    assert tensorflows_in(resolve(question("app"), resolver)) == ()


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("tensorflow", True),
        ("TensorFlow[and-cuda]>=2.16 ; python_version > '3'", True),
        ("tensorflow_cpu==2.15", True),
        ("tf.nightly", True),
        ("tensorflow-io", False),
        ("tensorflow-hub", False),
        ("keras", False),
    ],
)
def test_a_requirement_asks_for_tensorflow_itself_or_not(requirement: str, expected: bool) -> None:
    assert is_tensorflow(requirement) is expected


def test_overrides_hold_instead_of_what_packages_ask_for(resolver: Resolver) -> None:
    asked = replace(question("old-only"), overrides=("dep>=2",))
    assert versions(resolve(asked, resolver)) == {"old-only": "1.0", "dep": "2.0"}


def test_what_is_excluded_does_not_come(resolver: Resolver) -> None:
    assert versions(resolve(replace(question("app"), exclude=("dep",)), resolver)) == {"app": "1.0"}


def test_a_file_without_an_allowed_hash_is_not_locked(resolver: Resolver) -> None:
    with pytest.raises(TfprovError) as failure:
        resolve(replace(question("dep==1.0"), hashes={"dep": ("0" * 64,)}), resolver)
    assert failure.value.code.name == "version-not-available"


def test_a_wheel_beside_the_profile_is_locked_by_an_address_that_stays(
    resolver: Resolver, wheels: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "a folder").mkdir()
    wheel = wheels[1].rename(tmp_path / "a folder" / wheels[1].name)
    here = replace(resolver, environ={**resolver.environ, "PROJECT_ROOT": str(tmp_path)})
    resolved = resolve(question("dep @ file://${PROJECT_ROOT}/a folder/" + wheel.name), here)
    assert f'archive = {{ url = "{wheel.as_uri()}"' in resolved


@pytest.fixture
def with_sources(resolver: Resolver, tmp_path: Path) -> Resolver:
    """The same index, and source distributions in it."""
    sources = [
        sdist(tmp_path / "sdists", project(name, version, requires=requires), stem=f"{name}-{version}")
        for name, version, requires in (
            ("pure", "1.0", ["dep<2"]),
            ("user", "1.0", ["pure"]),
            ("tensorflow", "9.0", []),
        )
    ]
    simple_index(tmp_path / "my ïndex", sources)
    return replace(resolver, bare_environ=resolver.environ)


def test_what_has_no_wheel_is_taken_from_its_source_where_that_is_allowed(with_sources: Resolver) -> None:
    asked = replace(question("user", "app"), build="needed")
    resolved = resolve(asked, with_sources)
    assert versions(resolved) == {"app": "1.0", "dep": "1.0", "pure": "1.0", "user": "1.0"}
    assert sources_in(resolved) == ("pure", "user")


@pytest.mark.parametrize("build", ["never", ("user",), ("pure",)])
def test_what_is_not_allowed_is_not_built(with_sources: Resolver, build: Literal["never"] | tuple[str, ...]) -> None:
    error = refusal(replace(question("user"), build=build), with_sources)
    assert error.code.name == "sdist-build-failed"


def test_those_that_are_named_are_enough(with_sources: Resolver) -> None:
    asked = replace(question("user"), build=("User", "pure"))
    assert sources_in(resolve(asked, with_sources)) == ("pure", "user")


@pytest.fixture
def with_both(with_sources: Resolver, tmp_path: Path) -> Resolver:
    """A project with a wheel and its source, and a pre-release of it."""
    both = [
        build_wheel(tmp_path / "source", "both", "1.0"),
        sdist(tmp_path / "sdists", project("both", "1.0"), stem="both-1.0"),
        build_wheel(tmp_path / "source", "both", "2.0rc1"),
    ]
    simple_index(tmp_path / "my ïndex", both)
    return with_sources


@pytest.mark.parametrize("build", ["needed", "never", ("pure",)])
def test_what_is_to_be_built_is_although_it_has_a_wheel(
    with_both: Resolver, build: Literal["needed", "never"] | tuple[str, ...]
) -> None:
    asked = replace(question("both", "app"), build=build)
    assert sources_in(resolve(asked, with_both)) == ()
    resolved = resolve(replace(asked, sources=("both",)), with_both)
    assert (versions(resolved)["both"], sources_in(resolved)) == ("1.0", ("both",))


def test_what_is_never_to_be_built_is_not(with_sources: Resolver) -> None:
    asked = replace(question("user"), build="needed", never_built=("pure",))
    assert refusal(asked, with_sources).code.name == "sdist-build-failed"
    assert not asked.may_build("Pure")
    assert replace(asked, sources=("user",), build="never").may_build("User")
    assert not replace(asked, sources=("tensorflow",)).may_build("tensorflow")


def test_pre_releases_count_where_all_are_asked_for(with_both: Resolver) -> None:
    assert versions(resolve(question("both"), with_both)) == {"both": "1.0"}
    assert versions(resolve(replace(question("both"), prereleases=True), with_both)) == {"both": "2.0rc1"}


def test_tensorflow_is_never_built(with_sources: Resolver) -> None:
    assert refusal(replace(question("tensorflow"), build="needed"), with_sources).code.name == "sdist-build-failed"


@pytest.mark.parametrize("cuda", ["cu11", "cu12", "cu13"])
@pytest.mark.parametrize("library", ["cudnn", "cuda-runtime", "nccl", "nvshmem"])
def test_libraries_of_cuda_are_never_built(library: str, cuda: str) -> None:
    assert not replace(question(), build="needed").may_build(f"nvidia-{library}-{cuda}")


@pytest.mark.parametrize("name", ["nvidia-ml-py3", "nvidia-ml-py", "nvidia-smi", "nvidia-pyindex"])
def test_what_is_plain_python_may_be_built_whoever_publishes_it(name: str) -> None:
    assert replace(question(), build="needed").may_build(name)


def test_builds_can_be_left_to_a_later_question(with_sources: Resolver) -> None:
    asked = replace(question("pure"), build="needed", builds="none")
    assert refusal(asked, with_sources).code.name == "sdist-build-failed"
    assert sources_in(resolve(replace(asked, built=("pure",)), with_sources)) == ("pure",)


def test_what_has_wheels_for_other_pythons_can_be_left_to_these(with_sources: Resolver) -> None:
    asked = replace(question("user"), build="needed", builds="nowhere")
    assert sources_in(resolve(asked, with_sources)) == ("pure", "user")
    elsewhere = replace(with_sources, has_wheels=lambda name: name == "pure")
    error = refusal(asked, elsewhere)
    assert isinstance(error, NoWheelsError)
    assert error.names == ("pure",)
    assert sources_in(resolve(replace(asked, builds="lacking"), elsewhere)) == ("pure", "user")


@pytest.fixture
def with_mixed(with_sources: Resolver, tmp_path: Path) -> Resolver:
    """A project whose old version has a wheel, the newer one only sources, the newest a wheel for another platform."""
    simple_index(
        tmp_path / "my ïndex",
        [
            build_wheel(tmp_path / "mixed", "mixed", "1.0"),
            sdist(tmp_path / "mixed", project("mixed", "2.0"), stem="mixed-2.0"),
            build_wheel(tmp_path / "mixed", "mixed", "3.0", tag="py3-none-win32"),
            build_wheel(tmp_path / "mixed", "wants-newer", "1.0", requires=["mixed>=2", "other"]),
            build_wheel(tmp_path / "mixed", "other", "1.0"),
            sdist(tmp_path / "mixed", project("other", "2.0"), stem="other-2.0"),
        ],
    )
    return replace(with_sources, lacks_wheels=lambda name: name in ("pure", "user"))


@pytest.mark.parametrize("more", [(), ("user",)])
def test_what_has_wheels_of_other_versions_is_built_where_nothing_else_helps(
    with_mixed: Resolver, more: tuple[str, ...]
) -> None:
    asked = replace(question("wants-newer", *more), build="needed")
    resolved = resolve(asked, with_mixed)
    assert versions(resolved)["mixed"] == "2.0"
    assert refusal(replace(asked, builds="lacking"), with_mixed)
    named = resolve(replace(asked, build=("mixed", "pure", "user")), with_mixed)
    # What has a wheel that fits is not built because something else has to be.
    assert versions(named) == versions(resolved) | {"other": "1.0"} == versions(resolved)
    assert sources_in(resolved) == ("mixed", *(("pure", "user") if more else ()))


def test_a_version_that_does_not_exist_is_named_although_something_else_has_no_wheel(with_mixed: Resolver) -> None:
    error = refusal(replace(question("wants-newer", "old-only==9"), build="needed"), with_mixed)
    assert error.code.name == "version-not-available"
    assert "there is no version of old-only==9" in " ".join(error.evidence)


def test_what_has_no_wheel_is_built_before_anything_that_has_one(with_mixed: Resolver) -> None:
    resolved = resolve(replace(question("user", "mixed", "other"), build="needed"), with_mixed)
    assert sources_in(resolved) == ("pure", "user")
    assert {name: versions(resolved)[name] for name in ("mixed", "other")} == {"mixed": "1.0", "other": "1.0"}


def test_tensorflow_is_not_built_where_everything_else_may_be(with_mixed: Resolver) -> None:
    asked = replace(question("tensorflow", "wants-newer"), build="needed")
    assert refusal(asked, with_mixed).code.name == "sdist-build-failed"


@pytest.fixture
def with_history(with_sources: Resolver, tmp_path: Path) -> Resolver:
    """The index also has a project without wheels, the first release of which nobody can build any more."""
    mark = f"open({str(tmp_path / 'read')!r}, 'a').write(TOLD['version'] + ' ')"
    history = [
        sdist(
            tmp_path / "sdists", project("many", version, requires=["pure"], in_metadata=code), stem=f"many-{version}"
        )
        for version, code in (("1.0", "raise SystemExit('no')"), ("2.0", mark), ("3.0", mark))
    ]
    simple_index(tmp_path / "my ïndex", history)
    return replace(with_sources, newest_source={"many": "3.0"}.get)


def test_of_what_has_to_be_built_the_newest_version_is_looked_at_first(with_history: Resolver, tmp_path: Path) -> None:
    asked = replace(question("many"), build="needed")
    assert sources_in(resolve(asked, with_history)) == ("many", "pure")
    assert (tmp_path / "read").read_text().split() == ["3.0"]


def test_where_the_newest_version_does_not_go_an_older_one_is_built(with_history: Resolver) -> None:
    asked = replace(question("many", "pure", constraints=("many<3",)), build="needed")
    assert versions(resolve(asked, with_history))["many"] == "2.0"


def test_a_build_that_fails_is_the_reason_if_it_has_to_be_built(with_history: Resolver) -> None:
    with pytest.raises(TfprovError, match=r"^`many==1\.0` has no wheel that fits, and its source does not") as failure:
        resolve(replace(question("many<2"), build="needed"), replace(with_history, lacks_wheels=lambda _: False))
    assert failure.value.code.name == "build-failed"


@pytest.mark.parametrize(("line", "told"), [("many<2", "build-failed"), ("many", "sdist-build-failed")])
def test_a_failed_build_is_the_reason_if_that_version_was_asked_for(
    with_history: Resolver, line: str, told: str
) -> None:
    # uv had named another project that has no wheel either.
    refused = NoWheelsError(("pure",), TfprovError("sdist-build-failed", "`pure` has no wheel"))
    with pytest.raises(TfprovError) as failure:
        _ask_freely(replace(question(line, constraints=("many<2",)), build="needed"), with_history, refused)
    assert failure.value.code.name == told
    # What uv said before builds were allowed is not the whole reason.
    assert "`many==1.0` has no wheel that fits, and its source" in " ".join(
        (failure.value.what, *failure.value.evidence)
    )


def test_a_version_that_is_kept_is_not_left_for_the_newest(with_history: Resolver) -> None:
    asked = replace(question("many"), build="needed", built=("many", "pure"), prefer=(("many", "2.0"),))
    assert versions(resolve(asked, with_history))["many"] == "2.0"


@pytest.fixture
def with_chain(with_sources: Resolver, tmp_path: Path) -> Resolver:
    """A chain of projects without wheels, the middle of which is a version without any of a project that has some."""
    chain = [
        sdist(tmp_path / "sdists", project(name, "1.0", requires=[needed]), stem=f"{name}-1.0")
        for name, needed in (("first", "middle==1.0"), ("middle", "third"), ("third", "last"), ("last", "dep<2"))
    ]
    simple_index(tmp_path / "my ïndex", [*chain, build_wheel(tmp_path / "source", "middle", "2.0")])
    return replace(
        with_sources,
        has_wheels=lambda name: name in ("dep", "middle"),
        lacks_wheels=lambda name: name not in ("dep", "middle"),
        only_sources=lambda name, version: version == "1.0" and name != "dep",
    )


def test_what_has_wheels_for_no_python_is_learnt_at_once(with_chain: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = started(monkeypatch)
    hiding = replace(with_chain, sparing_environ=with_chain.environ)
    resolved = resolve(replace(question("first"), build="needed", builds="nowhere"), hiding)
    assert versions(resolved) == {"dep": "1.0", "first": "1.0", "last": "1.0", "middle": "1.0", "third": "1.0"}
    # With wheels only, with the first project built, and with all sources that the index does not keep back.
    assert len(calls) == 3


def test_what_not_even_all_sources_solve_is_not_asked_for_one_by_one(
    with_chain: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = started(monkeypatch)
    hiding = replace(with_chain, sparing_environ=with_chain.environ)
    error = refusal(replace(question("first", "new-only"), build="needed", builds="nowhere"), hiding)
    assert isinstance(error, NoWheelsError)
    assert (error.names, len(calls)) == (("middle",), 3)


def test_just_the_versions_without_a_wheel_are_built_at_last(
    with_chain: Resolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = build_wheel(tmp_path / "source", "needs-middle", "1.0", requires=["middle==1.0"])
    simple_index(tmp_path / "my ïndex", [needs])
    asked = replace(question("needs-middle"), build="needed")
    assert refusal(replace(asked, builds="lacking"), with_chain)
    calls = started(monkeypatch)
    resolved = resolve(replace(asked, builds="exact"), with_chain)
    assert sources_in(resolved) == ("last", "middle", "third")
    # Without dependencies, and with `middle`, then `third`, then `last` built.
    assert len(calls) == 4
    # Never with the sources of everything, which uv would prefer to older wheels.
    assert all(":all:" in call for call in calls)
    elsewhere = replace(with_chain, only_sources=lambda *_: False)
    assert isinstance(refusal(replace(asked, builds="exact"), elsewhere), NoWheelsError)


def test_pins_without_a_wheel_are_learnt_before_anything_is_built(
    with_chain: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(question("third==1.0", "last==1.0", "middle==1.0"), build="needed", builds="exact")
    here = replace(with_chain, lacks_wheels=lambda _: False)
    assert refusal(replace(asked, builds="lacking"), here)
    calls = started(monkeypatch)
    assert sources_in(resolve(asked, here)) == ("last", "middle", "third")
    assert [call for call in calls if "--no-deps" not in call] == calls[-1:]


@pytest.mark.parametrize(("line", "newest"), [("many<2", {"many": "1.0"}), ("many==1.0", {"pure": "1.0"})])
def test_a_build_that_failed_for_the_newest_version_or_for_a_pin_is_not_repeated(
    with_history: Resolver, monkeypatch: pytest.MonkeyPatch, line: str, newest: dict[str, str]
) -> None:
    calls = started(monkeypatch)
    here = replace(with_history, newest_source=newest.get)
    with pytest.raises(TfprovError, match=r"^`many==1\.0` has no wheel that fits"):
        resolve(replace(question(line), build="needed", built=("pure",)), here)
    assert len(calls) == 2


def test_nothing_is_learnt_beside_a_version_that_has_wheels_for_another_python(with_chain: Resolver) -> None:
    elsewhere = replace(with_chain, only_sources=lambda name, version: version == "1.0" and name == "first")
    error = refusal(replace(question("first"), build="needed", builds="nowhere"), elsewhere)
    assert isinstance(error, NoWheelsError)
    assert (error.names, dict(error.versions)) == (("middle",), {"middle": "1.0"})


def test_hashes_are_demanded_of_sources_as_well(with_sources: Resolver) -> None:
    asked = replace(question("pure"), build="needed", hashes={"pure": ("0" * 64,)})
    with pytest.raises(TfprovError, match=r"no file of `pure` 1\.0 has a hash that the requirements allow"):
        resolve(asked, with_sources)


def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The arguments of each uv that is started from now on."""
    seen: list[tuple[str, ...]] = []
    run = process.run

    def counted(argv: Any, **settings: Any) -> process.Finished:
        done = run(argv, **settings)
        seen.append(done.argv)
        return done

    monkeypatch.setattr(process, "run", counted)
    return seen


def test_the_same_question_is_asked_once_in_a_run(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = started(monkeypatch)
    first = resolve(question("app"), resolver)
    # A resolver of the same run: only the way to the index is made anew for each question.
    again = replace(resolver, environ={**resolver.environ, "HTTP_PROXY": "http://127.0.0.1:9"})
    assert resolve(question("app"), again) == first
    conflict = refusal(question("old-only", "new-only"), resolver)
    assert refusal(question("old-only", "new-only"), again).evidence == conflict.evidence
    assert len(seen) == 2


def test_another_question_is_asked_anew(resolver: Resolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = started(monkeypatch)
    asked = question("app")
    others = (
        question("app", "dep<2"),
        question("app", constraints=("dep<2",)),
        replace(asked, prefer=(("dep", "1.0"),)),
        replace(asked, dependencies=False),
        replace(asked, exclude=("dep",)),
        replace(asked, overrides=("dep<2",)),
        replace(asked, python_version="3.99"),
    )
    for each in (asked, *others):
        resolve(each, resolver)
    for way in (
        replace(resolver, fresh=True),
        replace(resolver, environ={**resolver.environ, "UV_INDEX": (tmp_path / "absent").as_uri()}),
    ):
        resolve(asked, way)
    assert len(seen) == 1 + len(others) + 2


def test_what_failed_over_the_network_is_asked_again(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = started(monkeypatch)
    dead = replace(resolver, failure=lambda: TfprovError("net-reset", "the connection was cut"))
    for _ in range(2):
        with pytest.raises(TfprovError, match="the connection was cut"):
            resolve(question("absent"), dead)
    assert len(seen) == 2


def test_a_version_that_is_needed_and_has_no_wheel_anywhere_is_not_asked_for_as_a_wheel(
    with_mixed: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = NoWheelsError(("mixed",), TfprovError("sdist-build-failed", "`mixed` has no wheel"))
    here = replace(with_mixed, only_sources=lambda name, version: (name, version) == ("mixed", "2.0"))
    seen = started(monkeypatch)
    resolved = _ask_freely(replace(question("wants-newer"), build="needed"), here, refused)
    # With all sources, and with `other` as a wheel.
    assert (len(seen), sources_in(resolved)) == (2, ("mixed",))
