from __future__ import annotations

import pytest

from tfprov.pipeline.backends.venv.changes import near


@pytest.mark.parametrize(
    ("line", "releases"),
    [
        ("tensorflow==1.7", ["tensorflow==1.15.*"]),
        ("tensorflow==1.12.0", ["tensorflow==1.15.*"]),
        ("tensorflow-gpu==1.4.1", ["tensorflow-gpu==1.15.*"]),
        ("tensorflow==1.14.0.*", ["tensorflow==1.15.*"]),
        ("tensorflow~=1.13.0", ["tensorflow==1.15.*"]),
        ("tensorflow-gpu>=1.5,<1.6", ["tensorflow-gpu==1.15.*"]),
        ("tensorflow<=1.12", ["tensorflow==1.15.*"]),
        ("tensorflow>=1.3,<2", []),
        ("tensorflow==1.15.9", ["tensorflow==1.15.*"]),
        ("tensorflow==2.20.7", ["tensorflow==2.20.*"]),
        ("tensorflow==2.3.0rc0", ["tensorflow==2.3.*", "tensorflow>=2.0,<2.7"]),
        ("tensorflow==0.12.1", ["tensorflow==0.12.*"]),
        ("intel-tensorflow==2.12.0", ["tensorflow==2.12.0", "tensorflow==2.12.*", "tensorflow>=2.9,<2.16"]),
        (
            "tf-nightly-gpu==2.5.0.dev20201212",
            ["tensorflow==2.5.0.dev20201212", "tensorflow==2.5.*", "tensorflow>=2.2,<2.9"],
        ),
        ("nvidia-tensorflow", []),
        ("intel-tensorflow==1.13.1", ["tensorflow==1.15.*"]),
        ("tensorflow-cpu==2.8.*", ["tensorflow-cpu>=2.5,<2.12"]),
        ("tensorflow~=2.13.0", ["tensorflow==2.13.*", "tensorflow>=2.10,<2.17"]),
        ("tensorflow>=2.3", []),
        ("tensorflow", []),
    ],
)
def test_what_is_tried_in_place_of_a_release_that_cannot_be_had(line: str, releases: list[str]) -> None:
    assert list(near(line)) == releases
