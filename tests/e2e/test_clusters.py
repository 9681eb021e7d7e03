"""Ray and Dask, on the loopback, with workers that `tfprov run` starts: each computes with the real TensorFlow."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from loopback import unused_port

pytestmark = [
    pytest.mark.network,
    pytest.mark.timeout(1800),  # it installs some 40,000 files, and deletes them
    pytest.mark.skipif("TFPROV_TEST_LARGE" not in os.environ, reason="fetches 430 MB: set TFPROV_TEST_LARGE to run"),
    pytest.mark.skipif(sys.platform == "win32", reason="Ray's workers are started by a shell of POSIX"),
]

PROVE = """
def prove():
    import sys, tensorflow as tf
    return sys.prefix, tf.__version__, float(tf.reduce_sum(tf.ones((4, 4)) @ tf.ones((4, 4))))
"""
RAY = f"""
import json, sys
import ray
{PROVE}
ray.init(num_cpus=1, include_dashboard=False, runtime_env={{"py_executable": sys.argv[1]}})
print(json.dumps(ray.get(ray.remote(prove).remote())))
"""
DASK = f"""
import json, sys
from dask.distributed import Client
{PROVE}
client = Client(sys.argv[1], timeout=60)
print(json.dumps(client.submit(prove).result()))
client.shutdown()
"""


def test_workers_of_ray_and_dask_compute_in_the_environment(tmp_path: Path) -> None:
    profile = tmp_path / "cluster.toml"
    profile.write_text(
        'name = "cluster"\n[tensorflow]\naccelerator = "cpu"\n[packages]\nrequirements = ["ray", "distributed"]\n'
        '[smoke]\nlevel = "quick"\n'
    )
    environ = {**os.environ, "TFPROV_HOME": str(tmp_path / "home"), "RAY_USAGE_STATS_ENABLED": "0"}
    tfprov = [sys.executable, "-I", "-m", "tfprov"]
    run = [*tfprov, "run", str(profile), "--"]

    def answer(*argv: str) -> list[object]:
        done = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        found: list[object] = json.loads(done.stdout.splitlines()[-1])
        return found

    made = subprocess.run([*tfprov, "up", str(profile), "--json"], env=environ, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    version = json.loads(made.stdout)["tensorflow"]["version"]
    (generation,) = (tmp_path / "home" / "data" / "environments").glob("cluster-*/generations/0001")
    for name, text in (("of_ray.py", RAY), ("of_dask.py", DASK)):
        (tmp_path / name).write_text(text)
    expected = [str(generation), version, 64.0]

    assert answer(*run, "python", "of_ray.py", shlex.join([*run, "python"])) == expected

    port = unused_port()
    address = f"tcp://127.0.0.1:{port}"
    common = ("--host", "127.0.0.1", "--no-dashboard")
    scheduler = subprocess.Popen([*run, "dask", "scheduler", "--port", str(port), *common], env=environ)
    worker = subprocess.Popen(
        [*run, "dask", "worker", address, *common, "--local-directory", str(tmp_path)], env=environ
    )
    try:
        assert answer(*run, "python", "of_dask.py", address) == expected
    finally:
        for process in (worker, scheduler):
            process.terminate()
            process.wait(60)
