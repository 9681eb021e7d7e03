"""`tfprov status` on real environments: each way in which one is not verified any more, and watching."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

import fake_nvml
from site_under_test import OLDER, RELEASE, Site, only_here, sham_wheel

OTHER_PROFILE = "the profile or a file that it names changed, or `--set` gave the last `up` other values"
pytestmark = [*only_here, pytest.mark.skipif(fake_nvml.compiler() is None, reason="there is no C compiler")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("made")
    site = Site.make(folder)
    site.extra = {
        "LD_LIBRARY_PATH": str(fake_nvml.build(folder / "driver")),
        "FAKE_NVML_COUNT": "2",
        "FAKE_NVML_CUDA": "13000",
        "FAKE_NVML_DRIVER": "580.65.06",
    }
    sabotage = "GPUS = int(os.environ.get('FAKE_NVML_COUNT', '0'))\n"
    site.offer(sham_wheel(folder / "built", RELEASE, package="tensorflow", sabotage=sabotage))
    site.write('[tensorflow]\naccelerator = "cuda"\n')
    site.up()
    return site


@pytest.fixture
def site(made: Site) -> Iterator[Site]:
    """What a test does to it is undone."""
    (seal,) = made.home.glob("data/environments/*/generations/*/tfprov.json")
    kept = {path: path.read_bytes() for path in (made.profile, made.lock, seal)}
    extra = dict(made.extra)
    yield made
    made.extra = extra
    for path, content in kept.items():
        path.write_bytes(content)


def told(site: Site, *arguments: str) -> tuple[int, dict[str, object]]:
    done = site.run("status", "--json", *(arguments or ("train.toml",)))
    document = json.loads(done.stdout)
    assert document["ok"] == (done.returncode == 0)
    (one,) = document["environments"]
    assert (document["error"] or {"code": None})["code"] == one["code"]
    return done.returncode, one


def test_a_verified_environment_says_what_it_is(site: Site) -> None:
    status, one = told(site)
    assert status == 0
    assert (one["state"], one["next"], one["reasons"]) == ("verified", "nothing to do", [])
    devices = [(device["name"], device["verified"]) for device in one["devices"]]  # type: ignore[attr-defined]  # JSON
    assert devices == [("environment", True), ("CPU:0", True), ("GPU:0", True), ("GPU:1", True)]
    assert one["lock"] == str(site.lock)


@pytest.mark.parametrize(
    ("change", "status", "state", "code", "reason", "next_step"),
    [
        ("driver", 17, "stale", "gpu-driver-changed", "driver: 580.65.06 then, 590.1 now", "verifies it again"),
        ("gpu", 17, "stale", "gpu-changed", "GPUs: NVIDIA H100 80GB HBM3 (GPU-aaaa-1) then, gone now", "again"),
        ("profile", 11, "outdated", "verdict-stale", OTHER_PROFILE, "asks for now"),
        ("set", 11, "outdated", "verdict-stale", OTHER_PROFILE, "asks for now"),
        ("mistake", 2, "outdated", "profile-invalid", "the profile changed and is not valid: ", "tfprov schema"),
        ("lock", 11, "outdated", "verdict-stale", "`pylock.train.toml` changed", "installs what it lists"),
        ("broken lock", 2, "outdated", "lock-invalid", "`pylock.train.toml` changed: ", "lock --upgrade"),
        ("no lock", 2, "outdated", "lock-missing", "the lock is gone", "makes a new one"),
    ],
)
def test_what_changed_is_told_and_what_would_be_done(
    site: Site, change: str, status: int, state: str, code: str, reason: str, next_step: str
) -> None:
    if change == "driver":
        site.extra["FAKE_NVML_DRIVER"] = "590.1"
    if change == "gpu":
        site.extra["FAKE_NVML_COUNT"] = "1"
    if change == "profile":
        site.profile.write_text(site.profile.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")
    if change == "set":
        site.up("--set", "environment.keep=5")
    if change == "mistake":
        site.profile.write_text(site.profile.read_text(encoding="utf-8") + "nam = 1\n", encoding="utf-8")
    if change == "lock":
        site.lock.write_text(site.lock.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")
    if change == "broken lock":
        # Whatever else changed, `up` would fail on this first.
        site.profile.write_text(site.profile.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")
        site.lock.write_text(site.lock.read_text(encoding="utf-8") + "broken\n", encoding="utf-8")
    if change == "no lock":
        site.lock.unlink()
    ended, one = told(site)
    assert (ended, one["state"], one["code"]) == (status, state, code)
    said, *lines = one["reasons"]  # type: ignore[misc]  # JSON
    assert said.startswith(reason)
    assert [line for line in lines if "unknown key" not in line and "(at line" not in line] == []
    assert bool(lines) == (change in ("mistake", "broken lock"))
    assert next_step in str(one["next"])
    verified = [device["name"] for device in one["devices"] if device["verified"]]  # type: ignore[attr-defined]  # JSON
    assert verified == (["CPU:0"] if change in ("driver", "gpu") else [])
    # The words say the same, and end alike.
    done = site.run("status", "train.toml")
    assert done.returncode == status
    assert f"  changed      {reason}" in done.stdout
    assert done.stderr.startswith(f"error[{code}]: `train` is not verified on this machine as it is now")


def test_damage_and_a_missing_environment_are_told(site: Site, tmp_path: Path) -> None:
    module = site.installed("tensorflow/__init__.py")
    content = module.read_bytes()
    module.unlink()
    try:
        status, one = told(site)
    finally:
        module.write_bytes(content)
    assert (status, one["state"], one["code"]) == (16, "unusable", "file-damaged")
    shutil.copy2(site.profile, site.root / "other.toml")
    status, one = told(site, "other.toml")
    assert (status, one["state"], one["code"]) == (2, "missing", "environment-missing")
    assert str(one["next"]).endswith("makes it")
    (site.root / "other.toml").write_text(site.profile.read_text(encoding="utf-8") + "nam = 1\n", encoding="utf-8")
    status, one = told(site, "other.toml")
    assert (status, one["state"], one["code"]) == (2, "missing", "environment-missing")
    assert any("unknown key" in reason for reason in one["reasons"])  # type: ignore[attr-defined]  # JSON
    assert "tfprov schema" in str(one["next"])


def test_all_names_every_environment_and_one_whose_profile_is_gone_is_verified(site: Site) -> None:
    site.profile.unlink()
    status, one = told(site, "--all")
    assert (status, one["state"]) == (0, "verified")
    assert one["reasons"] == [f"its profile `{site.profile}` no longer exists"]
    assert site.run("status", "--all", "train.toml").returncode == 2


def test_watching_tells_each_change_once_and_writes_metrics(site: Site) -> None:
    count, metrics = site.root / "count", site.root / "tfprov.prom"
    count.write_text("2")
    site.extra["FAKE_NVML_COUNT"] = f"@{count}"
    watching = site.start("status", "--all", "--watch", "0.1", "--prometheus", str(metrics))
    try:
        assert watching.stdout is not None
        heads = [watching.stdout.readline()]
        while "GPU:1" not in watching.stdout.readline():
            pass
        # Renamed, because NVML of the watcher may read it at any moment.
        (site.root / "one").write_text("1")
        (site.root / "one").replace(count)
        heads += [watching.stdout.readline()]
        while "next" not in watching.stdout.readline():
            pass
        (site.root / "two").write_text("2")
        (site.root / "two").replace(count)
        heads += [watching.stdout.readline()]
    finally:
        watching.send_signal(signal.SIGTERM)
        _, errors = watching.communicate(timeout=60)
    assert [head.split("  ")[1] for head in heads] == ["verified", "stale", "verified"]
    # The last look found it verified; that it was ended is no failure.
    assert watching.returncode == 0
    assert errors.count("error[gpu-changed]") == 1
    (verified,) = [each for each in parsed(metrics.read_text()) if each.name == "tfprov_environment_verified"]
    assert [sample.value for sample in verified.samples] == [1]


def test_metrics_are_written_of_what_is_not_verified_too(site: Site, tmp_path: Path) -> None:
    metrics = tmp_path / "tfprov.prom"
    site.extra["FAKE_NVML_DRIVER"] = "590.1"
    assert site.run("status", "train.toml", "--prometheus", str(metrics)).returncode == 17
    told = {each.name: each.samples for each in parsed(metrics.read_text())}
    assert [sample.value for sample in told["tfprov_environment_verified"]] == [0]
    assert told["tfprov_environment_info"][0].labels["code"] == "gpu-driver-changed"
    metrics.write_text("mine\n")
    assert site.run("status", "train.toml", "--prometheus", str(metrics)).returncode == 2
    assert metrics.read_text() == "mine\n"


def test_nothing_is_written_by_looking(site: Site) -> None:
    def everything() -> dict[Path, int]:
        return {path: path.lstat().st_mtime_ns for path in site.root.rglob("*") if not path.is_dir()}

    before = everything()
    for arguments in (("status",), ("status", "train.toml"), ("status", "--all")):
        assert site.run(*arguments).returncode in (0, 2)
    assert everything() == before


def test_a_rollback_is_no_change_of_profile_or_lock(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    site.offer(*(sham_wheel(tmp_path / "built", version) for version in (OLDER, RELEASE)))
    site.write(f'[tensorflow]\nversion = "=={OLDER}"\n')
    site.up()
    site.write()
    site.up("--upgrade")
    assert site.run("rollback", "train.toml").returncode == 0
    status, one = told(site)
    assert (status, one["state"], one["generation"]) == (0, "verified", 1)
    (note,) = one["reasons"]  # type: ignore[misc]  # JSON
    assert note == (
        "rolled back from generation 2, which profile and lock still ask for: `tfprov up` asks whether to stay here"
    )


def test_a_command_that_starts_where_the_environment_stands_is_gated_by_its_exit_status(site: Site) -> None:
    """What an entry point or a prolog does: look, and only then go on."""
    script = '"$@" status train.toml >state 2>&1 && echo ready || echo "drained: $?"'
    for driver, said in (("580.65.06", "ready\n"), ("590.1", "drained: 17\n")):
        site.extra["FAKE_NVML_DRIVER"] = driver
        done = subprocess.run(
            ["sh", "-c", script, "sh", *site.command()],
            env=site.environ(),
            cwd=site.root,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == said


@pytest.mark.parametrize("taken", [False, True])
def test_an_environment_that_its_path_does_not_lead_to_says_so(tmp_path: Path, taken: bool) -> None:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(tmp_path / "built", RELEASE))
    site.write('[environment]\npath = ".venv"\n')
    site.up()
    link = site.root / ".venv"
    link.unlink()
    if taken:
        link.mkdir()
    status, one = told(site)
    assert (status, one["state"]) == (0, "verified")
    does = "does not lead here any more" if taken else "is gone; `tfprov up` makes it again"
    assert one["reasons"] == [f"`{link}` {does}"]
    (root,) = site.home.glob("data/environments/train-*")
    assert one["path"] == str(root / "current")
    listed = site.run("list").stdout
    assert f"train  {root / 'current'}\n" in listed
