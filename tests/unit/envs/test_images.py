from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from odd_names import ODD_NAMES
from sham import install
from tfprov import trees
from tfprov.envs.images import Image, image_key
from tfprov.host.records import Interpreter
from wheels import build_wheel

MODULE = "lib/python3.12/site-packages/thing/__init__.py"
COMPILED = "lib/python3.12/site-packages/thing/__pycache__/__init__.cpython-312.pyc"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Looks like an environment with one package, its bytecode and its command."""
    root = tmp_path / "generations" / "0001"
    contents = {
        MODULE: "value = 1\n",
        COMPILED: "bytecode",
        "lib/python3.12/site-packages/thing-1.0.dist-info/RECORD": "thing/__init__.py,,\n",
        "bin/thing": f"#!{root}/bin/python\nimport thing\n",
        "bin/python": "the interpreter",
        "bin/activate": f"VIRTUAL_ENV={root}",
        "pyvenv.cfg": "home = /usr/bin\n",
        "tfprov.json": "{}",
        "tfprov.manifest": "",
    }
    for path, text in contents.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "bin/thing").chmod(0o755)
    return root


@pytest.fixture
def image(tmp_path: Path, environment: Path) -> Image:
    found = Image(tmp_path / "images" / "key")
    assert found.save(environment)
    return found


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return build_wheel(tmp_path / "wheels", "thing", "1.0", files={"thing/__init__.py": "value = 1\n"})


def test_an_image_has_the_packages_and_commands_and_nothing_of_the_environment_itself(image: Image) -> None:
    held = {
        str(path.relative_to(image.folder / "tree")) for path in (image.folder / "tree").rglob("*") if path.is_file()
    }
    assert held == {MODULE, COMPILED, "lib/python3.12/site-packages/thing-1.0.dist-info/RECORD", "bin/thing"}


def test_what_is_laid_down_is_the_same_with_its_commands_at_the_new_place(image: Image, tmp_path: Path) -> None:
    new = tmp_path / "generations" / "0002"
    image.lay_down(new)
    assert (new / MODULE).read_text() == "value = 1\n"
    assert (new / COMPILED).read_text() == "bytecode"
    assert (new / "bin/thing").read_text() == f"#!{new}/bin/python\nimport thing\n"
    assert os.access(new / "bin/thing", os.X_OK)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such names")
@pytest.mark.parametrize("place", ["new\nline", "plain"])
def test_files_and_places_may_have_any_name(tmp_path: Path, environment: Path, place: str) -> None:
    for name in ODD_NAMES:
        (environment / MODULE).with_name(f"{name}.pyc").write_bytes(os.fsencode(name))
    moved = tmp_path / place / "0001"
    moved.parent.mkdir()
    environment.rename(moved)
    (moved / "bin/thing").write_text(f"#!{moved}/bin/python\nimport thing\n")
    image = Image(tmp_path / "images" / "key")
    assert image.save(moved)
    assert image.exists
    assert image.damage() == ()
    assert len(image.bytecode()) == len(ODD_NAMES) + 1
    other = tmp_path / "other"
    image.lay_down(other)
    for name in ODD_NAMES:
        assert (other / MODULE).with_name(f"{name}.pyc").read_bytes() == os.fsencode(name)
    assert (other / "bin/thing").read_text() == f"#!{other}/bin/python\nimport thing\n"


def test_a_command_written_to_in_one_environment_leaves_the_image_alone(image: Image, tmp_path: Path) -> None:
    new = tmp_path / "generations" / "0002"
    image.lay_down(new)
    with (new / "bin/thing").open("a") as stream:
        stream.write("broken")
    assert image.damage() == ()


def test_bytecode_keeps_the_time_of_its_source(image: Image, tmp_path: Path, environment: Path) -> None:
    new = tmp_path / "generations" / "0002"
    image.lay_down(new)
    assert (new / MODULE).stat().st_mtime_ns == (environment / MODULE).stat().st_mtime_ns


def test_a_file_written_to_in_place_is_noticed_even_with_the_same_size(image: Image, environment: Path) -> None:
    # Through the environment: on a file system without clones it is the same file.
    (image.folder / "tree" / MODULE).write_text("value = 2\n")
    os.utime(image.folder / "tree" / MODULE, ns=(1, 1))
    assert [entry.path for entry in image.damage()] == [MODULE]


@pytest.mark.skipif(os.name == "nt", reason="there, everybody reads a file who may read its folder")
def test_a_file_that_its_owner_may_not_read_is_damage_for_root_too(image: Image) -> None:
    (image.folder / "tree" / MODULE).chmod(0o044)
    assert [entry.path for entry in image.damage()] == [MODULE]


def test_a_file_that_was_merely_touched_is_no_damage_and_gets_its_time_back(tmp_path: Path) -> None:
    environment = tmp_path / "env"
    library = environment / "lib" / "python3.12" / "site-packages"
    library.mkdir(parents=True)
    install(library, "thing", "1.0", {"thing/__init__.py": "value = 1\n", "thing/more.py": "x = 1\n"})
    image = Image(tmp_path / "images" / "key")
    assert image.save(environment)
    held = image.folder / "tree" / MODULE
    before = held.stat().st_mtime_ns
    os.utime(held, ns=(1, 1))
    assert image.damage() == ()
    assert held.stat().st_mtime_ns == before
    (library / "thing" / "more.py").write_text("x = 2\n")
    os.utime(library / "thing" / "more.py", ns=(1, 1))
    assert [entry.path for entry in image.damage()] == ["lib/python3.12/site-packages/thing/more.py"]
    assert image.owners(image.damage()) == ("thing",)


def test_whose_a_file_is_that_no_record_names_cannot_be_said(image: Image) -> None:
    (image.folder / "tree" / "bin/thing").unlink()
    assert image.owners(image.damage()) is None


def test_a_damaged_file_is_healed_from_its_wheel_with_its_time(image: Image, wheel: Path, environment: Path) -> None:
    before = (environment / MODULE).stat().st_mtime_ns
    damaged_file = image.folder / "tree" / MODULE
    damaged_file.unlink()
    assert image.heal(image.damage(), [wheel])
    assert damaged_file.read_text() == "value = 1\n"
    assert damaged_file.stat().st_mtime_ns == before
    assert image.damage() == ()


def test_healing_writes_a_new_file_and_not_into_one_that_others_link_to(
    image: Image, wheel: Path, tmp_path: Path
) -> None:
    held = image.folder / "tree" / MODULE
    held.write_text("mine, on purpose\n")
    other = tmp_path / "other"
    os.link(held, other)
    assert image.heal(image.damage(), [wheel])
    assert other.read_text() == "mine, on purpose\n"


@pytest.mark.skipif(os.name != "posix", reason="bits as POSIX has them")
@pytest.mark.parametrize("mode", [0o644, 0o755])
@pytest.mark.parametrize("name", ["bin/ptxas", "lib/deep.so"])
def test_what_is_healed_is_as_executable_as_in_its_wheel(
    tmp_path: Path, environment: Path, name: str, mode: int
) -> None:
    """Packages with programs of CUDA have them beside their modules, and XLA starts them."""
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        member = zipfile.ZipInfo(f"thing/{name}")
        member.external_attr = (0o100000 | mode) << 16
        archive.writestr(member, "program")
    place = f"lib/python3.12/site-packages/thing/{name}"
    (environment / place).parent.mkdir()
    (environment / place).write_text("program")
    (environment / place).chmod(mode)
    image = Image(tmp_path / "images" / "key")
    assert image.save(environment)
    (image.folder / "tree" / place).unlink()
    assert image.heal(image.damage(), [wheel])
    assert os.access(image.folder / "tree" / place, os.R_OK)
    assert bool((image.folder / "tree" / place).stat().st_mode & 0o111) == (mode == 0o755)


def test_lost_bytecode_is_left_out_for_good(image: Image, wheel: Path, tmp_path: Path) -> None:
    (image.folder / "tree" / COMPILED).write_text("other bytecode")
    assert image.heal(image.damage(), [wheel])
    assert image.damage() == ()
    image.lay_down(tmp_path / "new")
    assert not (tmp_path / "new" / COMPILED).exists()


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_of_two_wheels_with_a_file_the_one_with_the_recorded_content_heals_it(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    library = tmp_path / "environment/lib/python3.12/site-packages"
    wheels = {}
    for name in ("one", "two"):  # in the order in which they are installed
        files = {"shared/__init__.py": f"value = '{name}'\n"}
        install(library, name, "1.0", files)
        wheels[name] = tmp_path / f"{name}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheels[name], "w") as archive:
            archive.writestr("shared/__init__.py", files["shared/__init__.py"])
    image = Image(tmp_path / "images" / "key")
    assert image.save(tmp_path / "environment")
    file = image.folder / "tree/lib/python3.12/site-packages/shared/__init__.py"
    file.unlink()
    assert image.heal(image.damage(), [wheels[name] for name in order])
    assert file.read_text() == "value = 'two'\n"


def test_what_no_wheel_has_cannot_be_healed(image: Image) -> None:
    (image.folder / "tree" / MODULE).unlink()
    assert not image.heal(image.damage(), [])


def test_an_image_without_its_manifest_does_not_exist(image: Image) -> None:
    (image.folder / "manifest").unlink()
    assert not image.exists


def test_no_damage_of_its_manifest_crashes_anything(image: Image) -> None:
    chance = random.Random(5)
    manifest = image.folder / "manifest"
    whole = manifest.read_bytes()
    for _ in range(1000):
        altered = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(altered) - 20)
            altered[at : at + chance.randrange(2)] = chance.choice([b"", b" ", b"\n", b"-", b"\xff", b"x", b"9" * 30])
        manifest.write_bytes(altered)
        if image.exists:
            image.damage()
            image.bytecode()


@pytest.mark.parametrize("text", ["junk\n", "", "junk", "/from\n5 5 a\ncomplete: 2 files"])
def test_an_image_with_a_damaged_manifest_does_not_exist(image: Image, text: str) -> None:
    (image.folder / "manifest").write_text(text)
    assert not image.exists


def test_a_damaged_image_is_replaced_by_the_next_save(image: Image, environment: Path) -> None:
    (image.folder / "manifest").write_text("junk")
    assert image.save(environment)
    assert image.exists


def test_a_manifest_cut_short_at_a_line_end_is_damaged(image: Image) -> None:
    manifest = image.folder / "manifest"
    manifest.write_text("\n".join(manifest.read_text().split("\n")[:-2]))
    assert not image.exists


def test_a_dropped_image_is_gone_and_the_environment_is_not(image: Image, environment: Path) -> None:
    image.drop()
    assert not image.folder.exists()
    assert (environment / MODULE).read_text() == "value = 1\n"


def test_without_cheap_links_there_is_no_image(
    tmp_path: Path, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_source: str, _target: str) -> None:
        raise PermissionError(1, "links are not allowed here")

    monkeypatch.setattr(trees, "CHEAP", (refuse,))
    found = Image(tmp_path / "images" / "key")
    assert not found.save(environment)
    assert not found.exists
    assert list((tmp_path / "images").iterdir()) == []


def test_where_cloning_and_linking_fail_files_are_copied(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_source: str, _target: str) -> None:
        raise PermissionError(1, "links are not allowed here")

    monkeypatch.setattr(trees, "ALL", (refuse, trees.copy))
    image.lay_down(tmp_path / "new")
    assert (tmp_path / "new" / MODULE).stat().st_ino != (image.folder / "tree" / MODULE).stat().st_ino
    assert (tmp_path / "new" / MODULE).read_text() == "value = 1\n"


def test_a_second_save_changes_nothing(image: Image, environment: Path) -> None:
    before = (image.folder / "manifest").stat().st_mtime_ns
    assert image.save(environment)
    assert (image.folder / "manifest").stat().st_mtime_ns == before


def test_the_key_follows_the_files_and_the_interpreter() -> None:
    python = Interpreter(path="/usr/bin/python3.12", version="3.12.1")
    same = image_key(["1", "2"], python)
    assert image_key(["2", "1"], python) == same
    assert image_key(["1"], python) != same
    assert image_key(["1", "2"], Interpreter(path="/usr/bin/python3.12", version="3.12.2")) != same
    assert image_key(["1", "2"], Interpreter(path="/\udcff/bin/python3.12", version="3.12.1")) != same


def test_a_disk_that_fills_up_while_an_image_is_saved_costs_the_image_only(
    tmp_path: Path, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_source: str, _target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trees, "CHEAP", (full,))
    assert not Image(tmp_path / "images" / "key").save(environment)
    assert list((tmp_path / "images").iterdir()) == []


def test_an_environment_from_an_image_shares_its_files(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "ALL", (os.link,))
    image.lay_down(tmp_path / "new")
    assert (tmp_path / "new" / MODULE).stat().st_ino == (image.folder / "tree" / MODULE).stat().st_ino


def test_what_a_killed_run_left_of_an_image_is_deleted(environment: Path, tmp_path: Path) -> None:
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    left = tmp_path / "images" / f"other.{killed.pid}.new"
    (left / "tree").mkdir(parents=True)
    assert Image(tmp_path / "images" / "key").save(environment)
    assert not left.exists()


def test_an_image_that_another_run_is_making_is_left_alone(environment: Path, tmp_path: Path) -> None:
    begun = tmp_path / "images" / f"other.{os.getppid()}.new"
    (begun / "tree").mkdir(parents=True)
    assert Image(tmp_path / "images" / "key").save(environment)
    assert begun.exists()


def held(image: Image) -> dict[str, str]:
    return {
        entry: (image.folder / "tree" / entry).read_text()
        for entry in (line.split(" ", 2)[2] for line in (image.folder / "manifest").read_text().split("\n")[1:-1])
    }


def test_an_image_can_be_prepared_before_anything_is_proved(environment: Path, tmp_path: Path) -> None:
    image = Image(tmp_path / "images" / "key")
    image.prepare(environment)
    assert not image.exists
    prepared = next((tmp_path / "images").glob("key.*.new")) / "tree" / MODULE
    assert prepared.stat().st_ino == (environment / MODULE).stat().st_ino
    assert Image(tmp_path / "images" / "key").save(environment)
    assert held(image)[MODULE] == "value = 1\n"
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["key"]


def test_bytecode_that_is_just_being_written_is_no_part_of_an_image(environment: Path, tmp_path: Path) -> None:
    image = Image(tmp_path / "images" / "key")
    for number in ("4711", "140234234"):
        (environment / f"{COMPILED}.{number}").write_text("half")
    image.prepare(environment)
    assert image.save(environment)
    assert not [path for path in held(image) if path.endswith(("4711", "140234234"))]
    assert COMPILED in held(image)


def test_what_changed_since_an_image_was_prepared_is_kept_as_it_is_now(environment: Path, tmp_path: Path) -> None:
    image = Image(tmp_path / "images" / "key")
    image.prepare(environment)
    (environment / COMPILED).unlink()
    (environment / MODULE).unlink()
    (environment / MODULE).write_text("value = 22\n")
    (environment / "bin/late").write_text("late")
    assert image.save(environment)
    files = held(image)
    assert files[MODULE] == "value = 22\n"
    assert files["bin/late"] == "late"
    assert COMPILED not in files
    assert not image.damage()
    image.lay_down(tmp_path / "again")
    assert not (tmp_path / "again" / COMPILED).exists()


def test_an_image_that_was_prepared_is_the_one_without_it_whatever_changed_meanwhile(
    environment: Path, tmp_path: Path
) -> None:
    chance = random.Random(7)
    for number in range(40):
        files = [path for path in environment.rglob("*") if path.is_file()]
        image = Image(tmp_path / "prepared" / str(number))
        image.prepare(environment)
        for path in chance.sample(files, chance.randint(0, 3)):
            how = chance.randrange(4)
            if how == 0:
                path.write_text(f"{number}\n" * chance.randint(1, 3))
            elif how == 1:
                path.with_name("new").write_text(path.read_text())
                path.with_name("new").replace(path)
            elif how == 2:
                path.with_name(f"late{number}.py").write_text("late")
            elif len(files) > 6:
                path.unlink()
        plain = Image(tmp_path / "plain" / str(number))
        assert image.save(environment)
        assert plain.save(environment)
        assert held(image) == held(plain)
        lines = [sorted((each.folder / "manifest").read_text().split("\n")[1:-1]) for each in (image, plain)]
        assert lines[0] == lines[1]
        assert not image.damage()


def test_a_clone_that_nobody_touched_is_not_made_again(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "CHEAP", (trees.copy,))
    image = Image(tmp_path / "images" / "key")
    image.prepare(environment)
    made = next((tmp_path / "images").glob("key.*.new")) / "tree" / MODULE
    before = made.stat().st_ino
    assert image.save(environment)
    assert (image.folder / "tree" / MODULE).stat().st_ino == before


def test_what_was_prepared_can_be_given_up(environment: Path, tmp_path: Path) -> None:
    image = Image(tmp_path / "images" / "key")
    image.prepare(environment)
    image.abandon()
    assert list((tmp_path / "images").iterdir()) == []
    image.abandon()


def test_an_image_that_cannot_be_prepared_is_made_later_or_not(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device", target)

    image = Image(tmp_path / "images" / "key")
    with monkeypatch.context() as broken:
        broken.setattr(trees, "CHEAP", (full,))
        image.prepare(environment)
    assert image.save(environment)
    assert not image.damage()


def test_an_image_that_is_there_is_not_prepared(image: Image, environment: Path, tmp_path: Path) -> None:
    image.prepare(environment)
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["key"]


def test_an_image_whose_deletion_was_cut_short_is_made_again(image: Image, environment: Path) -> None:
    (image.folder / "manifest").unlink()
    assert image.save(environment)
    assert image.exists


def test_damaged_files_of_an_environment_are_put_back_from_its_image(image: Image, environment: Path) -> None:
    (environment / MODULE).unlink()
    (environment / "bin/thing").unlink()
    assert image.mend(environment, [MODULE, "bin/thing"])
    assert (environment / MODULE).read_text() == "value = 1\n"
    assert (environment / "bin/thing").read_text() == f"#!{environment}/bin/python\nimport thing\n"
    assert not list(environment.rglob(".*.tmp"))


def test_an_image_that_is_damaged_itself_or_has_no_such_file_mends_nothing(image: Image, environment: Path) -> None:
    assert not image.mend(environment, ["pyvenv.cfg"])
    with (environment / MODULE).open("r+") as stream:
        stream.write("value = 2\n")
    os.utime(environment / MODULE, ns=(1, 1))
    assert not image.mend(environment, [MODULE])
    image.drop()
    assert not image.mend(environment, [MODULE])


def relative(image: Image, folder: Path) -> Path:
    """Another environment that has the module from the same wheel, as a link."""
    other = folder / "other"
    (other / MODULE).parent.mkdir(parents=True)
    shutil.copy2(image.folder / "tree" / MODULE, other / MODULE)
    return other


def test_an_image_lends_what_is_compiled_to_an_environment_with_the_same_source(image: Image, tmp_path: Path) -> None:
    other = relative(image, tmp_path)
    assert image.lend_bytecode(other, {MODULE}) == 1
    assert (other / COMPILED).read_text() == "bytecode"
    assert [path.name for path in other.rglob("*") if path.is_file() and path.suffix != ".pyc"] == ["__init__.py"]


def test_what_is_compiled_from_something_else_is_not_lent(image: Image, tmp_path: Path) -> None:
    other = relative(image, tmp_path)
    assert image.lend_bytecode(other, ()) == 0
    os.utime(other / MODULE, (1, 1))
    assert image.lend_bytecode(other, {MODULE}) == 0


@pytest.mark.parametrize("spoilt", [MODULE, COMPILED])
def test_what_was_written_to_is_not_lent(image: Image, tmp_path: Path, spoilt: str) -> None:
    other = relative(image, tmp_path)
    with (image.folder / "tree" / spoilt).open("a") as stream:
        stream.write("more")
    assert image.lend_bytecode(other, {MODULE}) == 0
    assert not (other / COMPILED).exists()
