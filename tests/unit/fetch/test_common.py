"""What several users leave for each other: nothing of it is believed, and no link in it is followed."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.fetch.store import Store
from tfprov.lock.records import LockedFile
from tfprov.paths import Home, others_can_write

pytestmark = pytest.mark.skipif(os.name != "posix", reason="elsewhere no folder counts as common")

CONTENT = b"the wheel"
FILE = LockedFile(
    name="thing",
    version="1",
    filename="thing-1-py3-none-any.whl",
    url="http://index.example/thing",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size=len(CONTENT),
)


@pytest.fixture
def common(tmp_path: Path) -> Path:
    folder = tmp_path / "common"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def stores(tmp_path: Path, common: Path) -> tuple[Store, Store]:
    return (Store(tmp_path / "one", common=common), Store(tmp_path / "two", common=common))


def offered(common: Path, file: LockedFile = FILE) -> Path:
    return common / "sha256" / file.sha256[:2] / file.sha256 / file.filename


def adopted(store: Store, tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    return store.adopt(FILE, source)


def test_what_one_user_stores_another_one_has_without_a_download(tmp_path: Path, common: Path) -> None:
    one, two = stores(tmp_path, common)
    adopted(one, tmp_path)
    assert (two.has(FILE), two.is_near(FILE)) == (False, True)
    path = two.take_common(FILE)
    assert path == two.path(FILE.sha256, FILE.filename)
    assert path.read_bytes() == CONTENT
    assert two.has(FILE)


def test_what_is_offered_may_be_read_by_all_and_written_by_nobody_else(tmp_path: Path, common: Path) -> None:
    before = os.umask(0)
    try:
        adopted(stores(tmp_path, common)[0], tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(offered(common).stat().st_mode) == 0o644
    # Whoever may write to the folder may add to the folders in it.
    assert stat.S_IMODE(offered(common).parent.stat().st_mode) == 0o1777
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"THE WHEEL", b"", b"the wheel and more"])
def test_other_bytes_under_the_right_name_are_not_taken_and_give_way(
    tmp_path: Path, common: Path, content: bytes
) -> None:
    planted = offered(common)
    planted.parent.mkdir(parents=True)
    planted.write_bytes(content)
    one, _ = stores(tmp_path, common)
    assert one.take_common(FILE) is None
    assert not one.has(FILE)
    adopted(one, tmp_path)
    assert planted.read_bytes() == CONTENT


def test_a_file_that_is_changed_after_it_was_taken_changes_nothing(tmp_path: Path, common: Path) -> None:
    planted = offered(common)
    planted.parent.mkdir(parents=True)
    planted.write_bytes(CONTENT)
    one, _ = stores(tmp_path, common)
    path = one.take_common(FILE)
    planted.write_bytes(b"evil bytes")
    assert path is not None
    assert path.read_bytes() == CONTENT


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes")
@pytest.mark.parametrize("kind", ["pipe", "folder", "link to the file", "link to nothing"])
def test_what_is_not_a_file_is_neither_waited_for_nor_followed(tmp_path: Path, common: Path, kind: str) -> None:
    planted, elsewhere = offered(common), tmp_path / "elsewhere"
    planted.parent.mkdir(parents=True)
    if sys.platform != "win32" and kind == "pipe":
        os.mkfifo(planted)
    elif kind == "folder":
        planted.mkdir()
    else:
        if kind == "link to the file":
            elsewhere.write_bytes(CONTENT)
        planted.symlink_to(elsewhere)
    one, _ = stores(tmp_path, common)
    assert not one.is_near(FILE)
    assert one.take_common(FILE) is None
    path = adopted(one, tmp_path)
    assert path.read_bytes() == CONTENT
    assert not elsewhere.exists() or elsewhere.read_bytes() == CONTENT


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_link_in_place_of_a_folder_leads_nobody_anywhere(tmp_path: Path, common: Path, level: int) -> None:
    victim = tmp_path / "victim"
    inner = victim / "sha256" / FILE.sha256[:2] / FILE.sha256
    inner.mkdir(parents=True)
    (inner / FILE.filename).write_bytes(b"precious")
    names = ("sha256", FILE.sha256[:2], FILE.sha256)
    (common.joinpath(*names[:level])).mkdir(parents=True, exist_ok=True)
    common.joinpath(*names[: level + 1]).symlink_to(victim.joinpath(*names[: level + 1]))
    one, _ = stores(tmp_path, common)
    adopted(one, tmp_path)
    one.clear()
    assert [path.read_bytes() for path in victim.rglob("*.whl")] == [b"precious"]


def test_clearing_deletes_of_the_common_folder_only_wheels_of_this_user(tmp_path: Path, common: Path) -> None:
    one, two = stores(tmp_path, common)
    adopted(one, tmp_path)
    (common / "notes.txt").write_text("of others")
    two.clear()
    assert [path.name for path in common.rglob("*") if path.is_file()] == ["notes.txt"]
    assert one.has(FILE)


def test_a_partial_file_is_opened_through_no_link(tmp_path: Path) -> None:
    store, precious = Store(tmp_path / "store"), tmp_path / "precious"
    precious.write_bytes(b"precious")
    for ending in (".part", ".written", ".copy"):
        (store.folder("partial") / f"{FILE.sha256}{ending}").symlink_to(precious)
    with pytest.raises(TfprovError) as caught:
        store.partial(FILE.sha256)
    assert caught.value.code.name == "path-not-ours"
    adopted(store, tmp_path)
    assert precious.read_bytes() == b"precious"
    assert store.path(FILE.sha256, FILE.filename).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("mode", "common"),
    [(0o700, False), (0o755, False), (0o775, False), (0o2775, True), (0o777, True), (0o1777, True), (0o2755, False)],
)
def test_a_store_is_the_users_own_unless_others_may_write_to_it(tmp_path: Path, mode: int, *, common: bool) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    folder.chmod(mode)
    home = Home(data=tmp_path / "d", cache=tmp_path / "c", state=tmp_path / "s", shared_store=folder)
    assert others_can_write(folder) is common
    assert home.common_store == (folder if common else None)
    assert home.store == (tmp_path / "c" / "store" if common else folder)


def test_a_store_that_is_not_there_yet_becomes_the_users_own(tmp_path: Path) -> None:
    home = Home(data=tmp_path / "d", cache=tmp_path / "c", state=tmp_path / "s", shared_store=tmp_path / "store")
    adopted(Store.of(home), tmp_path)
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700
    assert home.common_store is None
