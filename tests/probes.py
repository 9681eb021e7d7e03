"""The probe scripts as modules, loaded the way they load each other: by path, under names of their own."""

from __future__ import annotations

import importlib.util
import sys
from importlib import resources
from pathlib import Path
from types import ModuleType


def load(name: str) -> ModuleType:
    """A probe by the name of its file."""
    with resources.as_file(resources.files("tfprov.smoke") / "probes") as folder:
        if "tfprov_probe" not in sys.modules:
            _load("tfprov_probe", folder / "probe.py")
        return _load(f"tfprov_probe_{name}", folder / f"{name}.py")


def _load(module_name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module
