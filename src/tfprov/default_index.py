"""The public index, which is used when nothing is configured."""

from __future__ import annotations

import importlib.util
import zipimport
from functools import lru_cache
from urllib.parse import urlsplit

from tfprov.errors import TfprovError


@lru_cache(maxsize=1)
def default_index() -> str:
    """The public index that pip and uv use when nothing is configured, read from pip's own code.

    virtualenv contains pip as a wheel, to seed environments with. The module of pip that names the index imports only
    urllib; it is loaded from the wheel under another name, so that no `pip` appears in `sys.modules`.

    Raises:
        TfprovError: `internal` when the layout of that pip is different.
    """
    # The whole first: an environment may be made beside this, and two threads that import it from both ends deadlock.
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
    """Whether an address is that of the public index: the settings of the machine tell what serves for it."""
    return urlsplit(url).netloc == urlsplit(default_index()).netloc
