"""The public index that holds when nothing is configured."""

from __future__ import annotations

import importlib.util
import zipimport
from functools import lru_cache

from tfprov.errors import TfprovError


@lru_cache(maxsize=1)
def default_index() -> str:
    """The public index that pip and uv use when nothing is configured, read from pip's own code.

    pip comes as a wheel inside virtualenv, whose job is to seed environments with it. One module of it, which imports
    nothing but urllib, names the index; it is loaded straight from the wheel under a name of its own, so that no `pip`
    appears among our modules.

    Raises:
        TfprovError: `internal` when that pip is built differently.
    """
    from virtualenv.seed.wheels.embed import BUNDLE_SUPPORT, get_embed_wheel

    try:
        wheel = get_embed_wheel("pip", next(iter(BUNDLE_SUPPORT)))
        finder = zipimport.zipimporter(f"{wheel.path if wheel else ''}/pip/_internal/models")
        spec = finder.find_spec("index")
        module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # None fails with AttributeError below
        finder.exec_module(module)
        return str(module.PyPI.simple_url)
    except (AttributeError, ImportError, StopIteration) as error:
        raise TfprovError(
            "internal",
            "the address of the public index cannot be read from the pip that virtualenv brings",
            evidence=(f"{type(error).__name__}: {error}",),
            hint="set `index.url` in the profile",
        ) from error
