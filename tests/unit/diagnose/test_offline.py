"""What tools say where they may not ask a server: it is missing on this machine, and no server refused anything."""

from __future__ import annotations

import pytest

from tfprov.diagnose.about import about
from tfprov.diagnose.diagnose import diagnose_text

PIP = (
    "ERROR: Could not find a version that satisfies the requirement frobnicator (from versions: none)\n"
    "ERROR: No matching distribution found for frobnicator\n"
)
UV = (
    "  x No solution found when resolving dependencies:\n"
    "  ╰─▶ Because frobnicator was not found in the {} and you require frobnicator, we can\n"
    "      conclude that your requirements are unsatisfiable.\n"
)
CONDA = (
    "PackagesNotFoundError: The following packages are not available from current channels:\n\n  - frobnicator=2.99\n"
)


def root_of(text: str) -> str | None:
    found = diagnose_text(text).root
    return found.code if found else None


@pytest.mark.parametrize(
    "text",
    [
        f"$ pip install --no-index --find-links wheels frobnicator\n{PIP}",
        f"Using pip 24.0 from /x/pip (python 3.12)\nIgnoring indexes: https://index.example/simple\n{PIP}",
        f"$ uv pip install --offline frobnicator\n{UV.format('cache')}",
        f"$ uv pip install --no-index -f wheels frobnicator\n{UV.format('provided package locations')}",
        f"$ conda install --offline --yes frobnicator=2.99\n{CONDA}",
        f"+ CONDA_OFFLINE=true mamba install frobnicator=2.99\n{CONDA}",
        "error: Network connectivity is disabled, but the data wasn't found in the cache for: `frobnicator`\n",
        "hint: A managed Python download is available for Python 3.7, but uv is set to offline mode\n",
    ],
)
def test_what_is_missing_without_a_network_is_no_refused_connection(text: str) -> None:
    assert root_of(text) == "offline-missing"


@pytest.mark.parametrize("text", [PIP, UV.format("package registry"), CONDA])
def test_what_is_missing_on_a_server_is_not_missing_for_want_of_a_network(text: str) -> None:
    assert root_of(text) in {"package-name-wrong", "conda-package-missing"}


@pytest.mark.parametrize(
    "line",
    [
        "$ uv sync --offline",
        "Offline mode: forcing local_files_only=True",
        "wandb: W&B syncing is set to `offline` in this directory.",
        "Running in offline mode, statistics are not sent",
    ],
)
def test_work_without_a_network_is_no_failure(line: str) -> None:
    assert root_of(f"{line}\nEpoch 1/2 loss: 0.5\n") is None
    assert root_of(f"{line}\nOSError: [Errno 28] No space left on device\n") == "disk-full"


def test_the_advice_is_more_than_the_name_of_a_bundle() -> None:
    assert "where there is a network" in about("offline-missing").you


@pytest.mark.parametrize(
    "other", ["$ pip install frobnicator", "+ uv pip install frobnicator", "Run pip install frobnicator"]
)
def test_a_command_without_a_network_says_nothing_of_another_command(other: str) -> None:
    offline = "$ pip install --no-index --find-links wheels six\n"
    assert root_of(f"{offline}Successfully installed six-1.17.0\n{other}\n{PIP}") != "offline-missing"
    assert root_of(f"{other}\n{PIP}{offline}Successfully installed six-1.17.0\n") != "offline-missing"
    assert root_of(f"{other}\nSuccessfully installed six-1.17.0\n{offline}{PIP}") == "offline-missing"


@pytest.mark.parametrize("variable", ["PIP_NO_INDEX=1", "UV_OFFLINE=true"])
def test_a_variable_that_forbids_the_network_is_for_all_commands(variable: str) -> None:
    assert root_of(f"+ export {variable}\n+ pip install six\n+ pip install frobnicator\n{PIP}") == "offline-missing"
