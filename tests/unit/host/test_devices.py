"""NVIDIA devices as the kernel lists them."""

from __future__ import annotations

import pytest

from tfprov.host.devices import parse_pci_name, pci_address


@pytest.mark.parametrize(
    ("told", "address"),
    [("00000000:1A:00.0", "0000:1a:00.0"), ("0001:1a:00.0", "0001:1a:00.0"), (None, None), ("", None), ("1a", None)],
)
def test_addresses_are_written_as_the_kernel_does(told: str | None, address: str | None) -> None:
    assert pci_address(told) == address


def test_a_device_that_is_not_listed_has_no_name() -> None:
    assert parse_pci_name("10de  NVIDIA\n\t0001  a\n", "10de", "0002") is None
    assert parse_pci_name("", "10de", "0002") is None
