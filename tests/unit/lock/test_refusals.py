from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.lock.question import Answer
from tfprov.lock.refusals import NoWheelsError, failure_of

HINT = "hint: Wheels are required for `{}` because building from source is disabled for all packages"


@pytest.mark.parametrize(
    ("said", "versions"),
    [
        ("Because crcmod==1.7 has no usable wheels and only", {"crcmod": "1.7"}),
        ("Because all of:\n    farm_hash==0.2.2\n    farm_hash==0.3.2\n have no usable wheels", {"farm-hash": "0.3.2"}),
        ("Because tools{python_full_version < '3.13'}==0.5.31 has no usable wheels", {"tools": "0.5.31"}),
        ("Because tools[grpc,gcp]{sys_platform == 'linux'}==1.0 has no usable wheels", {"tools": "1.0"}),
        ("Because beam>=2.70.0rc2 has no usable wheels and a==1.0 depends on beam", {}),
        ("Because a==1.0 depends on b==2.0 and b==2.0 has no usable wheels", {"b": "2.0"}),
    ],
)
def test_versions_without_wheels_are_read_with_all_that_stands_beside_a_name(
    said: str, versions: dict[str, str]
) -> None:
    text = f"error: No solution found when resolving dependencies\n  cause: {said}\n\n{HINT.format('thing')}\n"
    error = failure_of(Answer(returncode=1, stdout="", stderr=text, document="", work=Path()))
    assert isinstance(error, NoWheelsError)
    assert dict(error.versions) == versions


@pytest.mark.timeout(60)
@pytest.mark.parametrize("word", ["a", "a.", "a[", "[a", "a{}==1 ", "a==", "a==1 "])
def test_words_of_any_length_are_read_in_a_time_in_proportion(word: str) -> None:
    # A time that grew with the square of the length would exceed the limit; an index chooses what the resolver names.
    said = "Wheels are required for `x` because building from source is disabled " + word * (60_000 // len(word))
    said += " x==1 has no usable wheels"
    assert isinstance(failure_of(Answer(returncode=1, stdout="", stderr=said, document="", work=Path())), NoWheelsError)
