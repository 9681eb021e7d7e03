from __future__ import annotations

import sys
from pathlib import Path

import pytest

import probes
from tfprov.smoke.causes import Raised, of_exceptions


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("raise ValueError('You have tensorflow 2.20.0 and this requires tf-keras package.')\n", "keras-mismatch"),
        ("import pkg_resources_of_old.no\n", "import-failed"),
        ("raise ImportError('libGL.so.1: cannot open shared object file: No such file')\n", "system-library-missing"),
    ],
)
def test_a_command_that_cannot_start_has_the_code_of_what_was_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, code: str
) -> None:
    (tmp_path / "a_command_of.py").write_text(source)
    (tmp_path / "pkg_resources_of_old").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    packages = probes.load("packages")
    with pytest.raises(ImportError, match="its command `told` cannot start: ") as raised:
        packages.start("told", "a_command_of:main", {"a_command_of", "pkg_resources_of_old"})
    chain = [Raised(kind=type(one).__name__, message=str(one)) for one in (raised.value, raised.value.__cause__)]
    assert of_exceptions(chain, "import-failed") == code


@pytest.mark.parametrize(
    ("source", "told"),
    [
        # As `transformers chat` of transformers 4 does it where there is no PyTorch.
        (
            "try:\n    from not_there import Config\nexcept ImportError:\n    pass\ndef main(of: Config): pass\n",
            "as name 'Config' is not defined: it may come with a package that is not installed",
        ),
        ("import not_there.at_all\n", "without `not_there`, which is not installed"),
        # As `tune` of ray does it without the package that `ray[tune]` asks for.
        (
            "try:\n    import not_there\nexcept ImportError as error:\n    raise ImportError('needs it') from error\n",
            "without `not_there`, which is not installed",
        ),
    ],
)
def test_a_command_that_lacks_an_optional_package_is_told_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, told: str
) -> None:
    (tmp_path / "a_command_without.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "a_command_without", raising=False)
    found = probes.load("packages").start("chat", "a_command_without:main", {"a_command_without"})
    assert found == f"chat (cannot start {told})"


@pytest.mark.parametrize(
    ("name", "requires", "does"),
    [
        ("tensorflow_probability", (), True),
        ("tf_agents", (), True),
        ("keras_cv", (), True),
        ("spektral", ("numpy", "tensorflow (>=2.2)"), True),
        ("lazy", ('tensorflow-cpu<2.17,>=2.16; extra == "tensorflow-cpu"',), True),
        ("image", ("keras_applications",), True),
        ("pandas", ("numpy", "tfdf"), False),
    ],
)
def test_what_stands_beside_tensorflow_says_so_by_its_name_or_by_what_it_may_ask_for(
    tmp_path: Path, name: str, requires: tuple[str, ...], does: bool
) -> None:
    folder = tmp_path / f"{name}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("".join(f"Requires-Dist: {line}\n" for line in requires))
    one = probes.load("core").Distribution(str(tmp_path), folder.name)
    assert probes.load("packages").speaks_of_tensorflow(one) is does


def test_the_time_that_tensorflow_takes_is_not_taken_from_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tf_late.py").write_text("import sys\nassert 'tensorflow' in sys.modules\n")
    (tmp_path / "tensorflow.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.delitem(sys.modules, "tensorflow")
    one = probes.load("core").Distribution(str(tmp_path), "tf_late-1.0.dist-info")
    armed = []
    probes.load("packages").imports(one, ["tf_late"], set(), False, lambda: armed.append("tf_late" in sys.modules))
    assert armed == [False]


@pytest.mark.parametrize(
    ("files", "modules"),
    [
        # As flax 0.12 has it, whose sources of a library that it does not build lie beside it.
        (("flax/__init__.py", "flaxlib_src/src/flaxlib/__init__.py"), ["flax"]),
        (("src/__init__.py", "src/core.py"), ["src"]),
        (("good/__init__.py", "tests/__init__.py", "good/src/__init__.py"), ["good"]),
        (("space/one/__init__.py",), ["space.one"]),
        # As matplotlib 3.3 has it: its tests need pictures that its wheels do not contain.
        (("good/__init__.py", "space/one/__init__.py", "space/tests/__init__.py"), ["good", "space.one"]),
    ],
)
def test_what_got_into_a_distribution_by_mistake_stands_for_it_only_where_nothing_else_does(
    tmp_path: Path, files: tuple[str, ...], modules: list[str]
) -> None:
    folder = tmp_path / "good-1.0.dist-info"
    folder.mkdir()
    (folder / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    one = probes.load("core").Distribution(str(tmp_path), folder.name)
    assert probes.load("packages").modules_of(one) == modules


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a display")
def test_what_connects_to_a_display_is_left_alone_where_there_is_none_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pystray.py").write_text("import os\nos.environ['DISPLAY']\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    packages = probes.load("packages")
    one = probes.load("core").Distribution(str(tmp_path), "pystray-1.0.dist-info")
    with pytest.raises(sys.modules["tfprov_probe"].Skipped, match="connects to a display"):
        packages.imports(one, ["pystray"], set(), False)
    monkeypatch.setenv("DISPLAY", ":0")
    assert packages.imports(one, ["pystray"], set(), False) == "pystray 1.0: pystray"
