"""What runs inside environments runs on Python 3.6 to 3.8 as well."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import tfprov
from old_pythons import MINORS, old_python
from tfprov import process

SOURCE = Path(tfprov.__file__).parent
PROBES = SOURCE / "smoke" / "probes"
SCRIPTS = (
    *sorted(PROBES.glob("*.py")),
    SOURCE / "envs" / "startup.py",
    SOURCE / "envs" / "binding.py",
    SOURCE / "install" / "compile_first.py",
)
ENVIRON = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


@pytest.mark.parametrize("minor", MINORS)
def test_every_script_can_be_read(minor: str) -> None:
    python, _ = old_python(minor)
    code = "import sys\nfor path in sys.argv[1:]: compile(open(path, encoding='utf-8').read(), path, 'exec')"
    done = process.run([python, "-I", "-W", "error", "-c", code, *SCRIPTS], env=ENVIRON)
    assert done.ok, done.stderr


@pytest.mark.parametrize("minor", MINORS)
def test_a_probe_reports_what_it_found(tmp_path: Path, minor: str) -> None:
    python, version = old_python(minor)
    request = {
        "records": str(tmp_path / "records.jsonl"),
        "groups": ["core"],
        "done": [],
        "lost_devices": {},
        "timeout": 60,
        "idle_timeout": None,
        "expected_package": None,
        "expected_version": None,
        "accelerator": "cpu",
        "gpus": None,
        "exit_normally": False,
    }
    (tmp_path / "request.json").write_text(json.dumps(request))
    done = process.run([python, "-I", "-u", PROBES / "probe.py", tmp_path / "request.json"], env=ENVIRON)
    assert done.ok, done.stderr
    records = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    assert next(one["facts"]["python"] for one in records if "facts" in one) == version
    codes = {one["leg"]: one.get("code") for one in records if "leg" in one}
    assert codes["distribution"] == "tf-not-in-env"
    assert records[-1] == {"end": True}


@pytest.mark.parametrize("minor", MINORS)
def test_start_up_takes_a_protected_module_from_the_environment(tmp_path: Path, minor: str) -> None:
    python, _ = old_python(minor)
    (tmp_path / "_tfprov_cures.py").write_bytes((SOURCE / "envs" / "startup.py").read_bytes())
    (tmp_path / "guarded.py").write_text("")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import _tfprov_cures as cures; sys.path.pop(0)\n"
        "cures.begin(modules=['guarded']); import guarded; print(guarded.__file__)"
    )
    done = process.run([python, "-I", "-c", code], env=ENVIRON)
    assert (done.stdout.strip(), done.stderr) == (str(tmp_path / "guarded.py"), "")


@pytest.mark.parametrize("minor", MINORS)
def test_bytecode_that_was_compiled_ahead_is_taken(tmp_path: Path, minor: str) -> None:
    python, _ = old_python(minor)
    library = tmp_path / "library"
    library.mkdir()
    (library / "six.py").write_text("x = 1\n")
    landed = tmp_path / "landed"
    landed.write_text(json.dumps([str(library), ["six.py"]]) + "\n")
    code = (
        f"import sys; sys.path.insert(0, {str(SOURCE / 'install')!r}); import compile_first as ahead; sys.path.pop(0)\n"
        f"modules = ahead.Modules(open({str(landed)!r}, 'rb'))\n"
        f"found = list(ahead.compiled(modules, ['six'], {str(library)!r}, lambda: True, lambda: False))\n"
        f"assert ahead.place({str(library)!r}, found) == 1"
    )
    done = process.run([python, "-I", "-B", "-c", code], env=ENVIRON)
    assert done.ok, done.stderr
    code = f"import sys; sys.path.insert(0, {str(library)!r}); import six"
    said = process.run([python, "-I", "-v", "-c", code], env=ENVIRON).stderr
    assert f"six.cpython-{minor.replace('.', '')}.pyc matches" in said


def test_no_script_asks_for_generators_that_numpy_before_1_17_lacks() -> None:
    """TensorFlow 2.0 and 2.1 run with NumPy 1.16."""
    assert not [path for path in SCRIPTS if "default_rng" in path.read_text(encoding="utf-8")]
