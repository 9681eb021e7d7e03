from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tfprov.lock.renew import Released
from tfprov.pipeline.likely import Installed, likely_bounds
from tfprov.plan.records import IndexFile, Listing
from tfprov.smoke.records import Leg


def installed(tmp_path: Path, python: str = "3.12.1", **more: object) -> Installed:
    """An environment with what the cases speak of; `holder` holds `held` back, and `strict` admits no older `new`."""
    place = tmp_path / "lib" / "python3.12" / "site-packages"
    requires: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
        "asker": ("1.4.2", "asker/__init__.py", ("lib", "held", "new>=3", "spaced; python_version<'3'")),
        "lib": ("3.1", "lib/__init__.py", ()),
        "held": ("0.3.2", "held.py", ()),
        "holder": ("9", "holder.py", ("held<0.4",)),
        "new": ("3.2", "new/sub/__init__.py", ()),
        "early": ("0.9.1", "early.py", ()),
        "spaced": ("2.0", "space/spaced/__init__.py", ()),
        "other-spaced": ("2.0", "space/other/__init__.py", ()),
        "tensorflow-cpu": ("2.21.0", "tensorflow/__init__.py", ()),
        "protobuf": ("7.34.1", "google/protobuf/__init__.py", ()),
        "tensorflow-hub": ("0.17", "tensorflow_hub/__init__.py", ()),
    }
    for name, (version, path, lines) in requires.items():
        folder = place / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        head = f"Name: {name}\nVersion: {version}\n" + "".join(f"Requires-Dist: {line}\n" for line in lines)
        (folder / "METADATA").write_text(head)
        (folder / "RECORD").write_text(f"{path},,\n{folder.name}/METADATA,,\n")
    return Installed(root=tmp_path, python=python, **{"released": {}, **more})  # type: ignore[arg-type]


def leg(said: str, *files: str, of: str = "package asker") -> Leg:
    frames = "".join(f'  File "/x/lib/python3.12/site-packages/{file}", line 1, in <module>\n' for file in files)
    return Leg(leg=of, ok=False, seconds=0.0, code="import-failed", evidence=f"{said}\n{frames}")


@pytest.mark.parametrize(
    ("said", "files", "bounds"),
    [
        ("ImportError: cannot import name 'x' from 'lib' (/x)", ["asker/__init__.py"], ["lib<3", "lib<3.1"]),
        ("ModuleNotFoundError: No module named 'lib.gone'", ["asker/__init__.py"], ["lib<3", "lib<3.1"]),
        ("AttributeError: module 'lib' has no attribute 'x'", ["asker/__init__.py"], ["lib<3", "lib<3.1"]),
        # Nothing is named: the innermost frame speaks.
        ("TypeError: f() got an unexpected keyword", ["asker/__init__.py", "lib/__init__.py"], ["lib<3", "lib<3.1"]),
        # Before 1.0 each minor version may break.
        ("ImportError: cannot import name 'x' from 'early' (/x)", ["asker/__init__.py"], ["early<0.9"]),
        # What the metadata do not admit is not proposed.
        ("ImportError: cannot import name 'x' from 'new.sub' (/x)", ["asker/__init__.py"], ["new<3.2"]),
        # What is held back is too old, and what asks for more of it too new.
        ("AttributeError: module 'held' has no attribute 'x'", ["asker/__init__.py"],
            ["asker<1.4", "asker<1", "held<0.3"]),
        ("ImportError: cannot import name 'x' from 'google.protobuf' (/x)", ["asker/__init__.py"],
            ["protobuf<7", "protobuf<7.34"]),
        ("ImportError: cannot import name 'x' from 'tensorflow' (/x)", ["asker/__init__.py"], ["tensorflow<2.21"]),
        # Nobody knows which project a missing module would be of, nor what a shared folder belongs to.
        ("ModuleNotFoundError: No module named 'absent'", ["asker/__init__.py"], []),
        ("ImportError: cannot import name 'x' from 'space' (unknown location)", ["asker/__init__.py"], []),
        ("ImportError: cannot import name 'x' from 'asker' (/x)", ["asker/__init__.py"], []),
        ("RuntimeError: no", [], []),
        ("", [], []),
    ],
)  # fmt: skip
def test_the_likeliest_bound_follows_what_the_failure_names_and_the_metadata_admit(
    tmp_path: Path, said: str, files: list[str], bounds: list[str]
) -> None:
    assert [each.requirement for each in likely_bounds(leg(said, *files), installed(tmp_path))] == bounds


@pytest.mark.parametrize(
    ("python", "said", "bound"),
    [
        ("3.12.1", "ModuleNotFoundError: No module named 'imp'", "python<3.12"),
        ("3.11.9", "ModuleNotFoundError: No module named 'imp'", None),
        ("3.12.1", "ModuleNotFoundError: No module named 'distutils.version'", "setuptools"),
        ("3.13.0", "ModuleNotFoundError: No module named 'telnetlib'", "python<3.13"),
        ("3.11.9", "ImportError: cannot import name 'Mapping' from 'collections' (/x.py)", "python<3.10"),
        ("3.11.9", "AttributeError: module 'inspect' has no attribute 'getargspec'", "python<3.11"),
    ],
)  # fmt: skip
def test_what_python_removed_asks_for_an_older_one(tmp_path: Path, python: str, said: str, bound: str | None) -> None:
    found = likely_bounds(leg(said, "asker/__init__.py"), installed(tmp_path, python))
    assert next((each.requirement for each in found), None) == bound


def test_a_package_that_is_newer_than_its_row_is_taken_to_need_the_same(tmp_path: Path) -> None:
    said = leg("ModuleNotFoundError: No module named 'pkg_resources'", of="package tensorflow-hub")
    first, *_ = likely_bounds(said, installed(tmp_path))
    assert first.requirement == "setuptools<81"
    assert first.why.startswith("`tensorflow-hub` <=0.16.1 is known to need it: it imports pkg_resources")


def test_where_dates_are_known_what_was_out_then_comes_first(tmp_path: Path) -> None:
    out = datetime(2025, 3, 1, tzinfo=timezone.utc)
    files = [("2.18.0", "2024-10-24T00:00:00Z"), ("2.19.0", "2025-03-12T00:00:00Z"), ("2.21.0", "2026-03-06T00:00:00Z")]
    offers = Listing(
        files={
            "tensorflow": tuple(
                IndexFile(filename=f"tensorflow-{version}-cp312-cp312-win_amd64.whl", uploaded=at)
                for version, at in files
            )
        },
        source="x",
    )
    there = installed(tmp_path, released={"asker": Released(version="1.4.2", at=out)}, offers=offers)
    for said, bounds in (
        ("ImportError: cannot import name 'x' from 'tensorflow' (/x)", ["tensorflow<=2.18.0", "tensorflow<2.21"]),
        ("ImportError: cannot import name 'x' from 'google.protobuf' (/x)",
            ["protobuf<=5.29.3", "protobuf<7", "protobuf<7.34"]),
    ):  # fmt: skip
        assert [each.requirement for each in likely_bounds(leg(said, "asker/__init__.py"), there)] == bounds
