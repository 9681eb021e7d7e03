"""The public package index, used when no index is configured."""

from __future__ import annotations

import importlib.util
import zipimport
from functools import lru_cache
from urllib.parse import urlsplit

from tfprov.errors import TfprovError


@lru_cache(maxsize=1)
def default_index() -> str:
    """URL of the public index that pip and uv use when no index is configured, read from pip's own code.

    virtualenv ships pip as a wheel to seed environments with. pip's module that names the index imports only urllib; it
    is loaded from the wheel under another name, so that no `pip` appears in `sys.modules`.

    Raises:
        TfprovError: `internal` when that pip is laid out differently.
    """
    # Import the whole package first: another thread may be creating an environment, and two threads that import
    # virtualenv from different ends deadlock.
    import virtualenv  # noqa: F401 - for what the import does
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
            "the address of the public index cannot be read from virtualenv's copy of pip",
            evidence=(f"{type(error).__name__}: {error}",),
            hint="set `index.url` in the profile",
        ) from error


def is_default(url: str) -> bool:
    """Whether a URL is that of the public index, in whose place the settings of the machine may name another."""
    return urlsplit(url).netloc == urlsplit(default_index()).netloc
