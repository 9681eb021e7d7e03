from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.fetch.promised import Promised
from tfprov.lock.records import LockedFile
from wheels import build_wheel

URL = "https://index.example/files/thing-1.0-py3-none-any.whl"
HEAD = "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return build_wheel(tmp_path, "thing", "1.0", requires=("other>=1", 'more; python_version < "3"'))


def locked(wheel: Path) -> LockedFile:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return LockedFile(name="thing", version="1.0", filename=wheel.name, url=URL, sha256=digest)


SAME = {
    "the same": HEAD + 'Requires-Dist: other>=1\nRequires-Dist: more; python_version < "3"\n',
    "in another order and spelling": HEAD
    + "Requires-Dist: more;python_version<'3'\nRequires-Dist: other >=1\n\ntext\n",
}
FALSE = {
    "a hidden dependency": (HEAD + "Requires-Dist: other>=1\n", "only in the wheel: `Requires-Dist: more"),
    "an added one": (SAME["the same"] + "Requires-Dist: evil\n", "only in the index: `Requires-Dist: evil`"),
    "another range": (SAME["the same"].replace(">=1", ">=2"), "only in the index: `Requires-Dist: other>=2`"),
    "another Python": (SAME["the same"] + "Requires-Python: >=3.99\n", "only in the index: `requires_python: >=3.99`"),
    "nothing": ("", "only in the wheel: `name: thing`"),
    "garbage": ("\0\xff", "only in the wheel: `name: thing`"),
}


@pytest.mark.parametrize("name", SAME)
def test_what_is_meant_alike_is_forgotten(name: str, wheel: Path, tmp_path: Path) -> None:
    promised = Promised(tmp_path / "metadata")
    promised.keep(URL, SAME[name].encode())
    promised.check(locked(wheel), wheel)
    assert list((tmp_path / "metadata").iterdir()) == []
    promised.check(locked(wheel), wheel)


@pytest.mark.parametrize("name", FALSE)
def test_false_metadata_end_the_run_and_the_next_one(name: str, wheel: Path, tmp_path: Path) -> None:
    said, line = FALSE[name]
    promised = Promised(tmp_path / "metadata")
    promised.keep(URL, said.encode())
    for _ in range(2):
        with pytest.raises(TfprovError) as caught:
            promised.check(locked(wheel), wheel)
        assert caught.value.code.name == "metadata-mismatch"
        assert caught.value.what == f"`{locked(wheel).filename}` has other requirements than its index says"
        assert any(each.startswith(line) for each in caught.value.evidence)
