from __future__ import annotations

from typing import get_args

import pytest

from tfprov.errors import CODES, Group
from tfprov.ladder.rungs import HELP, TRANSIENT, TRANSIENT_STATUSES, Rung, distance, may_pass
from tfprov.profile.records import RungName


def test_every_code_has_a_row_that_names_rungs_only() -> None:
    assert HELP.keys() == CODES.keys()
    assert {rung for rungs in HELP.values() for rung in rungs} <= set(Rung)


def test_the_normal_rung_is_no_answer_to_anything() -> None:
    assert all(Rung.NORMAL not in rungs for rungs in HELP.values())


def test_the_profile_can_skip_every_rung_but_the_normal_one() -> None:
    assert {rung.value for rung in Rung} - {"normal"} == set(get_args(RungName))


def test_what_may_pass_by_itself_can_also_be_helped() -> None:
    assert {code for code in TRANSIENT if not HELP[code]} == set()
    assert CODES.keys() >= TRANSIENT


@pytest.mark.parametrize("code", sorted(CODES))
def test_an_answer_of_a_server_makes_nothing_worth_a_try_that_its_code_does_not(code: str) -> None:
    passing = {status for status in range(100, 600) if may_pass(code, status)}
    assert passing == (TRANSIENT_STATUSES if may_pass(code) else set())


def test_what_asks_for_a_login_or_distrusts_does_not_pass() -> None:
    assert not any(may_pass(code) for code in ("net-proxy", "net-tls-cert", "net-portal", "hash-mismatch"))
    assert TRANSIENT_STATUSES.isdisjoint({401, 403, 404, 407, 410, 501, 505, 511})


@pytest.mark.parametrize(
    "code", ["disk-full", "permission-denied", "read-only-fs", "usage", "profile-invalid", "interrupted", "internal"]
)
def test_causes_outside_our_reach_are_hopeless(code: str) -> None:
    assert HELP[code] == ()


def test_no_rung_answers_a_bad_certificate_with_less_verification() -> None:
    assert set(HELP["net-tls-cert"]) == {Rung.OTHER_ROUTE, Rung.OTHER_SOURCE}


def test_a_dead_proxy_says_less_than_an_answer_of_the_index() -> None:
    assert distance("net-proxy") < distance("net-timeout") < distance("mirror-http-error") < distance("hash-mismatch")
    network = {name for name, code in CODES.items() if code.group is Group.NETWORK}
    assert len({distance(name) for name in network}) == len(network)
