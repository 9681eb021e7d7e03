"""Make an environment with simulated GPUs from one with TensorFlow: `python -m simgpu PYTHON FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from simgpu import compiler, environment

if len(sys.argv) != 3:
    sys.exit("usage: python -m simgpu PYTHON FOLDER    (PYTHON of an environment with tensorflow-cpu)")
if compiler() is None:
    sys.exit("there is no C++ compiler on PATH: install g++ or clang")
folder = Path(sys.argv[2]).absolute()
# The plug-in lies beside the environment that uses it; nothing is kept for another one.
folder.mkdir(parents=True)
print(environment(Path(sys.argv[1]).absolute(), folder, folder))
