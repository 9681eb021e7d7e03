"""Virtual packages: the properties of the machine that the solver sees."""

from __future__ import annotations

from tfprov.conda.records import Virtual
from tfprov.host.records import Facts

# Microarchitecture levels of x86-64, highest first, each with a flag that the levels below lack (psABI, section 3.1.1).
_LEVELS = (("x86_64_v4", "avx512vl"), ("x86_64_v3", "avx2"), ("x86_64_v2", "sse4_2"))
# No package requires a newer kernel, and the facts of another machine do not include its version.
_LINUX = "5.10"
_GLIBC = "2.28"


def about_cuda(accelerator: str, cuda: str | None) -> tuple[Virtual, ...]:
    """The virtual package `__cuda` for the chosen accelerator: the CUDA version that the driver supports.

    For other accelerators it is removed, even if there is a driver.

    Args:
        accelerator: accelerator of the plan.
        cuda: version that the driver supports, or will support; None if unknown.
    """
    if accelerator != "cuda":
        return (Virtual(name="__cuda", version=""), Virtual(name="__cuda_arch", version=""))
    return (Virtual(name="__cuda", version=cuda or "12.0"),)


def of_facts(facts: Facts) -> tuple[Virtual, ...]:
    """The virtual packages of another machine, without `__cuda`."""
    system, machine = facts.system.value, facts.machine.value
    if system == "windows":
        build = "aarch64" if machine.lower() in ("arm64", "aarch64") else "x86_64"
        return (Virtual(name="__win", version="10.0"), Virtual(name="__archspec", version="1", build=build))
    found = [Virtual(name="__unix", version="0")]
    if system == "macos":
        found.append(Virtual(name="__osx", version=facts.os_version.value))
        return (*found, Virtual(name="__archspec", version="1", build="m1" if machine == "arm64" else "x86_64"))
    libc = facts.libc.value
    found.append(Virtual(name="__linux", version=_LINUX))
    found.append(Virtual(name="__glibc", version=libc.version if libc and libc.kind == "glibc" else _GLIBC))
    level = next((name for name, flag in _LEVELS if flag in facts.cpu_flags.value), machine)
    return (*found, Virtual(name="__archspec", version="1", build=level if machine == "x86_64" else machine))
