"""Failed smoke tests that a known cure makes pass: real index, uv, loader and probes; compiled stand-ins for CUDA."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from textwrap import indent

import pytest

import stubs
from fake_nvml import compiler
from journals import events
from site_under_test import RELEASE, Site, only_here, sham_wheel
from wheels import build_wheel

pytestmark = [*only_here, pytest.mark.skipif(compiler() is None, reason="there is no C compiler")]

WANTS_CUDART = "import ctypes\nassert ctypes.CDLL('libcudart.so.12').answer() == 1\n"
PLATFORM = "py3-none-manylinux_2_17_x86_64"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site.make(tmp_path)
    found.write()
    return found


def offer_cuda(site: Site) -> None:
    """The wheels of two libraries, of which the first needs the second, as those of NVIDIA do."""
    folder = site.root / "compiled"
    cudart = stubs.build(folder / "libcudart.so.12")
    cublas = stubs.build(folder / "libcublas.so.12", needs=(cudart,))
    for project, place, library in (
        ("nvidia-cuda-runtime-cu12", "cuda_runtime", cudart),
        ("nvidia-cublas-cu12", "cublas", cublas),
    ):
        files = {f"nvidia/{place}/lib/{library.name}": library.read_bytes(), f"nvidia/{place}/__init__.py": ""}
        site.offer(build_wheel(site.root / "built", project, "12.5", files=files, tag=PLATFORM))


def listed(site: Site) -> list[dict[str, object]]:
    """What `list --json` says of the cures of the generation in use."""
    (environment,) = json.loads(site.run("list", "--json").stdout)["environments"]
    cures: list[dict[str, object]] = environment["generations"][-1]["cures"]
    return cures


def directly(site: Site, code: str, **extra: str) -> str:
    """What the interpreter of the environment prints when it is started by its path, without tfprov."""
    (python,) = site.home.glob("data/environments/*/current/bin/python")
    environ = {"PATH": os.environ["PATH"], **extra}
    done = subprocess.run([python, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def attempts(site: Site) -> list[tuple[str, int, str | None]]:
    """Name, number and code of what the repair rung did, by the newest journal."""
    return [
        (str(event["what"]).partition(":")[0], int(str(event["number"])), event["code"])
        for event in events(site.home)
        if event["event"] == "Attempt" and event["rung"] == "repair" and event["number"]
    ]


def test_libraries_that_nobody_finds_are_opened_before_tensorflow_looks_for_them(site: Site) -> None:
    offer_cuda(site)
    both = ("nvidia-cuda-runtime-cu12", "nvidia-cublas-cu12")
    wants = WANTS_CUDART + "assert ctypes.CDLL('libcublas.so.12').answer() == 1\n"
    site.offer(sham_wheel(site.root / "built", RELEASE, first=wants, requires=both))
    document = site.up()
    (cure,) = document["verdict"]["cures"]  # type: ignore[index, call-overload] - a JSON document
    assert cure.startswith("gpu-libs-missing: the 2 CUDA libraries of the environment")
    (kept,) = listed(site)
    assert (kept["name"], kept["code"]) == ("library-path", "gpu-libs-missing")
    # What another needs comes first.
    assert kept["libraries"] == ["nvidia/cuda_runtime/lib/libcudart.so.12", "nvidia/cublas/lib/libcublas.so.12"]
    assert "cured: gpu-libs-missing" in site.run("list").stdout
    assert attempts(site) == [("library-path", 1, None)]
    assert directly(site, "import tensorflow; print(tensorflow.__version__)") == RELEASE
    assert site.imported() == RELEASE
    again = site.run("smoke", "train.toml", "--json")
    assert again.returncode == 0, again.stdout
    assert json.loads(again.stdout)["verdict"]["cures"] == [cure]
    assert site.up()["already"] is True


def test_a_program_that_does_not_use_tensorflow_opens_no_library(site: Site) -> None:
    offer_cuda(site)
    site.offer(sham_wheel(site.root / "built", RELEASE, first=WANTS_CUDART, requires=("nvidia-cuda-runtime-cu12",)))
    site.up()
    mapped = "print('libcudart' in open('/proc/self/maps').read())"
    assert directly(site, mapped) == "False"
    assert directly(site, f"import tensorflow; {mapped}") == "True"


def test_a_cure_that_does_not_help_is_undone_and_the_first_failure_is_told(site: Site) -> None:
    offer_cuda(site)
    wants = "import ctypes\nctypes.CDLL('libcufft.so.11')\n"
    site.offer(sham_wheel(site.root / "built", RELEASE, first=wants, requires=("nvidia-cuda-runtime-cu12",)))
    done = site.run("up", "train.toml", "--json")
    assert done.returncode == 17, done.stderr
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "gpu-libs-missing"
    assert [line.rpartition(": ")[2] for line in error["tried"]] == ["did not help, undone"]
    assert attempts(site) == [("library-path", 1, "gpu-libs-missing")]
    assert not list(site.home.glob("data/environments/*/generations/*/lib/python*/site-packages/_tfprov_cures*"))
    assert json.loads(site.run("list", "--json").stdout)["environments"][0]["generations"] == []


def test_a_foreign_library_on_the_library_path_is_passed_by(site: Site, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    stubs.build(foreign / "libcudart.so.12", answer=7)
    offer_cuda(site)
    site.extra["LD_LIBRARY_PATH"] = f"{foreign}:/nowhere"
    wants = (
        "import ctypes\n"
        "if ctypes.CDLL('libcudart.so.12').answer() != 1:\n"
        "    raise ImportError('Loaded runtime CuDNN library: 9.1.0 but source was compiled with: 9.3.0.')\n"
    )
    site.offer(sham_wheel(site.root / "built", RELEASE, first=wants, requires=("nvidia-cuda-runtime-cu12",)))
    site.up()
    (kept,) = listed(site)
    assert (kept["name"], kept["code"], kept["without"]) == ("clean-library-path", "cudnn-mismatch", [str(foreign)])
    assert directly(site, "import tensorflow; print('good')", LD_LIBRARY_PATH=str(foreign)) == "good"
    shown = site.run("run", "train.toml", "--", "sh", "-c", 'echo "$LD_LIBRARY_PATH"').stdout.strip()
    assert str(foreign) not in shown
    assert shown.endswith(":/nowhere")


def test_xla_is_told_where_its_compiler_is(site: Site) -> None:
    needs = (
        "\ndef matmul(left, right):\n"
        "    flags = os.environ.get('XLA_FLAGS', '')\n"
        "    if '--xla_gpu_cuda_data_dir=' not in flags:\n"
        "        raise RuntimeError('libdevice not found at ./libdevice.10.bc')\n"
        "    return Tensor(multiply(left.rows, right.rows), inputs=(left, right))\n"
    )
    wheel = build_wheel(
        site.root / "built",
        "nvidia-cuda-nvcc-cu12",
        "12.5",
        files={
            "nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc": "bits",
            "nvidia/cuda_nvcc/bin/ptxas": "#!/bin/sh\necho Build 12.5\n",
        },
        tag=PLATFORM,
        executable=("nvidia/cuda_nvcc/bin/ptxas",),
    )
    tensorflow = sham_wheel(site.root / "built", RELEASE, sabotage=needs, requires=("nvidia-cuda-nvcc-cu12",))
    site.offer(wheel, tensorflow)
    site.up()
    (kept,) = listed(site)
    assert (kept["name"], kept["cuda"]) == ("xla-flags", "nvidia/cuda_nvcc")
    flags = "import os, tensorflow; print(os.environ['XLA_FLAGS'])"
    told = directly(site, flags, XLA_FLAGS="--other=1")
    assert told.startswith("--other=1 --xla_gpu_cuda_data_dir=")
    # Who names a place himself keeps it.
    assert directly(site, flags, XLA_FLAGS="--xla_gpu_cuda_data_dir=/mine") == "--xla_gpu_cuda_data_dir=/mine"
    assert "xla_gpu_cuda_data_dir" in site.run("run", "train.toml", "--", "sh", "-c", 'echo "$XLA_FLAGS"').stdout


NUMPY_ABI = (
    "import numpy\n"
    "if not numpy.__version__.startswith('1.'):\n"
    "    raise ImportError('numpy.core.umath failed to import')\n"
)


def offer_numpy(site: Site, *, first: str = NUMPY_ABI) -> None:
    for version in ("1.26.4", "2.4.0"):
        site.offer(build_wheel(site.root / "built", "numpy", version))
    site.offer(sham_wheel(site.root / "built", RELEASE, first=first, requires=("numpy",)))


def test_a_numpy_of_the_wrong_generation_is_locked_anew_with_a_bound(site: Site) -> None:
    mended = site.root / "mended"
    offer_numpy(site, first=f"import os\nif not os.path.exists({str(mended)!r}):\n" + indent(NUMPY_ABI, "    "))
    document = site.up()
    assert document["verdict"]["cures"] == [  # type: ignore[index, call-overload] - a JSON document
        "numpy-abi: the lock is bound to `numpy<2` (numpy 2.4.0 was installed)"
    ]
    (kept,) = listed(site)
    assert kept["constraint"] == "numpy<2"
    lock = site.lock.read_text()
    assert 'version = "1.26.4"' in lock
    assert 'bounds = ["numpy<2"]' in lock
    assert attempts(site) == [("pin", 1, None)]
    assert site.up()["already"] is True
    # The bound outlives a change of the profile, and an upgrade asks anew whether it is needed.
    site.offer(build_wheel(site.root / "built", "helper", "1.0"))
    site.write('[packages]\nrequirements = ["helper"]\n')
    site.up()
    assert 'bounds = ["numpy<2"]' in site.lock.read_text()
    mended.touch()
    site.up("--upgrade")
    assert "bounds = []" in site.lock.read_text()
    assert listed(site) == []


def test_a_bound_that_does_not_help_leaves_the_lock_as_it_was(site: Site) -> None:
    offer_numpy(site, first="import numpy\nraise ImportError('numpy.core.umath failed to import')\n")
    assert site.run("lock", "train.toml").returncode == 0
    before = site.lock.read_bytes()
    done = site.run("up", "train.toml", "--json")
    assert done.returncode == 16
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "numpy-abi"
    assert "`numpy<2`" in error["tried"][0]
    assert site.lock.read_bytes() == before


def test_locked_keeps_the_lock_and_says_that_a_cure_would_change_it(site: Site) -> None:
    offer_numpy(site)
    assert site.run("lock", "train.toml").returncode == 0
    before = site.lock.read_bytes()
    done = site.run("up", "train.toml", "--locked", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "numpy-abi"
    assert site.lock.read_bytes() == before
    skipped = [event["what"] for event in events(site.home) if event["event"] == "Attempt"]
    assert any("would change the lock" in str(what) for what in skipped)


def test_a_bound_against_the_users_own_pin_is_not_taken(site: Site) -> None:
    offer_numpy(site)
    site.write('[packages]\nconstraints = ["numpy>=2"]\n')
    done = site.run("up", "train.toml", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "numpy-abi"
    skipped = [event["what"] for event in events(site.home) if event["event"] == "Attempt"]
    assert any("cannot be resolved" in str(what) for what in skipped)


def test_two_faults_need_two_cures(site: Site) -> None:
    offer_cuda(site)
    for version in ("1.26.4", "2.4.0"):
        site.offer(build_wheel(site.root / "built", "numpy", version))
    site.offer(
        sham_wheel(
            site.root / "built",
            RELEASE,
            first=NUMPY_ABI + WANTS_CUDART,
            requires=("numpy", "nvidia-cuda-runtime-cu12"),
        )
    )
    site.up()
    assert [cure["name"] for cure in listed(site)] == ["pin", "library-path"]
    assert directly(site, "import tensorflow; print('good')") == "good"


def test_a_module_that_hides_tensorflow_is_named_and_passed_by(site: Site, tmp_path: Path) -> None:
    hiding = tmp_path / "hiding"
    hiding.mkdir()
    (hiding / "tensorflow.py").write_text("__version__ = '0'\n")
    path = f"import sys; sys.path.insert(0, {str(hiding)!r})\n"
    site.offer(
        build_wheel(site.root / "built", "helper", "1.0", files={"aaa.pth": path}),
        sham_wheel(site.root / "built", RELEASE, requires=("helper",)),
    )
    site.up()
    (kept,) = listed(site)
    assert (kept["name"], kept["modules"]) == ("own-modules", ["tensorflow"])
    assert str(hiding / "tensorflow.py") in str(kept["what"])
    assert directly(site, "import tensorflow; print(tensorflow.__version__)") == RELEASE


def test_a_module_beside_the_users_script_is_named_and_passed_by(site: Site) -> None:
    checks = site.root / "checks"
    checks.mkdir()
    (checks / "tensorflow.py").write_text("# notes on tensorflow\n")
    (checks / "model.py").write_text("import tensorflow as tf\nassert tf.matmul\n")
    site.offer(sham_wheel(site.root / "built", RELEASE))
    site.write(smoke='level = "quick"\nscripts = ["checks/model.py"]')
    site.up()
    (kept,) = listed(site)
    assert (kept["name"], kept["code"], kept["modules"]) == ("own-modules", "shadowed-module", ["tensorflow"])


def test_a_profile_without_the_rung_gets_no_cure(site: Site) -> None:
    offer_numpy(site)
    site.write('[strategies]\nskip = ["repair"]\n')
    done = site.run("up", "train.toml", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "numpy-abi"
    assert attempts(site) == []


def test_a_verified_generation_is_not_changed_and_a_new_one_gets_the_cure(site: Site) -> None:
    site.offer(sham_wheel(site.root / "built", RELEASE))
    site.up()
    (site.root / "tensorflow.py").write_text("# notes on tensorflow\n")
    (site.root / "check.py").write_text("import tensorflow as tf\nassert tf.matmul\n")
    site.write(smoke='level = "quick"\nscripts = ["check.py"]')
    site.up()
    (environment,) = json.loads(site.run("list", "--json").stdout)["environments"]
    assert [len(one["cures"]) for one in environment["generations"]] == [0, 1]
    assert not list(site.home.glob("data/environments/*/generations/0001/lib/python*/site-packages/_tfprov*"))
    assert environment["active"] == 2


def test_the_first_failure_is_told_when_the_cures_only_led_to_another(site: Site) -> None:
    offer_cuda(site)
    for version in ("1.26.4", "2.4.0"):
        site.offer(build_wheel(site.root / "built", "numpy", version))
    wants = NUMPY_ABI + "import ctypes\nctypes.CDLL('libcufft.so.11')\n"
    requires = ("numpy", "nvidia-cuda-runtime-cu12")
    site.offer(sham_wheel(site.root / "built", RELEASE, first=wants, requires=requires))
    done = site.run("up", "train.toml", "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (16, "numpy-abi")
    first, second = error["tried"]
    assert first.endswith("then `gpu-libs-missing`")
    assert second.endswith("did not help, undone")
    assert "bounds = []" in site.lock.read_text()


def test_a_run_that_is_ended_while_it_tries_a_cure_leaves_lock_and_environment(site: Site) -> None:
    began, mended = site.root / "began", site.root / "mended"
    first = (
        "import os, time\n"
        f"if not os.path.exists({str(mended)!r}):\n"
        + indent(NUMPY_ABI, "    ")
        + f"    open({str(began)!r}, 'w').close()\n    time.sleep(600)\n"
    )
    offer_numpy(site, first=first)
    assert site.run("lock", "train.toml").returncode == 0
    before = site.lock.read_bytes()
    process = site.start("up", "train.toml")
    deadline = time.monotonic() + 120
    while not began.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "the cure was never tried"
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert site.lock.read_bytes() == before
    mended.touch()
    document = site.up()
    assert document["environment"]["generation"] == 1  # type: ignore[index] - a JSON document
    assert listed(site) == []


def test_activation_sets_the_variables_and_takes_them_back(site: Site, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    stubs.build(foreign / "libcudart.so.12", answer=7)
    offer_cuda(site)
    site.extra["LD_LIBRARY_PATH"] = str(foreign)
    wants = (
        "import ctypes\n"
        "if ctypes.CDLL('libcudart.so.12').answer() != 1:\n"
        "    raise ImportError('Loaded runtime CuDNN library: 9.1.0 but source was compiled with: 9.3.0.')\n"
    )
    site.offer(sham_wheel(site.root / "built", RELEASE, first=wants, requires=("nvidia-cuda-runtime-cu12",)))
    site.up()
    (activate,) = site.home.glob("data/environments/*/current/bin/activate")
    script = (
        f'set -eu; LD_LIBRARY_PATH="/before:{foreign}:/after"; export LD_LIBRARY_PATH; . "$1"; '
        'echo "$LD_LIBRARY_PATH"; deactivate; echo "$LD_LIBRARY_PATH"; unset LD_LIBRARY_PATH; . "$1"; '
        'echo "$LD_LIBRARY_PATH"; deactivate; echo "${LD_LIBRARY_PATH-unset}"'
    )
    for shell in ("bash", "sh"):
        done = subprocess.run(
            [shell, "-c", script, shell, str(activate)], capture_output=True, text=True, check=False, env=os.environ
        )
        assert done.returncode == 0, done.stderr
        active, after, alone, at_last = done.stdout.splitlines()
        assert active.split(":")[1:] == ["/before", "/after"]
        assert active.startswith(alone)
        assert alone.endswith("nvidia/cuda_runtime/lib")
        assert after == f"/before:{foreign}:/after"
        assert at_last == "unset"
