"""Of a spare environment only the files of the image are taken over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.envs.spares import take_over

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the folders of these tests hold links")

LIBRARY = "lib/python3.12/site-packages"
BIG = tuple(f"{LIBRARY}/big/{folder}m{number}.py" for folder in ("", "deep/er/") for number in range(20))
SMALL = (f"{LIBRARY}/small/__init__.py",)


def made(folder: Path) -> tuple[Path, Path, Path]:
    """An image, an environment that is linked from it, and an empty one."""
    tree, spare, new = folder / "tree", folder / "spare", folder / "new"
    for path in (*BIG, *SMALL):
        for root in (tree, spare):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(path)
        (spare / path).hardlink_to(tree / path)
    new.mkdir()
    return tree, spare, new


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_a_big_package_is_moved_and_a_small_one_is_not(tmp_path: Path) -> None:
    tree, spare, new = made(tmp_path)
    assert take_over((*BIG, *SMALL), tree=tree, spare=spare, environment=new) == set(BIG)
    assert files(new) == set(BIG)
    assert files(spare) == set(SMALL)


def test_what_happened_to_the_spare_one_does_not_come_along(tmp_path: Path) -> None:
    tree, spare, new = made(tmp_path)
    changed = spare / BIG[3]
    changed.unlink()
    changed.write_text("edited")
    package = spare / LIBRARY / "big"
    (package / "added").mkdir()
    (package / "added" / "x.py").touch()
    (package / "deep" / "more.py").touch()
    (package / "deep" / "link").symlink_to(tmp_path)
    (package / "m1.py").unlink()
    kept = take_over(BIG, tree=tree, spare=spare, environment=new)
    assert kept == files(new) == set(BIG) - {BIG[3], BIG[1]}
    assert tmp_path.is_dir()
    assert not (new / LIBRARY / "big" / "added").exists()


def test_the_rights_of_a_folder_are_those_of_the_image(tmp_path: Path) -> None:
    tree, spare, new = made(tmp_path)
    (spare / LIBRARY / "big" / "deep").chmod(0o700)
    take_over(BIG, tree=tree, spare=spare, environment=new)
    mode = (tree / LIBRARY / "big").stat().st_mode
    assert {(new / LIBRARY / "big" / each).stat().st_mode for each in (".", "deep", "deep/er")} == {mode}


@pytest.mark.parametrize("what", ["copies", "a link"])
def test_files_that_are_not_those_of_the_image_stay(tmp_path: Path, what: str) -> None:
    tree, spare, new = made(tmp_path)
    package = spare / LIBRARY / "big"
    if what == "a link":
        package.rename(tmp_path / "elsewhere")
        package.symlink_to(tmp_path / "elsewhere")
    else:
        for path in BIG:
            (spare / path).unlink()
            (spare / path).write_text(path)
    assert take_over(BIG, tree=tree, spare=spare, environment=new) == frozenset()
    assert files(new) == set()
    assert (package / "m0.py").read_text() == BIG[0]
