from __future__ import annotations

from tfprov.errors import TfprovError
from tfprov.fetch.health import Health


def test_one_failure_of_what_had_worked_is_forgiven() -> None:
    health, error = Health(), TfprovError("net-reset", "cut")
    health.worked("mirror")
    health.failed("mirror", error)
    assert health.problem("mirror") is None
    health.failed("mirror", error)
    assert health.problem("mirror") is error
