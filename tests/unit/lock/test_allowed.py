from __future__ import annotations

import pytest
import tomlkit

from tfprov.errors import TfprovError
from tfprov.lock.allowed import only_allowed, refused_in

RESOLVED = """\
lock-version = "1.0"
[[packages]]
name = "six"
version = "1.0"
wheels = [
  { url = "https://host/a.whl", size = 1, upload-time = 2024-02-05T23:53:15Z, hashes = { sha256 = "aa" } },
  { url = "https://host/b.whl", hashes = { sha256 = "bb" } },
]
[[packages]]
name = "other"
version = "2.0"
wheels = [{ url = "https://host/c.whl", hashes = { sha256 = "cc" } }]
[[packages]]
name = "linked"
archive = { url = "https://host/d.whl", hashes = { sha256 = "dd" } }
"""


def files(document: str) -> dict[str, list[str]]:
    return {
        package["name"]: [
            file["url"][-5] for file in [*package.get("wheels", ()), *filter(None, [package.get("archive")])]
        ]
        for package in tomlkit.parse(document).unwrap()["packages"]
    }


def test_only_files_with_an_allowed_hash_stay() -> None:
    kept = only_allowed(RESOLVED, {"six": ("zz", "bb"), "linked": ("dd",), "elsewhere": ("xx",)})
    assert files(kept) == {"six": ["b"], "other": ["c"], "linked": ["d"]}
    assert files(only_allowed(RESOLVED, {"six": ("aa", "bb")}))["six"] == ["a", "b"]


def test_a_lock_with_a_file_too_many_is_known() -> None:
    assert refused_in(RESOLVED, {"six": ("aa",), "other": ("cc",), "linked": ("00",)}) == ("six", "linked")


@pytest.mark.parametrize(("name", "letter"), [("six", "a"), ("linked", "d")])
def test_a_project_without_an_allowed_file_ends_it(name: str, letter: str) -> None:
    with pytest.raises(TfprovError) as failure:
        only_allowed(RESOLVED, {name: ("00",)})
    error = failure.value
    assert error.code.name == "version-not-available"
    assert error.what.startswith(f"no file of `{name}` ")
    assert error.evidence[0] == f"https://host/{letter}.whl: sha256:{letter * 2}"
    assert error.evidence[-1] == "1 hash is allowed"
    assert error.hint == "remove the hashes of this package, or take them from the index in use"
    with pytest.raises(TfprovError) as failure:
        only_allowed(RESOLVED, {name: ("00", "11")})
    assert failure.value.evidence[-1] == "2 hashes are allowed"
