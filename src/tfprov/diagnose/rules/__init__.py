"""The rules, a module for each kind of tool. To add one: write it with an example, and the tests do the rest."""

from __future__ import annotations

from tfprov.diagnose.records import Rule
from tfprov.diagnose.rules import (
    answers,
    builds,
    clues,
    commands,
    companions,
    conda,
    driver,
    endings,
    filesystems,
    gpu,
    imports,
    interpreters,
    loader,
    lockers,
    network,
    no_gpu,
    noise,
    packages,
    pip,
    proxies,
    repositories,
    signs,
    system,
    uv,
)

RULES: tuple[Rule, ...] = (
    *clues.RULES,
    *system.RULES,
    *filesystems.RULES,
    *endings.RULES,
    *network.RULES,
    *proxies.RULES,
    *answers.RULES,
    *pip.RULES,
    *commands.RULES,
    *interpreters.RULES,
    *uv.RULES,
    *lockers.RULES,
    *builds.RULES,
    *repositories.RULES,
    *conda.RULES,
    *loader.RULES,
    *packages.RULES,
    *imports.RULES,
    *companions.RULES,
    *driver.RULES,
    *gpu.RULES,
    *no_gpu.RULES,
    *noise.RULES,
    *signs.RULES,
)
"""Every rule. The order does not matter: ranks, conditions and consequences decide."""
