"""Whether projects that must come from one index do, also where uv reads folders itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopback import Index
from tfprov.digests import sha256_of
from tfprov.errors import TfprovError
from tfprov.fetch.sources import Network
from tfprov.pipeline.backends.venv.bound import require_own_index
from wheels import build_wheel, simple_index

FAR = "https://index.example/simple"


def taken(*files: Path | tuple[str, Path]) -> str:
    """A resolved document with these files, each by its own address or by another."""
    lines = ['lock-version = "1.0"\ncreated-by = "uv"']
    for each in files:
        url, path = each if isinstance(each, tuple) else (each.as_uri(), each)
        name, version = path.name.split("-")[:2]
        file = f'{{ url = "{url}", hashes = {{ sha256 = "{sha256_of(path)}" }} }}'
        lines.append(f'[[packages]]\nname = "{name}"\nversion = "{version}"\nwheels = [{file}]')
    return "\n".join(lines)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """Three places with another version of `ours` each: two indexes, and a folder of links."""
    for number, name in enumerate(("main", "own", "links"), start=1):
        wheel = build_wheel(tmp_path / name, "ours", f"{number}.0")
        if name != "links":
            simple_index(tmp_path / name / "simple", [wheel])
    return {name: tmp_path / name for name in ("main", "own", "links")}


def network(places: dict[str, Path], own: str) -> Network:
    main, links = (places["main"] / "simple").as_uri(), str(places["links"])
    return Network(index_url=main, only={"ours": own}, find_links=(links,), merged=True)


def wheel_in(folder: Path) -> Path:
    return next(
        path for path in sorted(folder.glob("**/ours-*.whl")) if "simple" in path.parts or folder.name == "links"
    )


@pytest.mark.parametrize("place", ["main", "own", "links"])
@pytest.mark.parametrize("is_far", [True, False])
def test_a_project_from_another_folder_is_refused(places: dict[str, Path], place: str, is_far: bool) -> None:
    own = FAR if is_far else (places["own"] / "simple").as_uri()
    file, other = wheel_in(places[place]), build_wheel(places["links"], "theirs", "1.0")
    if place == "own" and not is_far:
        require_own_index(taken(file, other), network(places, own))
        return
    with pytest.raises(TfprovError) as caught:
        require_own_index(taken(other, file), network(places, own))
    error = caught.value
    assert (error.code.name, error.what) == (
        "index-setting-invalid",
        f"`ours` must come from `{own}` (`index.only`), and uv took it from elsewhere",
    )
    assert error.evidence[0] == f"uv took `{file.as_uri()}`"


@pytest.mark.parametrize("place", ["own", "links"])
def test_a_project_from_another_page_of_links_is_refused(places: dict[str, Path], place: str) -> None:
    file = wheel_in(places[place])
    with Index({path.name: path for path in [wheel_in(places["own"])]}) as index:
        document = taken((f"https://elsewhere.example/{file.name}", file))
        asked = network(places, index.simple)
        if place == "own":
            require_own_index(document, asked)
            return
        with pytest.raises(TfprovError, match="took it from elsewhere"):
            require_own_index(document, asked)


def test_nothing_is_read_where_the_relay_serves_all(places: dict[str, Path]) -> None:
    require_own_index("not read", Network(index_url=FAR, only={"ours": FAR}))
    require_own_index("not read", Network(index_url=FAR, find_links=(str(places["links"]),)))
