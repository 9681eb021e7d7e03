"""A rollback is remembered for as long as it holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from seals import generation
from tfprov.envs import rollbacks


def test_a_rollback_counts_while_the_environment_is_where_it_led_to(tmp_path: Path) -> None:
    note = rollbacks.Rollback(number=3, before=5, profile_digest="p", lock_digest="l")
    rollbacks.write(tmp_path, note)
    assert rollbacks.read(tmp_path, generation(3, "a")) == note
    assert rollbacks.read(tmp_path, generation(5, "b")) is None
    assert rollbacks.read(tmp_path, None) is None
    # The switch of a second rollback, from 4 to 3, did not happen.
    assert rollbacks.read(tmp_path, generation(4, "c")) == dataclasses.replace(note, number=4)
    (tmp_path / "rollback.json").write_text('{"number": 3}')
    assert rollbacks.read(tmp_path, generation(3, "a")) is None
    rollbacks.forget(tmp_path)
    rollbacks.forget(tmp_path)
    assert not (tmp_path / "rollback.json").exists()
