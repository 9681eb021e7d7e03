from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import get_args

import pytest
from packaging.pylock import Pylock, PylockSelectError
from uv import find_uv_bin

from hosts import MAC_ARM, WINDOWS, Host
from tfprov.host.records import Libc
from tfprov.lock.platforms import PLATFORMS, merge, preferences
from tfprov.lock.question import Pinned, Question, Resolver
from tfprov.lock.renew import versions_in
from tfprov.lock.resolve import resolve
from tfprov.plan.tags import marker_environment, supported_tags
from tfprov.profile.records import PlatformName
from wheels import build_wheel, simple_index

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
FULL = ".".join(map(str, sys.version_info[:3]))
CP = f"cp{sys.version_info[0]}{sys.version_info[1]}"
SHA = "0123456789abcdef" * 4
HOSTS: dict[PlatformName, Host] = {
    "linux-x86_64": Host(),
    "linux-aarch64": Host(machine="aarch64"),
    "windows-amd64": WINDOWS,
    "macos-arm64": MAC_ARM,
    "macos-x86_64": Host(system="macos", libc=None, os_version="14.5"),
}
HERE: PlatformName = "linux-x86_64"


def selected(lock: str, host: Host, version: str = FULL) -> dict[str, str]:
    """What an installer that follows the standard takes on a machine: file names by project."""
    facts = host.facts
    found = Pylock.from_dict(tomllib.loads(lock)).select(
        environment=marker_environment(version, "cpython", facts),
        tags=supported_tags(version, False, facts),
    )
    return {str(package.name): str(source.url).rsplit("/", 1)[-1] for package, source in found}  # type: ignore[union-attr]  # every source here is a wheel


def wheel(name: str, version: str = "1.0", tag: str = "py3-none-any") -> str:
    return f'{{ url = "https://host/{name}-{version}-{tag}.whl", hashes = {{ sha256 = "{SHA}" }} }}'


def document(*packages: str, python: str = ">=3.12.1") -> str:
    return f'lock-version = "1.0"\ncreated-by = "uv"\nrequires-python = "{python}"\n' + "".join(packages)


def package(name: str, *wheels: str, version: str = "1.0", more: str = "") -> str:
    return f'\n[[packages]]\nname = "{name}"\nversion = "{version}"\n{more}wheels = [{", ".join(wheels)}]\n'


def test_every_name_that_a_profile_may_have_is_a_platform() -> None:
    assert set(PLATFORMS) == set(get_args(PlatformName))
    assert len({platform.marker for platform in PLATFORMS.values()}) == len(PLATFORMS)


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_marker_of_a_platform_is_true_on_it_and_nowhere_else(name: PlatformName) -> None:
    lock = merge({name: document(package("app", wheel("app")))}, python="3.12")
    assert selected(lock, HOSTS[name], "3.12.4") == {"app": "app-1.0-py3-none-any.whl"}
    for other in set(PLATFORMS) - {name}:
        with pytest.raises(PylockSelectError):
            selected(lock, HOSTS[other], "3.12.4")


def test_what_is_the_same_everywhere_has_no_marker_and_the_rest_has_one() -> None:
    lock = merge(
        {
            "linux-x86_64": document(
                package("app", wheel("app")),
                package("dep", wheel("dep", "2.0"), version="2.0"),
                package("nix", wheel("nix")),
            ),
            "windows-amd64": document(
                package("app", wheel("app")), package("colorama", wheel("colorama")), package("dep", wheel("dep"))
            ),
            "macos-arm64": document(
                package("app", wheel("app")), package("dep", wheel("dep")), package("nix", wheel("nix"))
            ),
        },
        python="3.12",
    )
    found = [(each["name"], each["version"], each.get("marker")) for each in tomllib.loads(lock)["packages"]]
    linux, windows, macos = (PLATFORMS[name].marker for name in ("linux-x86_64", "windows-amd64", "macos-arm64"))  # type: ignore[index]  # names of platforms
    assert found == [
        ("app", "1.0", None),
        ("colorama", "1.0", windows),
        ("dep", "1.0", f"({windows}) or ({macos})"),
        ("dep", "2.0", linux),
        ("nix", "1.0", f"({linux}) or ({macos})"),
    ]
    assert sorted(selected(lock, HOSTS["windows-amd64"], "3.12.4")) == ["app", "colorama", "dep"]
    assert selected(lock, HOSTS["linux-x86_64"], "3.12.4")["dep"] == "dep-2.0-py3-none-any.whl"
    assert selected(lock, HOSTS["macos-arm64"], "3.12.4")["dep"] == "dep-1.0-py3-none-any.whl"


def test_the_wheels_of_a_package_are_those_of_all_platforms() -> None:
    linux, windows = "cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312-win_amd64"
    pure = wheel("app")
    lock = merge(
        {
            "linux-x86_64": document(package("app", wheel("app", tag=linux), pure)),
            "windows-amd64": document(
                # uv says of Windows what is true there anyway.
                package("app", wheel("app", tag=windows), pure, more="marker = \"sys_platform == 'win32'\"\n")
            ),
        },
        python="3.12",
    )
    (found,) = tomllib.loads(lock)["packages"]
    assert "marker" not in found
    assert [each["url"].rsplit("app-1.0-", 1)[1] for each in found["wheels"]] == [
        f"{linux}.whl",
        "py3-none-any.whl",
        f"{windows}.whl",
    ]
    assert selected(lock, HOSTS["linux-x86_64"], "3.12.4") == {"app": f"app-1.0-{linux}.whl"}
    assert selected(lock, HOSTS["windows-amd64"], "3.12.4") == {"app": f"app-1.0-{windows}.whl"}


def test_the_lock_is_for_the_python_that_it_was_made_for() -> None:
    lock = merge({HERE: document(package("app", wheel("app")))}, python="3.12")
    assert tomllib.loads(lock)["requires-python"] == ">=3.12.1,==3.12.*"
    for other in ("3.11.9", "3.12.0", "3.13.0"):
        with pytest.raises(PylockSelectError):
            selected(lock, HOSTS[HERE], other)


def test_an_archive_stays_one() -> None:
    archive = f'archive = {{ url = "https://host/app-1.5-py3-none-any.whl", hashes = {{ sha256 = "{SHA}" }} }}\n'
    one = document(f'\n[[packages]]\nname = "app"\n{archive}')
    merged = tomllib.loads(merge({"linux-x86_64": one, "windows-amd64": one}, python="3.12"))
    assert merged["packages"] == tomllib.loads(one)["packages"]


def test_what_this_machine_has_is_preferred_and_then_what_the_older_lock_has() -> None:
    now = (("app", "2.0"),)
    assert preferences(now, (("app", "1.0"), ("colorama", "1.0"))) == (("app", "2.0"), ("colorama", "1.0"))
    assert preferences(now, ()) == now


@pytest.fixture
def resolver(tmp_path: Path) -> Resolver:
    source = tmp_path / "source"
    wheels = [
        build_wheel(source, "tensorflow", "2.15.1", tag=f"{CP}-{CP}-manylinux_2_17_x86_64", requires=["dep"]),
        build_wheel(source, "tensorflow", "2.15.1", tag=f"{CP}-{CP}-win_amd64", requires=["tensorflow-intel==2.15.1"]),
        build_wheel(
            source,
            "tensorflow",
            "2.15.1",
            tag=f"{CP}-{CP}-manylinux_2_17_aarch64",
            requires=["tensorflow-cpu-aws==2.15.1"],
        ),
        build_wheel(source, "tensorflow", "2.15.1", tag=f"{CP}-{CP}-macosx_12_0_arm64", requires=["dep"]),
        build_wheel(source, "tensorflow-intel", "2.15.1", tag=f"{CP}-{CP}-win_amd64", requires=["dep", "colorama"]),
        build_wheel(source, "tensorflow-cpu-aws", "2.15.1", tag=f"{CP}-{CP}-manylinux_2_17_aarch64", requires=["dep"]),
        build_wheel(source, "dep", "1.0"),
        build_wheel(source, "dep", "2.0", tag=f"{CP}-{CP}-manylinux_2_17_x86_64"),
        build_wheel(source, "colorama", "0.4"),
        build_wheel(source, "colorama", "0.5"),
    ]
    index = simple_index(tmp_path / "index", wheels)
    return Resolver(
        uv=Path(find_uv_bin()),
        cache=tmp_path / "cache",
        environ={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "UV_DEFAULT_INDEX": index.as_uri()},
    )


def asked(resolver: Resolver, name: PlatformName | None, prefer: Pinned = ()) -> str:
    question = Question(
        requirements=("tensorflow==2.15.1",),
        constraints=(),
        python=Path(sys.executable),
        platform=PLATFORMS[name].triple if name else None,
        prefer=prefer,
    )
    return resolve(question, resolver)


@pytest.mark.skipif(sys.platform != "linux", reason="the wheels for this machine are tagged for Linux")
def test_stubs_are_resolved_by_their_own_metadata_on_each_platform(resolver: Resolver) -> None:
    names: tuple[PlatformName, ...] = ("linux-aarch64", "windows-amd64", "macos-arm64")
    own = asked(resolver, None)
    lock = merge({HERE: own, **{name: asked(resolver, name) for name in names}}, python=MINOR)

    linux = selected(lock, HOSTS["linux-x86_64"])
    assert sorted(linux) == ["dep", "tensorflow"]
    assert linux == selected(own, HOSTS["linux-x86_64"])
    assert sorted(selected(lock, WINDOWS)) == ["colorama", "dep", "tensorflow", "tensorflow-intel"]
    assert sorted(selected(lock, HOSTS["linux-aarch64"])) == ["dep", "tensorflow", "tensorflow-cpu-aws"]
    assert sorted(selected(lock, MAC_ARM)) == ["dep", "tensorflow"]
    # Only Linux on x86-64 has a wheel of the newer release.
    assert (linux["dep"][:7], selected(lock, WINDOWS)["dep"][:7]) == ("dep-2.0", "dep-1.0")


@pytest.mark.skipif(sys.platform != "linux", reason="the wheels for this machine are tagged for Linux")
def test_versions_of_a_merged_lock_are_kept_where_they_fit(resolver: Resolver) -> None:
    own = asked(resolver, None)
    older = merge({HERE: own, "windows-amd64": asked(resolver, "windows-amd64")}, python=MINOR)
    assert 'version = "0.5"' in older
    merged = versions_in(older.replace('version = "0.5"', 'version = "0.4"'))
    prefer = preferences(versions_in(own), merged)
    assert selected(asked(resolver, "windows-amd64", prefer), WINDOWS)["colorama"].startswith("colorama-0.4-")
    # A lock that has a package twice is no stumbling block for uv.
    assert selected(asked(resolver, None, versions_in(older)), HOSTS[HERE]) == selected(own, HOSTS[HERE])


def test_glibc_of_the_linux_platforms_is_one_that_uv_assumes() -> None:
    for name in ("linux-x86_64", "linux-aarch64"):
        platform = PLATFORMS[name]  # type: ignore[index]  # names of platforms
        assert platform.glibc is not None
        assert platform.triple.endswith(f"manylinux_{platform.glibc.replace('.', '_')}")
        assert Libc(kind="glibc", version=platform.glibc)
