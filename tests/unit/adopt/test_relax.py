"""What a profile gives up, and the reason of every version that differs."""

from __future__ import annotations

import pytest

from founds import lines
from tfprov.adopt.records import Ask, Asked
from tfprov.adopt.relax import changes, relaxed
from tfprov.errors import TfprovError


class TestLess:
    wanted = Asked(
        tensorflow="==2.15.1",
        python="==3.11.*",
        packages=(
            Ask(name="numpy", project="numpy", version="2.1.0"),
            Ask(name="pandas", project="pandas", version="2.0.0"),
            Ask(name="mine", project="mine", version="1.0", text="mine @ git+https://host/mine@1"),
        ),
    )

    def steps(self, *errors: TfprovError) -> list[tuple[str, str, list[str]]]:
        wanted: Asked | None = self.wanted
        told = []
        for error in errors:
            assert wanted is not None
            wanted = relaxed(wanted, error)
            if wanted is not None:
                told.append((wanted.tensorflow, wanted.python, lines(wanted)))
        return told

    def test_what_a_failure_names_goes_first_then_all_then_the_release_then_the_python(self) -> None:
        named = TfprovError("resolver-conflict", "no", evidence=("Because numpy==2.1.0 depends on x",))
        blind = TfprovError("resolver-conflict", "no", evidence=("no solution",))
        mine = "mine @ git+https://host/mine@1"
        assert self.steps(named, blind, blind, blind, blind) == [
            ("==2.15.1", "==3.11.*", ["numpy", "pandas==2.0.0", mine]),
            ("==2.15.1", "==3.11.*", ["numpy", "pandas", mine]),
            ("==2.15.*", "==3.11.*", ["numpy", "pandas", mine]),
            ("==2.15.*", "", ["numpy", "pandas", mine]),
            (">=2.15", "", ["numpy", "pandas", mine]),
        ]

    def test_it_comes_to_an_end_whatever_fails(self) -> None:
        for code in ("resolver-conflict", "version-not-available", "python-not-found", "import-failed", "numpy-abi"):
            error = TfprovError(code, "mine, numpy and pandas", evidence=("python",))
            wanted: Asked | None = self.wanted
            for _ in range(12):
                if wanted is not None:
                    wanted = relaxed(wanted, error)
            assert wanted is None, code

    def test_a_python_that_is_not_here_is_the_first_to_go(self) -> None:
        (step,) = self.steps(TfprovError("python-not-found", "no Python 3.11"))
        assert step[:2] == ("==2.15.1", "")

    def test_a_name_that_no_index_has_is_left_out(self) -> None:
        wanted = relaxed(self.wanted, TfprovError("package-name-wrong", "no", evidence=("`pandas` was not found",)))
        assert wanted is not None
        assert lines(wanted) == ["numpy==2.1.0", "mine @ git+https://host/mine@1"]
        assert dict(wanted.reasons)["pandas"].startswith("it is left out: ")

    @pytest.mark.parametrize(
        "code", ["net-timeout", "disk-full", "interrupted", "internal", "gpu-no-driver", "lock-timeout"]
    )
    def test_what_no_version_can_mend_is_not_tried(self, code: str) -> None:
        assert relaxed(self.wanted, TfprovError(code, "numpy")) is None


def test_every_difference_has_a_reason() -> None:
    wanted = Asked(packages=(Ask(name="a", project="a"),), reasons=(("b", "because"),))
    before, after = {"a": "1", "b": "1", "c": "1+cu118", "d": "1"}, {"a": "2", "b": "2", "c": "1", "e": "1"}
    found = changes(wanted, before, after, python=("3.11.2", "3.12.1"), known={"python": "the old one is gone"})
    assert [(one.what, one.before, one.after) for one in found] == [
        ("Python", "3.11.2", "3.12.1"),
        ("a", "1", "2"),
        ("b", "1", "2"),
        ("d", "1", None),
        ("e", None, "1"),
    ]
    assert [one.why for one in found][0:3:2] == ["the old one is gone", "because"]
    assert all(one.why for one in found)
    assert changes(wanted, {}, {}, python=("3.11", "3.11.9"), known={}) == ()
