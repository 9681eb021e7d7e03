from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tfprov.envs import differences, rollbacks
from tfprov.envs.records import Cure, Generation, Seal
from tfprov.lock.records import Target

SEAL = Seal(
    profile_digest="p",
    lock_digest="l",
    target=Target(package="tensorflow", version="2.21.0", extras=(), accelerator="cpu", python="3.12", platform="x"),
    python="/usr/bin/python3.12",
    python_version="3.12.1",
    tensorflow="2.21.0",
    level="quick",
    smoke_digest="s",
)


def generation(number: int, image: str, *, cures: tuple[Cure, ...] = (), root: Path = Path("/")) -> Generation:
    seal = replace(SEAL, image=image, cures=cures)
    return Generation(number=number, path=root / f"{number:04d}", seal=seal)


def fill(root: Path, *projects: str) -> None:
    for one in projects:
        (root / "lib" / "python3.12" / "site-packages" / f"{one}.dist-info").mkdir(parents=True)


def test_what_came_went_and_moved_is_told_with_its_versions() -> None:
    older = {"numpy": "2.1.0", "pillow": "11.0", "wheel": "1"}
    newer = {"numpy": "2.2.0", "seaborn": "0.13.2", "wheel": "1"}
    assert differences.between(older, newer) == ("numpy 2.1.0 → 2.2.0", "- pillow 11.0", "+ seaborn 0.13.2")
    assert differences.between({}, {"mine": ""}) == ("+ mine",)


def test_generations_are_compared_with_those_before_them(tmp_path: Path) -> None:
    one, two, three = (generation(number, f"i{number}", root=tmp_path) for number in (1, 2, 5))
    fill(one.path, "numpy-2.1.0")
    fill(two.path, "numpy-2.1.0", "Sea_Born-0.13.2")
    fill(three.path, "numpy-2.1.0", "Sea_Born-0.13.2")
    assert differences.of_each([one, two, three]) == {two.path: ("+ sea-born 0.13.2",), three.path: ()}
    assert differences.of_each([one]) == {}


def test_records_of_conda_count_as_packages(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "libcurl-a-8.1.2-h3_0.json").touch()
    (tmp_path / "conda-meta" / "history").touch()
    (tmp_path / "conda-meta" / "python-3.12.1-h3_0.json").touch()
    (tmp_path / "conda-meta" / "py-opencv-4.1-h3_0.json").touch()
    # What the package of conda holds, with and without a word of who installed it, and what pip brought.
    fill(tmp_path, "opencv_python-4.1", "opencv_contrib-4.1", "wheely-1.0")
    library = tmp_path / "lib" / "python3.12" / "site-packages"
    (library / "opencv_contrib-4.1.dist-info" / "INSTALLER").write_text("conda\n")
    (library / "wheely-1.0.dist-info" / "INSTALLER").write_text("pip\n")
    assert differences.packages(tmp_path) == {"libcurl-a": "8.1.2", "py-opencv": "4.1", "wheely": "1.0"}


def test_a_long_list_is_cut() -> None:
    assert differences.shortened("abc", most=3) == "a, b, c"
    assert differences.shortened("abcd", most=3) == "a, b, and 2 more"


def test_two_of_one_kind_are_one_and_the_active_one_stays() -> None:
    every = [generation(number, image) for number, image in ((1, "a"), (2, "b"), (3, "b"), (4, "c"))]
    active = generation(5, "c")
    assert [one.number for one in differences.superfluous(every, active, 3)] == [2, 4]
    assert [one.number for one in differences.superfluous(every, active, 2)] == [1, 2, 4]
    assert differences.superfluous(every, active, 0) == ()
    cured = generation(6, "c", cures=(Cure(name="pin", code="x", what="y"),))
    assert [one.number for one in differences.superfluous(every, cured, 9)] == [2]


@pytest.mark.parametrize("seed", range(40))
def test_no_kind_is_lost_while_there_is_room_and_never_the_newest(seed: int) -> None:
    chance = random.Random(seed)
    every = [generation(number, chance.choice("abcde")) for number in range(1, chance.randint(2, 14))]
    active = generation(99, chance.choice("abcde"))
    keep = chance.randint(1, 6)
    gone = {one.number for one in differences.superfluous(every, active, keep)}
    stay = [one for one in every if one.number not in gone]
    kinds = [differences.kind_of(one) for one in (*stay, active)]
    assert len(set(kinds)) == len(kinds) == min(keep, len({differences.kind_of(one) for one in (*every, active)}))
    # What stays of a kind is the newest of it, and no newer kind went for an older one.
    assert all(
        one.number > other.number
        for one in stay
        for other in every
        if other.number in gone and (differences.kind_of(other) == differences.kind_of(one))
    )


def test_a_rollback_counts_while_the_environment_is_where_it_led_to(tmp_path: Path) -> None:
    note = rollbacks.Rollback(number=3, before=5, profile_digest="p", lock_digest="l")
    rollbacks.write(tmp_path, note)
    assert rollbacks.read(tmp_path, generation(3, "a")) == note
    assert rollbacks.read(tmp_path, generation(5, "b")) is None
    assert rollbacks.read(tmp_path, None) is None
    (tmp_path / "rollback.json").write_text('{"number": 3}')
    assert rollbacks.read(tmp_path, generation(3, "a")) is None
    rollbacks.forget(tmp_path)
    rollbacks.forget(tmp_path)
    assert not (tmp_path / "rollback.json").exists()
