"""The rules, a module for each kind of tool. To add one: write it with an example, and the tests do the rest."""

from __future__ import annotations

from tfprov.diagnose.records import Rule
from tfprov.diagnose.rules import noise, system

RULES: tuple[Rule, ...] = (*system.RULES, *noise.RULES)
