"""Reads the files of tools that run models: MLflow's `python_env.yaml` and Cog's `cog.yaml`."""

from __future__ import annotations

import re

import yaml

from tfprov.wants import requirements_file
from tfprov.wants.basket import Basket
from tfprov.wants.conda_environment import line_of, pairs, root_of, texts

_MINOR = re.compile(r"3\.\d+")


def read(text: str, basket: Basket) -> None:
    """Add the packages and the Python that such a file requests to the basket."""
    root = root_of(text, basket)
    keys = dict(pairs(root))
    for key, node in pairs(keys["build"]) if "build" in keys else keys.items():
        where = f"{basket.name}:{line_of(node)}"
        if key in ("python", "python_version") and isinstance(node, yaml.ScalarNode):
            found = _MINOR.match(node.value)
            basket.python(f"=={found[0]}.*" if found else "", where)
        elif key in ("dependencies", "python_packages"):
            listed = ((one, f"{basket.name}:{line}") for one, line in texts(node, basket))
            requirements_file.Reader(basket, "requirements").listed(listed)
        elif key == "python_requirements" and isinstance(node, yaml.ScalarNode):
            requirements_file.Reader(basket, "requirements").listed([(f"-r {node.value}", where)])
