"""Fingerprints of the machine that the tests run on."""

from __future__ import annotations

import os
from dataclasses import replace

from tfprov.host.fingerprint import file_digest, read
from tfprov.host.records import Fingerprint


def here(python: str) -> Fingerprint:
    """What a verdict without GPUs that was made just now rests on."""
    found = read(os.environ, python=python, has_gpus=False).fingerprint
    return replace(found, python_hash=file_digest(python))
