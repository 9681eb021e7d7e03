"""A verdict is about this machine as it is now: what changes is seen by `up`, `run --check` and `list`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

import fake_nvml
from site_under_test import RELEASE, Site, only_here, sham_wheel

pytestmark = [*only_here, pytest.mark.skipif(fake_nvml.compiler() is None, reason="there is no C compiler")]

MACHINE = {"FAKE_NVML_COUNT": "2", "FAKE_NVML_CUDA": "13000", "FAKE_NVML_DRIVER": "580.65.06"}
CONTAINER = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
# As many GPUs as the driver shows; none where it does not answer, or all of them are hidden.
GPUS = (
    "gone = os.environ.get('FAKE_NVML_INIT') or os.environ.get('CUDA_VISIBLE_DEVICES') == ''\n"
    "GPUS = 0 if gone else int(os.environ['FAKE_NVML_COUNT'])\n"
)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Site]:
    """A machine with two GPUs, and an environment for CUDA that was proved on it, for each way to ask for one."""
    made: dict[str, Site] = {}

    def machine(accelerator: str) -> Site:
        if accelerator not in made:
            folder = tmp_path_factory.mktemp(accelerator)
            site = made[accelerator] = Site.make(folder)
            fake_nvml.build(folder / "driver")
            site.extra = MACHINE | {"LD_LIBRARY_PATH": str(folder / "driver")}
            site.offer(sham_wheel(folder / "built", RELEASE, package="tensorflow", sabotage=GPUS))
            site.write(f'[tensorflow]\naccelerator = "{accelerator}"\n')
            site.up()
        # What a test changed is as it was for the next one.
        site = made[accelerator]
        site.extra = MACHINE | {"LD_LIBRARY_PATH": str(site.root.parent / "driver")}
        return site

    return machine


@pytest.fixture
def site(machines: Callable[[str], Site]) -> Site:
    return machines("cuda")


def doctored(site: Site, change: Callable[[dict[str, object]], None]) -> None:
    """The seal of an environment that was proved on a machine that differs from this one."""
    (path,) = site.home.glob("data/environments/*/generations/*/tfprov.json")
    seal = json.loads(path.read_text(encoding="utf-8"))
    for proof in seal["proofs"]:
        change(proof)
    path.write_text(json.dumps(seal), encoding="utf-8")


def checked(site: Site) -> tuple[int, str]:
    done = site.run("run", "--check", "train.toml", "--", "python", "-c", "print('ran')")
    assert (done.returncode == 0) == (done.stdout == "ran\n")
    return done.returncode, done.stderr.partition("]")[0].removeprefix("error[")


def listed(site: Site) -> list[dict[str, str]]:
    (environment,) = json.loads(site.run("list", "--json").stdout)["environments"]
    (generation,) = environment["generations"]
    found: list[dict[str, str]] = generation["changes"]
    return found


@pytest.mark.parametrize(
    ("variables", "code", "what"),
    [
        ({"FAKE_NVML_DRIVER": "580.95.05"}, "gpu-driver-changed", "driver"),
        ({"FAKE_NVML_COUNT": "1"}, "gpu-changed", "GPUs"),
        ({"FAKE_NVML_COUNT": "3"}, "gpu-changed", "GPUs"),
        ({"FAKE_NVML_MINOR": "5"}, "gpu-changed", "GPUs"),
    ],
)
def test_another_driver_or_gpu_is_proved_again_and_nothing_is_built(
    site: Site, variables: dict[str, str], code: str, what: str
) -> None:
    assert checked(site) == (0, "")
    assert listed(site) == []
    before = dict(site.extra)
    site.extra |= variables
    assert checked(site) == (17, code)
    (change,) = listed(site)
    assert (change["code"], change["what"]) == (code, what)
    again = site.up()
    assert again["already"] is False
    assert [stage["name"] for stage in again["stages"]].count("build") == 0  # type: ignore[index,union-attr]  # JSON
    assert site.generations() == ["0001"]
    assert checked(site) == (0, "")
    assert site.up()["already"] is True
    # On the machine of before it was proved, too: whoever goes back and forth pays once for each.
    site.extra = before
    assert site.up()["already"] is True


@pytest.mark.parametrize("accelerator", ["cuda", "auto"])
@pytest.mark.parametrize(
    ("variables", "code", "step"),
    [
        ({"FAKE_NVML_INIT": "999", **CONTAINER}, "docker-no-gpu", "start the container again"),
        ({"LD_LIBRARY_PATH": "", "FAKE_NVML_INIT": "9", **CONTAINER}, "docker-no-gpu", "`nvidia.com/gpu`"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "gpu-no-device", "CUDA_VISIBLE_DEVICES"),
    ],
    ids=["a container lost its GPUs", "a container without GPUs", "all hidden"],
)
def test_a_machine_without_its_gpus_fails_with_the_code_of_what_changed(
    machines: Callable[[str], Site], variables: dict[str, str], code: str, step: str, accelerator: str
) -> None:
    site = machines(accelerator)
    before = dict(site.extra)
    site.extra |= variables
    assert checked(site) == (17, code)
    failed = site.run("up", "train.toml", "--json")
    error = json.loads(failed.stdout)["error"]
    assert (failed.returncode, error["code"]) == (17, code)
    # Also where the plan refuses it, because the profile demands a GPU: this is a pod of Kubernetes.
    assert step in error["hint"]
    assert "--upgrade" not in error["hint"]
    assert "--gpus all" not in error["hint"]
    # What was in use still is, and is verified as soon as the GPUs are back.
    assert site.generations() == ["0001"]
    site.extra = before
    assert site.up()["already"] is True


def test_hiding_one_of_two_proved_gpus_needs_no_new_proof(site: Site) -> None:
    site.extra["CUDA_VISIBLE_DEVICES"] = "1"
    assert site.up()["already"] is True
    assert checked(site) == (0, "")


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("vector_units", ["avx", "avx9"], "processor"),
        ("libc", "glibc 2.99", "C library"),
        ("python_bytes", 1, "interpreter"),
        ("cards", [{"id": "GPU-other", "name": "A100", "capability": "8.0"}], "GPUs"),
    ],
)
def test_another_machine_is_proved_again(site: Site, key: str, value: object, what: str) -> None:
    doctored(site, lambda proof: proof.update({key: value}))
    (change,) = listed(site)
    assert change["what"] == what
    assert checked(site) == ((17, "gpu-changed") if key == "cards" else (11, "verdict-stale"))
    assert site.up()["already"] is False
    assert site.up()["already"] is True
    assert site.generations() == ["0001"]


def test_a_seal_of_an_older_tfprov_is_proved_once(site: Site) -> None:
    (path,) = site.home.glob("data/environments/*/generations/*/tfprov.json")
    seal = json.loads(path.read_text(encoding="utf-8"))
    del seal["proofs"]
    path.write_text(json.dumps({**seal, "driver": "580.65.06"}), encoding="utf-8")
    assert checked(site) == (11, "verdict-stale")
    assert "machine: not written down by the older tfprov that proved it\n" in site.run("list").stdout
    assert site.up()["already"] is False
    assert site.up()["already"] is True
    assert site.generations() == ["0001"]


def test_a_driver_whose_library_crashes_is_a_sick_one_and_no_crash_of_ours(site: Site) -> None:
    site.extra["FAKE_NVML_CRASH"] = "1"
    # What the rest of the system shows of a GPU decides about the code: here it may show none.
    assert checked(site)[0] == 17
