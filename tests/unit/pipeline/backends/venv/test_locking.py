"""What a lock of wheels refuses, in whole messages. The resolver's answer is a stand-in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import hosts
from tfprov.errors import TfprovError
from tfprov.pipeline.backends.venv import locking
from tfprov.pipeline.backends.venv.resolving import Selection
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.profile.records import Profile


def test_two_distributions_of_tensorflow_are_not_locked_together(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = "".join(
        f'[[packages]]\nname = "{name}"\nversion = "2.21.0"\n' for name in ("tensorflow", "intel-tensorflow")
    )
    monkeypatch.setattr(locking, "ask_resolver", lambda *_, **__: answer)
    facts = hosts.Host().facts
    decision = decide(Profile(name="train"), facts, table(), None).decision
    selection = Selection(decision=decision, facts=facts, interpreter=facts.interpreters.value[0], constraints=())
    context: Any = SimpleNamespace(loaded=SimpleNamespace(requirements=()), emit=lambda _event: None)
    with pytest.raises(TfprovError) as caught:
        locking._resolve_once(context, SimpleNamespace(), selection, prefer=(), built=())  # type: ignore[arg-type]  # not looked at
    error = caught.value
    assert (error.code.name, error.what, error.evidence, error.hint) == (
        "resolver-conflict",
        "more than one distribution of TensorFlow would be installed",
        ("`tensorflow`, `intel-tensorflow`",),
        "only one of them may be asked for; look at what your requirements depend on",
    )
