from __future__ import annotations

import random
from pathlib import Path

from sham import install
from tfprov.envs import manifest
from tfprov.envs.drift import drift


def test_a_damaged_manifest_is_damage_or_drift_and_crashes_nothing(tmp_path: Path) -> None:
    chance = random.Random(3)
    install(tmp_path / "lib/python3.12/site-packages", "thing", "1.0", {"thing/__init__.py": "x = 1\n"})
    total = manifest.write(tmp_path)
    whole = (tmp_path / manifest.MANIFEST).read_bytes()
    for _ in range(1000):
        altered = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(altered))
            altered[at : at + chance.randrange(20)] = chance.choice(
                [b"", b" ", b"\n", b"-1", b"\xff", b"\0", b"9" * 30]
            )
        (tmp_path / manifest.MANIFEST).write_bytes(altered)
        found = manifest.damage(tmp_path, total=total)
        assert not found or str(found)
        assert str(drift(tmp_path)) is not None
