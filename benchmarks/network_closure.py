"""Hostile networks in front of a whole `tfprov up`: the plan, the resolve and the downloads of a closure of 14 projects.

    python benchmarks/network_closure.py --jobs 3
    python benchmarks/network_closure.py --only 503-five-times,dead-for-10-s --tools tfprov,uv

The projects are tiny but for one wheel of 20 MB and depend on each other five deep, as those of TensorFlow do; TensorFlow
is a sham (tests/sham.py), everything else is real. The index is started anew for each run; what goes wrong is scripted in
tests/loopback.py. A scenario is passed by a verified environment, or, where it has a code, by ending with that code; by
at most 1.02 times the bytes of the wheels; and within the limit. uv is `uv pip install` of the same closure.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent.parent / "tests")]

from loopback import Faults, Index, Proxy, unused_port, wheel  # noqa: E402  # found through the line above
from site_under_test import PYTHON, RELEASE, Site, sham_wheel  # noqa: E402  # likewise

MOST_BYTES = 1.02


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scenario:
    """What goes wrong, and what a right answer is.

    Attributes:
        code: None when the environment can be had; else the failure code that tfprov must end with.
        mirror: faults of a second index with the same files; None for no second index.
        late: seconds after which the index begins to listen; None for never.
        proxy: mode of a proxy in the environment; None for none.
        login: what that proxy demands.
    """

    name: str
    faults: Faults = Faults()  # frozen
    code: str | None = None
    mirror: Faults | None = None
    late: float | None = 0.0
    proxy: str | None = None
    login: str | None = None


GOOD = Faults()
SCENARIOS = (
    Scenario(name="clean"),
    Scenario(name="503-five-times", faults=Faults(each=(503,) * 5)),
    Scenario(name="503-five-times-retry-after-1", faults=Faults(each=(503,) * 5, retry_after="1")),
    Scenario(name="429-retry-after-3", faults=Faults(each=(429,), retry_after="3")),
    Scenario(name="503-once-retry-after-date", faults=Faults(each=(503,), retry_after="date")),
    Scenario(name="pages-cut", faults=Faults(cut_pages=2)),
    Scenario(name="pages-of-garbage", faults=Faults(garbage_pages=2)),
    Scenario(name="garbage-always", faults=Faults(garbage_pages=999), code="mirror-http-error"),
    Scenario(name="files-cut-every-2-mb", faults=Faults(cut_every=2 << 20)),
    Scenario(name="no-ranges", faults=Faults(ignore_ranges=True)),
    Scenario(name="dead-for-10-s", late=10.0),
    Scenario(name="dead", late=None, code="net-refused"),
    Scenario(name="dead-mirror-good", late=None, mirror=GOOD),
    Scenario(name="503-always-mirror-good", faults=Faults(each=(503,) * 999), mirror=GOOD),
    Scenario(name="503-always", faults=Faults(each=(503,) * 999), code="mirror-http-error"),
    Scenario(name="403-always", faults=Faults(each=(403,) * 999), code="mirror-http-error"),
    Scenario(name="files-redirect-to-dead-host-mirror-good", faults=Faults(redirect="dead"), mirror=GOOD),
    Scenario(name="files-redirect-to-dead-host", faults=Faults(redirect="dead"), code="net-refused"),
    Scenario(name="headers-trickle", faults=Faults(header_trickle=0.7), code="net-timeout"),
    Scenario(name="pages-trickle", faults=Faults(page_trickle=0.7), code="net-timeout"),
    Scenario(name="login-page", faults=Faults(portal=True), code="net-portal"),
    Scenario(name="proxy-dead", proxy="dead"),
    Scenario(name="proxy-with-login", proxy="good", login="user:secret"),
    Scenario(name="proxy-407", proxy="refuses", login="user:secret", code="net-proxy"),
)


def closure(folder: Path) -> dict[str, bytes | Path]:
    """The files of the index."""
    files: dict[str, bytes | Path] = {}
    chain = [f"dep{number}" for number in range(5)]
    wide = [f"side{number}" for number in range(8)]
    for number, name in enumerate(chain):
        behind = tuple(chain[number + 1 : number + 2])
        size = 20_000_000 if number == 4 else 50_000
        files[f"{name}-1.0-py3-none-any.whl"] = wheel(name, "1.0", size=size, requires=behind)
    for name in wide:
        files[f"{name}-1.0-py3-none-any.whl"] = wheel(name, "1.0", size=80_000)
    top = sham_wheel(folder, RELEASE, requires=("dep0", *wide))
    files[top.name] = top
    return files


def run(scenario: Scenario, tool: str, scratch: Path, limit: float) -> dict[str, object]:
    """One tool in one scenario."""
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True)))
        files = closure(root / "wheels")
        size = sum(len(each) if isinstance(each, bytes) else each.stat().st_size for each in files.values())
        faults = scenario.faults
        if faults.retry_after == "date":
            faults = dataclasses.replace(faults, retry_after=formatdate(time.time() + 4, usegmt=True))
        if faults.redirect == "dead":
            faults = dataclasses.replace(faults, redirect=f"http://127.0.0.1:{unused_port()}")
        faults = dataclasses.replace(faults, metadata=not faults.ignore_ranges)
        port = unused_port()
        servers: list[Index] = []
        ended = threading.Event()

        def begin() -> None:
            if scenario.late is None or ended.wait(scenario.late):
                return
            servers.append(stack.enter_context(Index(files, faults, port=port)))

        if scenario.late == 0.0:
            begin()
        mirrors = (
            [stack.enter_context(Index(files, dataclasses.replace(scenario.mirror, metadata=True)))]
            if scenario.mirror is not None
            else []
        )
        site = Site.make(root)
        site.write()
        text = site.profile.read_text().replace((site.root / "index").as_uri(), f"http://127.0.0.1:{port}/simple")
        if mirrors:
            text = text.replace("[index]\n", f'[index]\nmirrors = ["{mirrors[0].simple}"]\n')
        proxy = ""
        if scenario.proxy == "dead":
            proxy = f"http://127.0.0.1:{unused_port()}"
        elif scenario.proxy:
            made = stack.enter_context(Proxy(login=scenario.login))
            proxy = made.url if scenario.proxy == "refuses" else made.url.replace("://", f"://{scenario.login}@")
        if scenario.proxy == "refuses":
            text += '[network]\nproxies = ["environment"]\n'
        site.profile.write_text(text)
        environ = {**site.environ(), **({"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy} if proxy else {})}
        argv = site.command("up", "train.toml", "--json")
        if tool == "uv":
            argv = [shutil.which("uv") or "uv", "pip", "install", "--python", str(PYTHON), "--no-config", "--target"]
            argv += [str(root / "got"), "--cache-dir", str(root / "cache"), "tensorflow-cpu"]
            argv += ["--default-index", f"http://127.0.0.1:{port}/simple"]
            argv += ["--index", mirrors[0].simple] if mirrors else []
        waiting = threading.Thread(target=begin)
        if scenario.late != 0.0:
            waiting.start()
            stack.callback(waiting.join)
        started = time.monotonic()
        out, text, status = "", "", None
        child = subprocess.Popen(
            argv, env=environ, cwd=site.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            out, text = child.communicate(timeout=limit)
            status = child.returncode
        except subprocess.TimeoutExpired:
            child.kill()
            out, text = child.communicate()
        seconds = time.monotonic() - started
        ended.set()
        sent = sum(server.sent for server in (*servers, *mirrors)) / size
        asked = sum(len(server.seen) for server in servers)
        code = _code(tool, status, out)
        passed = code == scenario.code if tool == "tfprov" else (status == 0) == (scenario.code is None)
        return {
            "scenario": scenario.name,
            "tool": tool,
            "passed": passed and status is not None and sent <= MOST_BYTES,
            "seconds": round(seconds, 1),
            "bytes": round(sent, 3),
            "requests": asked,
            "outcome": "over the limit" if status is None else code or "verified" if tool == "tfprov" else str(status),
            "said": text[-2000:],
        }


def _code(tool: str, status: int | None, out: str) -> str | None:
    if tool != "tfprov" or status is None:
        return "?"
    document = json.loads(out)
    return None if document["ok"] else document["error"]["code"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="scenarios, separated by commas")
    parser.add_argument("--tools", default="tfprov", help="tfprov, uv (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for each run (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true", help="print what a tool said that did not pass")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    wanted = arguments.only.split(",") if arguments.only else [scenario.name for scenario in SCENARIOS]
    if unknown := sorted(set(wanted) - {scenario.name for scenario in SCENARIOS}):
        parser.error(f"no such scenario: {', '.join(unknown)}")
    tools = arguments.tools.split(",")
    pairs = [(scenario, tool) for scenario in SCENARIOS if scenario.name in wanted for tool in tools]
    os.environ.pop("UV_DEFAULT_INDEX", None)

    def one(pair: tuple[Scenario, str]) -> dict[str, object]:
        found = run(*pair, arguments.scratch, arguments.limit)
        mark = "yes" if found["passed"] else "NO"
        print(f"{found['scenario']:42} {found['tool']:7} {mark:4} {found['seconds']:6} s", file=sys.stderr, flush=True)
        if arguments.verbose and not found["passed"]:
            print(found["said"], file=sys.stderr, flush=True)
        return found

    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(one, pairs))
    print("| scenario | " + " | ".join(tools) + " |\n|---|" + "---|" * len(tools))
    for name in dict.fromkeys(str(found["scenario"]) for found in results):
        cells = [
            f"{'yes' if found['passed'] else '**no**'}, {found['seconds']} s, {found['bytes']}x, {found['requests']} req.,"
            f" {found['outcome']}"
            for found in results
            if found["scenario"] == name
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    return 0 if all(found["passed"] for found in results if found["tool"] == "tfprov") else 1


if __name__ == "__main__":
    raise SystemExit(main())
