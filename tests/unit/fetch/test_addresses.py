"""Variables in addresses."""

from __future__ import annotations

from tfprov.fetch.addresses import expand
from told import refusal


def test_a_variable_that_is_not_set_is_named() -> None:
    assert refusal(lambda: expand("https://me:${TOKEN}@host/simple", {})) == (
        *("profile-invalid", "`https://****@host/simple` needs the variable `TOKEN`, which is not set"),
        "set `TOKEN` in the environment of this command",
    )


def test_a_variable_is_replaced_wherever_it_stands() -> None:
    assert expand("https://${HOST}/${REPO}/simple", {"HOST": "h.example", "REPO": "r"}) == "https://h.example/r/simple"
