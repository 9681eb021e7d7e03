from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from outcomes import ALREADY, BAD, BARE_PLAN, BUILT, GOOD, PLAN, REFUSED, SEAL, lock, with_settings
from tfprov.envs.generations import Environment
from tfprov.envs.records import Defect, Flaw, Owner
from tfprov.errors import TfprovError
from tfprov.fetch.store import Swept
from tfprov.report import documents, text
from tfprov.smoke.records import Device, Leg
from tfprov.words import quoted

PLACE = str(Path("/srv/my envs/.venv"))
ACTIVATED = {
    "posix": "source '/srv/my envs/.venv/bin/activate'",
    "nt": "& '\\srv\\my envs\\.venv\\Scripts\\activate.ps1'  (PowerShell)",
}[os.name]


def test_an_error_is_what_happened_what_was_tried_the_evidence_and_the_next_step() -> None:
    failure = TfprovError(
        "net-reset",
        "`tensorflow` could not be fetched from https://me:pw@host",
        tried=("normal: reset at 312 MB", "patient: reset at 312 MB"),
        evidence=("the last 3 resets fell on the same byte", "curl says:\n  line 1\n\n  line 2"),
        hint="run again to resume at 312 MB",
    )
    assert text.error(failure) == (
        "error[net-reset]: `tensorflow` could not be fetched from https://****@host\n"
        "  tried     1. normal: reset at 312 MB\n"
        "            2. patient: reset at 312 MB\n"
        "  evidence  the last 3 resets fell on the same byte\n"
        "            curl says:\n"
        "              line 1\n"
        "              line 2\n"
        "\n"
        "hint: run again to resume at 312 MB\n"
        "more: `tfprov explain --code net-reset`"
    )


def test_an_error_may_be_one_line() -> None:
    assert text.error(TfprovError("usage", "name a PROFILE", hint="")) == "error[usage]: name a PROFILE"


def test_a_long_block_is_cut_in_its_middle_and_single_lines_never() -> None:
    traceback = "\n".join(f"line {number}" for number in range(100))
    many = tuple(f"train.toml:{number}: unknown key" for number in range(40))
    shown = text.error(TfprovError("internal", "x", evidence=(traceback, *many))).splitlines()
    assert "  evidence  line 0" in shown
    assert "            … 76 lines; `--json` shows them" in shown
    assert "            line 99" in shown
    assert sum("unknown key" in line for line in shown) == 40
    assert len(shown) == 1 + 25 + 40 + 2


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("", "source '/srv/my envs/.venv/bin/activate'"),
        ("/bin/zsh", "source '/srv/my envs/.venv/bin/activate'"),
        ("/usr/bin/fish", "source '/srv/my envs/.venv/bin/activate.fish'"),
        ("/bin/tcsh", "source '/srv/my envs/.venv/bin/activate.csh'"),
        ("/usr/bin/pwsh", "& '/srv/my envs/.venv/bin/activate.ps1'"),
    ],
)
def test_the_line_that_activates_is_one_of_the_user_s_shell(shell: str, line: str) -> None:
    assert text.activation(PurePosixPath("/srv/my envs/.venv/bin"), shell) == (line,)


def test_on_windows_the_lines_that_activate_are_those_of_both_its_shells() -> None:
    folder = PureWindowsPath("C:\\Users\\Mr O'Neil\\.venv\\Scripts")
    assert text.activation(folder, "") == (
        "& 'C:\\Users\\Mr O''Neil\\.venv\\Scripts\\activate.ps1'  (PowerShell)",
        '"C:\\Users\\Mr O\'Neil\\.venv\\Scripts\\activate.bat"  (cmd)',
    )
    assert text.activation(PureWindowsPath("C:\\R&D\\Scripts"), "", for_cmd=False) == (
        "& 'C:\\R&D\\Scripts\\activate.ps1'  (PowerShell)",
    )


def test_a_block_that_is_too_long_by_one_line_is_shown_whole() -> None:
    block = "\n".join(f"line {number}" for number in range(25))
    assert "…" not in text.error(TfprovError("internal", "x", evidence=(block,)))


def test_what_up_made_and_how_to_use_it() -> None:
    assert text.outcome(BUILT, profile="my train.toml") == (
        "TensorFlow 2.20.0 on Python 3.12.1 is verified (quick)\n"
        "  chosen    tensorflow[and-cuda] 2.20.0, cuda\n"
        "            the newest release for driver 550.144\n"
        "  python    3.12.1 (/usr/bin/python3.12)\n"
        "            the newest that the release has wheels for\n"
        "  devices   environment: passed 1 check\n"
        "            GPU:0 (H100): passed 1 check, 1 skipped (collective: one GPU)\n"
        "  bytes     3.44 GB fetched, 12 kB from the store, 6.49 GB on disk\n"
        "  time      1 min 4 s: fetch 1 min 1 s, smoke 3.3 s\n"
        f"  place     {PLACE}\n"
        f"  use       tfprov run {quoted('my train.toml')} -- python\n"
        f"            {ACTIVATED}"
    )


def test_nothing_to_do_is_said_in_a_few_lines() -> None:
    assert text.outcome(ALREADY, profile="train.toml") == (
        "TensorFlow 2.20.0 on Python 3.12.1 is already verified: nothing to do\n"
        f"  place     {PLACE}\n"
        "  use       tfprov run train.toml -- python\n"
        f"            {ACTIVATED}"
    )


def test_what_was_not_proved_is_said() -> None:
    noted = replace(BUILT, verdict=replace(GOOD, note="the GPU was not proved"))
    assert "  note      the GPU was not proved\n" in text.outcome(noted, profile="x")


def test_an_environment_without_a_seal_is_never_called_verified() -> None:
    with pytest.raises(TfprovError) as failure:
        text.outcome(replace(BUILT, generation=replace(BUILT.generation, seal=None)), profile="x")
    assert failure.value.code.name == "internal"


def test_a_plan_shows_the_choice_and_what_was_refused_by_reason() -> None:
    assert text.plan(PLAN) == (
        "tfprov up would make:\n"
        "  chosen    tensorflow[and-cuda] 2.20.0 on cuda\n"
        "            the newest release for driver 550.144\n"
        "  python    3.12.1 (/usr/bin/python3.12)\n"
        "            the newest that the release has wheels for\n"
        "  with      tf-keras==2.20.*: asked for Keras 2\n"
        "            protobuf<7: 2.20 was built for protobuf 6\n"
        "  size      3.44 GB to download, 21 files\n"
        "  notes     the user site is ignored\n"
        "\n"
        "refused (7):\n"
        "  tensorflow 2.21.0\n"
        "    gpu-driver-too-old: needs driver 570, this is 550.144\n"
        "  Python 3.4, Python 3.5, Python 3.6, and 3 more\n"
        "    python-unsupported: no wheel for it"
    )


def test_a_verbose_plan_names_every_refused_candidate() -> None:
    assert "Python 3.4, Python 3.5, Python 3.6, Python 3.7, Python 3.8, Python 3.9" in text.plan(PLAN, verbose=True)


def test_a_plan_without_known_sizes_says_so() -> None:
    assert text.plan(BARE_PLAN) == (
        "tfprov up would make:\n"
        "  chosen    tensorflow-cpu 2.21.0 on cpu\n"
        "            newest\n"
        "  python    3.13 (to be installed)\n"
        "            no Python on this machine fits\n"
        "  size      unknown before the lock"
    )


def test_four_names_of_one_reason_are_all_shown() -> None:
    assert text.refusals(REFUSED[1:5])[0] == "  Python 3.4, Python 3.5, Python 3.6, Python 3.7"
    assert text.refusals(()) == []


def test_a_good_verdict_shows_every_leg() -> None:
    assert text.verdict(GOOD) == (
        "TensorFlow 2.20.0: verified (quick, 3.2 s)\n"
        "  environment\n"
        "    ok   import               2.5 s  2.20.0\n"
        "  GPU:0  H100\n"
        "    ok   matmul               0.2 s  largest error 1e-7\n"
        "    skip collective           0.0 s  one GPU\n"
        "  2 passed, 1 skipped (collective: one GPU)"
    )


def test_what_was_skipped_does_not_count_as_passed() -> None:
    skipped = tuple(
        Leg(leg=name, ok=True, seconds=0.0, skipped=True, evidence=why)
        for name, why in (("tensorboard", "it is not installed"), ("memory", "no GPU"), ("health", "no GPU"))
    )
    nothing = Device(name="CPU:0", kind="cpu", legs=skipped)
    assert not nothing.ok
    assert text.device_line(nothing) == (
        "CPU:0: FAILED: nothing was checked, "
        "3 skipped (tensorboard: it is not installed; memory: no GPU; health: no GPU)"
    )
    assert text.tally(replace(GOOD, devices=(nothing,))) == (
        "0 passed, 3 skipped (tensorboard: it is not installed; memory, health: no GPU)"
    )


def test_what_was_cured_is_told() -> None:
    assert text.verdict(replace(GOOD, cures=("numpy-abi: bound",))).endswith("\n  cured: numpy-abi: bound")


def test_a_bad_verdict_shows_code_and_evidence_of_what_failed() -> None:
    assert text.verdict(replace(BAD, tensorflow=None)) == (
        "TensorFlow (not importable): NOT verified (quick, 1 min 15 s)\n"
        "  CPU:0\n"
        "    ok   matmul               0.2 s\n"
        "  GPU:0\n"
        "    FAIL matmul             1 min 1 s  wrong-number  expected 1.0\n"
        "         found 2.0\n"
        "    FAIL gradient             0.0 s  probe-crashed\n"
        "  GPU:1\n"
        "  1 passed, 2 failed\n"
        "  note: the GPU was not proved"
    )


def test_a_device_is_one_line() -> None:
    assert [text.device_line(device) for device in BAD.devices] == [
        "CPU:0: passed 1 check",
        "GPU:0: FAILED: matmul: wrong-number; gradient: probe-crashed",
        "GPU:1: FAILED: nothing was checked",
    ]


@pytest.mark.parametrize(
    ("sizes", "changes", "expected"),
    [
        (
            (1_000_000, 2_000_000),
            ("there is no lock yet",),
            "  size      3 MB to download\n  renewed   there is no lock yet",
        ),
        ((1_000_000, None), (), "  renewed   no: it was up to date"),
    ],
)
def test_a_lock_says_where_it_is_and_why_it_was_made(
    sizes: tuple[int | None, ...], changes: tuple[str, ...], expected: str
) -> None:
    assert text.lock(lock(*sizes, changes=changes)) == (
        f"{Path('/srv/pylock.train.toml')} holds 2 files: tensorflow 2.20.0 for Python 3.12 on linux-x86_64-glibc\n"
        + expected
    )


def test_environments_are_listed_with_their_generations_newest_first(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "train-1", owner=Owner(name="train", profile="/srv/train.toml"))
    environment.claim()
    for _ in range(2):
        generation = environment.begin()
        (generation.path / "file").write_text("12345")
        with_settings(generation.path)
        environment.activate(environment.seal(generation, SEAL))
    empty = Environment(tmp_path / "new-1", owner=Owner(name="new", profile="/srv/new.toml"))
    line = "TensorFlow 2.20.0 (cuda)  Python 3.12.1  5 B  verified 2026-01-01T00:00:00+00:00 (quick)\n"
    assert text.listing([environment, empty]) == (
        f"train  {tmp_path / 'train-1' / 'current'}\n"
        "  profile /srv/train.toml\n"
        f"  * 2  {line}"
        f"    1  {line}"
        f"new  {tmp_path / 'new-1' / 'current'}\n"
        "  profile /srv/new.toml\n"
        "    no verified generation"
    )
    assert text.listing([]) == "no environments yet: `tfprov up PROFILE` makes one"


def test_a_generation_that_may_not_be_used_says_why(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "train-1", owner=Owner(name="train", profile="/srv/train.toml"))
    environment.claim()
    generation = environment.begin()
    with_settings(generation.path)
    environment.activate(environment.seal(generation, SEAL))
    (generation,) = environment.generations()
    flaws = {generation.path: Flaw(code="file-damaged", words="1 altered file, `a.py`")}
    assert text.listing([environment], flaws).endswith("\n      unusable (file-damaged): 1 altered file, `a.py`")
    (listed,) = documents.listing([environment], flaws)["environments"]
    assert listed["generations"][0]["flaw"] == {"code": "file-damaged", "words": "1 altered file, `a.py`"}
    (listed,) = documents.listing([environment])["environments"]
    assert listed["generations"][0]["flaw"] is None


def test_a_clean_up_that_found_nothing_says_why() -> None:
    assert text.swept(Swept(files=0, bytes=0)) == (
        "nothing to remove: what is kept is in use, or within the limit (`tfprov cache info`)"
    )
    assert text.swept(Swept(files=1, bytes=2_000_000)) == "removed 1 file, 2 MB of the disk"


def test_of_the_missing_files_of_a_package_one_is_named() -> None:
    gone = Defect(code="file-damaged", path="numpy/0.py", expected="the file (numpy)", found="missing", fix="repair it")
    missing = [replace(gone, path=f"numpy/{number}.py") for number in range(301)]
    other = replace(gone, path="six.py", expected="sha256=x (six)", found="sha256=y")
    assert text.findings([*missing, other]).splitlines() == [
        "file-damaged: 302 findings",
        "  numpy/0.py and 300 more",
        "    expected the file (numpy); found missing",
        "  six.py",
        "    expected sha256=x (six); found sha256=y",
        "  fix: repair it",
    ]
