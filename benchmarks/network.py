"""Hostile networks: tfprov's fetch against pip and uv, one real big wheel, one scenario after the other.

    python benchmarks/network.py                      # everything; fetches a tensorflow-cpu wheel through pip first
    python benchmarks/network.py --wheel FILE.whl --only clean,cut-8mb-reset --tools tfprov,pip
    python benchmarks/network.py --jobs 8 --json out.json    # again after a break: only what is not in out.json yet
    python benchmarks/network.py --clean 7           # the undisturbed link only, tfprov and curl in turn, seven times

Every tool gets the same file from the same kind of loopback index, started anew for each run. What goes wrong is
scripted in tests/loopback.py. A scenario that has a right answer is passed by bringing the file; a hopeless one by
giving up within the limit (tfprov must also name the right cause). Bytes are what the server sent, divided by the size
of the file.

pip is `pip download`; uv has no such command, so it is `uv pip install --target`, which unpacks as well. Scenarios
whose seconds matter run alone, those where the server sets the pace with all tools at one time, the others `--jobs` at
a time.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent.parent / "tests"), str(HERE.parent.parent / "src")]

from network_scenarios import Scenario, scenarios  # noqa: E402  # likewise

from loopback import Faults, Index, Proxy, authority, unused_port  # noqa: E402  # found through the line above

TOOLS = ("tfprov", "pip", "pip-best", "uv", "uv-best")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """One tool in one scenario. `bytes` is a multiple of the file."""

    scenario: str
    tool: str
    passed: bool
    seconds: float
    bytes: float
    connections: int
    outcome: str


# -- the server's side -------------------------------------------------------------------------------------------------


def serve(spec_path: str) -> None:
    """Child process: indexes and a proxy until stdin closes. Prints their addresses as JSON."""
    spec = json.loads(Path(spec_path).read_text())
    wheel = Path(spec["wheel"])
    with contextlib.ExitStack() as stack:
        faults = Faults(**_tuples(spec["faults"]))
        if faults.retry_after == "date":
            faults = dataclasses.replace(faults, retry_after=formatdate(time.time() + 4, usegmt=True))
        first: bytes | Path = wheel
        tls, bundle = None, None
        if spec["tls"]:
            folder = Path(spec["folder"])
            made = authority(folder, days=(-30, -1))
            tls, bundle = made.server, str(made.bundle)
        if faults.changes_after is not None:
            damaged = bytearray(wheel.read_bytes())
            damaged[len(damaged) // 5] ^= 0xFF
            first = bytes(damaged)
        mirror = None
        if spec["mirror"] is not None:
            mirror = stack.enter_context(Index({wheel.name: wheel}, Faults(**_tuples(spec["mirror"]))))
            mirror._hashes[wheel.name] = spec["sha256"]
        if spec["dead_redirect"]:
            faults = dataclasses.replace(faults, redirect=f"http://127.0.0.1:{unused_port()}")
        index = Index({wheel.name: first}, dataclasses.replace(faults, metadata=True), tls=tls)
        if isinstance(first, bytes):
            index.changed = wheel.read_bytes()
        index._hashes[wheel.name] = spec["sha256"]
        stack.enter_context(index)
        proxy_url = None
        if spec["proxy"] == "dead":
            proxy_url = f"http://127.0.0.1:{unused_port()}"
        elif spec["proxy"]:
            mode = "silent" if spec["proxy"] == "silent" else "good"
            proxy = stack.enter_context(Proxy(login=spec["login"], mode=mode))
            proxy_url = proxy.url
        addresses = {
            "index": index.simple,
            "file": index.url(wheel.name),
            "mirror": mirror.simple if mirror else None,
            "proxy": proxy_url,
            "bundle": bundle,
        }
        print(json.dumps(addresses), flush=True)
        while line := sys.stdin.readline():
            servers = [server for server in (index, mirror) if server is not None]
            if line.strip() == "stats":
                totals = [sum(server.sent for server in servers), sum(server.connections for server in servers)]
                print(json.dumps(totals), flush=True)


def _tuples(raw: Mapping[str, object]) -> dict[str, object]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}


class Server:
    """The child process with the servers."""

    def __init__(self, scenario: Scenario, wheel: Path, sha256: str, folder: Path) -> None:
        spec = dataclasses.asdict(scenario) | {"wheel": str(wheel), "sha256": sha256, "folder": str(folder)}
        path = folder / "spec.json"
        path.write_text(json.dumps(spec))
        self._child = subprocess.Popen(
            [sys.executable, str(HERE), "--serve", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._child.stdout is not None
        self.addresses: dict[str, str | None] = json.loads(self._child.stdout.readline())

    def stats(self) -> tuple[int, int]:
        """Bytes sent and connections taken so far."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write("stats\n")
        self._child.stdin.flush()
        sent, connections = json.loads(self._child.stdout.readline())
        return sent, connections

    def close(self) -> None:
        """End it."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.kill()
        self._child.wait()


# -- the clients' side -------------------------------------------------------------------------------------------------


def client(spec_path: str) -> int:
    """Child process: tfprov's fetch stage. Prints the outcome."""
    from tfprov.errors import TfprovError
    from tfprov.fetch.fetch import fetch
    from tfprov.fetch.routes import DIRECT, Route, proxy_at
    from tfprov.fetch.sources import Network
    from tfprov.fetch.store import Store
    from tfprov.lock.records import LockedFile

    spec = json.loads(Path(spec_path).read_text())
    routes = [DIRECT]
    if spec["proxy"]:
        through = Route(name="environment", http=proxy_at(spec["proxy"]), https=proxy_at(spec["proxy"]))
        routes = [through] if spec["only_proxy"] else [through, DIRECT]
    certificates = (Path(spec["bundle"]),) if spec["bundle"] else ()
    network = Network(
        index_url=spec["index"],
        mirrors=(spec["mirror"],) if spec["mirror"] else (),
        routes=tuple(routes),
        certificates=certificates,
    )
    name, version, *_ = spec["filename"].split("-")
    file = LockedFile(
        name=name.replace("_", "-"),
        version=version,
        filename=spec["filename"],
        url=spec["file"],
        sha256=spec["sha256"],
        size=None if spec["unknown_size"] else spec["size"],
    )
    journal = (Path(spec_path).parent / "journal.txt").open("a")
    network.client(network.routes[0]).close()  # the index has been read before: libraries and certificates are loaded
    started, used = time.monotonic(), time.process_time()
    try:
        fetched = fetch([file], store=Store(Path(spec["store"])), network=network, emit=_writer(journal))
    except TfprovError as error:
        print(json.dumps({"code": error.code.name, "what": error.what}))
        return error.exit_code
    path = fetched.paths[file.sha256]
    print(
        json.dumps(
            {"code": None, "what": str(path), "seconds": time.monotonic() - started, "cpu": time.process_time() - used}
        )
    )
    return 0


def _writer(stream: object):  # type: ignore[no-untyped-def]  # a closure for one print
    def emit(event: object) -> None:
        if type(event).__name__ != "Progress":
            print(event, file=stream, flush=True)  # type: ignore[call-overload]  # a text file

    return emit


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setup:
    """What all runs share."""

    wheel: Path
    sha256: str
    python: Path
    uv: str
    limit: float
    scratch: Path


def command(
    tool: str, scenario: Scenario, setup: Setup, addresses: Mapping[str, str | None], folder: Path, out: Path
) -> tuple[list[str], dict[str, str]]:
    """What to run, and its environment."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        environ.pop(name, None)
        environ.pop(name.lower(), None)
    # The big file is where the space is missing, not somewhere else.
    environ |= {"HOME": str(folder), "TMPDIR": str(out), "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}
    proxy = addresses["proxy"]
    if proxy and scenario.login and scenario.proxy == "good":
        proxy = proxy.replace("://", f"://{scenario.login}@")
    if addresses["bundle"]:
        environ["SSL_CERT_FILE"] = environ["PIP_CERT"] = addresses["bundle"]
    index, mirror = addresses["index"] or "", addresses["mirror"]
    name, version, *_ = setup.wheel.name.split("-")
    wanted = f"{name}=={version}"
    if tool == "tfprov":
        spec = {
            "index": index,
            "file": addresses["file"],
            "mirror": mirror,
            "proxy": proxy,
            "only_proxy": scenario.code == "net-proxy",
            "bundle": addresses["bundle"],
            "filename": setup.wheel.name,
            "sha256": setup.sha256,
            "size": setup.wheel.stat().st_size,
            "unknown_size": scenario.name in ("no-length-no-etag", "truncated"),
            "store": str(out / "store"),
        }
        path = folder / "client.json"
        path.write_text(json.dumps(spec))
        return [sys.executable, str(HERE), "--client", str(path)], environ
    if tool == "curl":
        return ["curl", "-sS", "-o", str(out / "file"), addresses["file"] or ""], environ
    if proxy:
        for variable in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
            environ[variable] = proxy
    if tool.startswith("pip"):
        argv = [str(setup.python), "-m", "pip", "download", "--no-deps", "--no-input", "--progress-bar", "off"]
        argv += ["--disable-pip-version-check", "--cache-dir", str(out / "cache")]
        argv += ["-i", index, "-d", str(out / "got"), wanted]
        argv += ["--extra-index-url", mirror] if mirror else []
        if tool == "pip-best":
            argv += ["--timeout", "20", "--retries", "20", "--resume-retries", "100"]
        return argv, environ
    argv = [setup.uv, "pip", "install", "--no-deps", "--python", str(setup.python), "--target", str(out / "got")]
    argv += ["--cache-dir", str(out / "cache"), "--no-progress", "--default-index", index, wanted]
    argv += ["--index", mirror, "--index-strategy", "unsafe-best-match"] if mirror else []
    if tool == "uv-best":
        environ |= {"UV_HTTP_TIMEOUT": "20", "UV_HTTP_RETRIES": "100", "UV_CONCURRENT_DOWNLOADS": "1"}
    return argv, environ


def run(tool: str, scenario: Scenario, setup: Setup) -> Result:
    """One tool in one scenario."""
    size = setup.wheel.stat().st_size
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=setup.scratch, ignore_cleanup_errors=True)))
        out = folder / "out"
        out.mkdir()
        if scenario.disk is not None:
            stack.enter_context(_small_disk(out, scenario.disk))
        server = Server(scenario, setup.wheel, setup.sha256, folder)
        stack.callback(server.close)
        argv, environ = command(tool, scenario, setup, server.addresses, folder, out)
        started = time.monotonic()
        if scenario.kill is not None:
            _run_until(argv, environ, server, int(size * scenario.kill), setup.limit)
        status, text = _run(argv, environ, max(1.0, setup.limit - (time.monotonic() - started)))
        seconds = time.monotonic() - started
        sent, connections = server.stats()
        keep = os.environ.get("KEEP_JOURNALS")
        if keep:
            journal = folder / "journal.txt"
            content = (journal.read_text() if journal.exists() else "") + "\n" + text
            (Path(keep) / f"{scenario.name}.{tool}.txt").write_text(content)
        passed, outcome = _judge(tool, scenario, setup, status, text)
        return Result(
            scenario=scenario.name,
            tool=tool,
            passed=passed,
            seconds=round(seconds, 1),
            bytes=round(sent / size, 3),
            connections=connections,
            outcome=outcome,
        )


def _judge(tool: str, scenario: Scenario, setup: Setup, status: int | None, text: str) -> tuple[bool, str]:
    if status is None:
        return False, "still running at the limit"
    if tool == "tfprov":
        said = (
            json.loads(text.strip().splitlines()[-1])
            if text.strip().startswith("{")
            else {"code": "?", "what": text[-300:]}
        )
        if scenario.code is not None:
            return said["code"] == scenario.code, str(said["code"])
        if said["code"] is not None:
            return False, f"{said['code']}: {said['what']}"
        return _sha256(Path(said["what"])) == setup.sha256, f"brought, {said['seconds']:.2f} s without start-up"
    if scenario.code is not None:
        return status != 0, "gave up" if status != 0 else "claims success"
    if status != 0:
        lines = [line for line in text.splitlines() if line.strip()]
        return False, f"status {status}: {lines[-1][:80] if lines else ''}"
    return True, "brought"


def _run(argv: Sequence[str], environ: Mapping[str, str], limit: float) -> tuple[int | None, str]:
    child = subprocess.Popen(
        argv,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        text, _ = child.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        text, _ = child.communicate()
        return None, text
    return child.returncode, text


def _run_until(argv: Sequence[str], environ: Mapping[str, str], server: Server, sent: int, limit: float) -> None:
    """Run, and kill -9 when the server has sent so much."""
    child = subprocess.Popen(
        argv, env=dict(environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + limit
    while child.poll() is None and server.stats()[0] < sent and time.monotonic() < deadline:
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


@contextlib.contextmanager
def _small_disk(place: Path, size: int) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


# -- the table ---------------------------------------------------------------------------------------------------------


def table(results: Sequence[Result], tools: Sequence[str], limit: float) -> str:
    """Markdown: a row for each scenario, a column for each tool."""
    names = list(dict.fromkeys(result.scenario for result in results))
    by = {(result.scenario, result.tool): result for result in results}
    lines = [
        "| scenario | " + " | ".join(tools) + " |",
        "|---|" + "---|" * len(tools),
    ]
    for name in names:
        cells = []
        for tool in tools:
            result = by.get((name, tool))
            if result is None:
                cells.append("")
                continue
            mark = "yes" if result.passed else "**no**"
            seconds = f"over {limit:.0f} s" if "limit" in result.outcome else f"{result.seconds:.1f} s"
            cells.append(f"{mark}, {seconds}, {result.bytes:.2f}x, {result.connections} conn.")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    passed = [
        f"**{sum(by[name, tool].passed for name in names if (name, tool) in by)} of {len(names)}**" for tool in tools
    ]
    lines.append("| passed | " + " | ".join(passed) + " |")
    return "\n".join(lines)


def clean(setup: Setup, rounds: int) -> list[str]:
    """The undisturbed link: curl and tfprov's fetch stage in turn, wall and processor seconds, a line for each link.

    tfprov's seconds are those of the fetch stage: what a run needs before and after it is not about the network. It
    hashes and flushes, curl does neither.
    """
    lines = []
    for scenario in (scenario for scenario in scenarios(setup.wheel) if scenario.name.startswith("clean")):
        seen: dict[str, list[tuple[float, float]]] = {"curl": [], "tfprov": []}
        with tempfile.TemporaryDirectory(dir=setup.scratch) as name:
            folder = Path(name)
            server = Server(scenario, setup.wheel, setup.sha256, folder)
            try:
                for turn, (tool, runs) in itertools.product(range(rounds), seen.items()):
                    out = folder / f"{tool}{turn}"
                    out.mkdir()
                    argv, environ = command(tool, scenario, setup, server.addresses, folder, out)
                    runs.append(_timed(tool, argv, environ))
                    shutil.rmtree(out)
            finally:
                server.close()
        for turn, pair in enumerate(zip(*seen.values(), strict=True)):
            shown = (f"{tool} {wall:.2f} s ({cpu:.2f} s cpu)" for tool, (wall, cpu) in zip(seen, pair, strict=True))
            print(f"{scenario.name} {turn + 1}: {', '.join(shown)}", file=sys.stderr, flush=True)
        wall, cpu = (
            {tool: statistics.median(one[part] for one in runs) for tool, runs in seen.items()} for part in (0, 1)
        )
        ratio = statistics.median(one[0] / two[0] for one, two in zip(seen["curl"], seen["tfprov"], strict=True))
        lines.append(
            f"{scenario.name}, medians of {rounds}: curl {wall['curl']:.2f} s ({cpu['curl']:.2f} s cpu), tfprov "
            f"{wall['tfprov']:.2f} s ({cpu['tfprov']:.2f} s cpu): {ratio:.2f} of curl's speed (median of the pairs)"
        )
    return lines


def _timed(tool: str, argv: Sequence[str], environ: Mapping[str, str]) -> tuple[float, float]:
    """Wall seconds and processor seconds of one download."""
    started = time.monotonic()
    child = subprocess.Popen(argv, env=dict(environ), stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    text = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    wall, cpu = time.monotonic() - started, used.ru_utime + used.ru_stime
    if status != 0:
        raise SystemExit(f"{tool} failed: {text}")
    if tool == "tfprov":
        said = json.loads(text.strip().splitlines()[-1])
        wall, cpu = said["seconds"], said["cpu"]
    return wall, cpu


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="a big wheel for this Python; default: tensorflow-cpu through pip")
    parser.add_argument("--only", help="scenarios, separated by commas")
    parser.add_argument("--tools", default=",".join(TOOLS), help="default: %(default)s")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for each run (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=3, help="runs at a time where seconds do not matter")
    parser.add_argument("--json", type=Path, help="write the results here, too; what is there already is not run again")
    parser.add_argument("--clean", type=int, metavar="N", help="only the undisturbed link, N times, beside curl")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return 0
    if arguments.client:
        return client(arguments.client)
    with tempfile.TemporaryDirectory(dir=arguments.scratch, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}") or "uv"
        subprocess.run([uv, "venv", "-q", "--seed", "-p", sys.executable, str(folder / "tools")], check=True)
        python = folder / "tools" / ("Scripts" if os.name == "nt" else "bin") / "python"
        subprocess.run([uv, "pip", "install", "-q", "-U", "-p", str(python), "pip"], check=True)
        wheel = arguments.wheel
        if wheel is None:
            subprocess.run(
                [python, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "tensorflow-cpu"], check=True
            )
            wheel = next(folder.glob("*.whl"))
        setup = Setup(
            wheel=wheel.resolve(),
            sha256=_sha256(wheel),
            python=python,
            uv=uv,
            limit=arguments.limit,
            scratch=folder,
        )
        if arguments.clean:
            print("\n".join(clean(setup, arguments.clean)))
            return 0
        tools = arguments.tools.split(",")
        wanted = arguments.only.split(",") if arguments.only else None
        every = scenarios(wheel)
        if wanted and (unknown := sorted(set(wanted) - {scenario.name for scenario in every})):
            parser.error(f"no such scenario: {', '.join(unknown)}")
        chosen = [scenario for scenario in every if wanted is None or scenario.name in wanted]
        results = _kept(arguments.json)
        done = {(result.scenario, result.tool) for result in results}
        lock = threading.Lock()

        def one(pair: tuple[Scenario, str]) -> None:
            scenario, tool = pair
            if (scenario.name, tool) in done:
                return
            result = run(tool, scenario, setup)
            with lock:
                results.append(result)
                if arguments.json:
                    arguments.json.write_text(json.dumps([dataclasses.asdict(known) for known in results], indent=1))
                print(
                    f"{result.scenario:30} {result.tool:9} {'yes' if result.passed else 'NO':4} {result.seconds:7.1f} s"
                    f" {result.bytes:7.3f}x {result.connections:4} conn.  {result.outcome}",
                    file=sys.stderr,
                    flush=True,
                )

        begun = time.monotonic()
        for scenario in (scenario for scenario in chosen if scenario.alone):
            for tool in tools:
                one((scenario, tool))
        for scenario in (scenario for scenario in chosen if scenario.together):
            with ThreadPoolExecutor(len(tools)) as pool:
                list(pool.map(one, [(scenario, tool) for tool in tools]))
        rest = [scenario for scenario in chosen if not (scenario.alone or scenario.together)]
        rest.sort(key=lambda scenario: not scenario.long)
        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(pool.map(one, [(scenario, tool) for scenario in rest for tool in tools]))
        order = [scenario.name for scenario in every]
        results.sort(key=lambda result: order.index(result.scenario))
        versions = subprocess.run([python, "-m", "pip", "--version"], check=True, capture_output=True, text=True).stdout
        uv_version = subprocess.run([uv, "--version"], check=True, capture_output=True, text=True).stdout
        print(
            f"{wheel.name}, {wheel.stat().st_size:,} bytes; {versions.split(' from')[0]}, {uv_version.split(' (')[0]}; "
            f"{time.monotonic() - begun:.0f} s in all\n"
        )
        print(table(results, tools, arguments.limit))
    return 0


def _kept(path: Path | None) -> list[Result]:
    """The results of an earlier run."""
    if path is None or not path.exists():
        return []
    return [Result(**known) for known in json.loads(path.read_text())]


if __name__ == "__main__":
    raise SystemExit(main())
