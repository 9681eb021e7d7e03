"""Shared libraries that stand for those of CUDA: compiled C with the names, the needs and nothing else of the real."""

from __future__ import annotations

import subprocess
from pathlib import Path

from fake_nvml import compiler


def build(target: Path, *, needs: tuple[Path, ...] = (), answer: int = 1) -> Path:
    """Compile a library; it is found by its name like the real one, by its SONAME.

    Args:
        target: file with the library's name, such as `libcudart.so.12`.
        needs: libraries that it cannot be loaded without. Where they are is not written into it.
        answer: what its function `answer` returns, to tell two of one name apart.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    source = target.with_suffix(".c")
    source.write_text(f"int answer(void) {{ return {answer}; }}\n")
    command = [
        *(compiler() or "cc", "-shared", "-fPIC", "-Wl,--no-as-needed", f"-Wl,-soname,{target.name}"),
        *("-o", str(target), str(source), *map(str, needs)),
    ]
    subprocess.run(command, check=True)
    source.unlink()
    return target
