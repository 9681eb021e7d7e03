"""Hostile networks: tfprov's fetch against pip and uv, one real big wheel, one scenario after the other.

    python benchmarks/network.py                      # everything; fetches a tensorflow-cpu wheel through pip first
    python benchmarks/network.py --wheel FILE.whl --only clean,cut-8mb --tools tfprov,pip

Every tool gets the same file from the same kind of loopback index, started anew for each run. What goes wrong is
scripted in tests/loopback.py. A scenario that has a right answer is passed by bringing the file; a hopeless one by
giving up within the limit (tfprov must also name the right cause). Bytes are what the server sent, divided by the size
of the file.

pip is `pip download`; uv has no such command, so it is `uv pip install --target`, which unpacks as well. Scenarios
whose seconds matter run alone, the others several at a time.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent.parent / "tests"), str(HERE.parent.parent / "src")]

from loopback import Faults, Index, Proxy, authority, unused_port  # noqa: E402  # found through the line above

MB = 1_000_000
TOOLS = ("tfprov", "pip", "pip-best", "uv", "uv-best")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scenario:
    """What goes wrong, and what a right answer is.

    Attributes:
        code: None when the file can be had; else the failure code that tfprov must end with.
        needed: bytes that a perfect client needs, as a multiple of the file.
        mirror: faults of a second index with the same file; None for no second index.
        proxy: mode of a proxy in the environment; None for none.
        direct: whether the direct way works too.
        disk: bytes of free space; None for plenty.
        kill: kill -9 when so much of the file has arrived, then run again.
        alone: whether seconds matter.
    """

    name: str
    faults: Faults
    code: str | None = None
    needed: float = 1.0
    mirror: Faults | None = None
    proxy: str | None = None
    login: str | None = None
    tls: str | None = None
    dead_redirect: bool = False
    disk: int | None = None
    kill: float | None = None
    alone: bool = False


def scenarios(wheel: Path) -> tuple[Scenario, ...]:
    """Every scenario for this file."""
    size = wheel.stat().st_size
    middle = size // 2
    with zipfile.ZipFile(wheel) as archive:
        entries = sorted(archive.infolist(), key=lambda entry: entry.compress_size)
        # In a member of ordinary size: the largest of those below two percent of the file.
        usual = next(entry for entry in reversed(entries) if entry.compress_size < size // 50)
        small = usual.header_offset + usual.compress_size // 2
        biggest = entries[-1].header_offset + entries[-1].compress_size // 2
    good = Faults()
    return (
        Scenario(name="clean", faults=good, alone=True),
        Scenario(name="clean-1-gbit", faults=Faults(total_rate=125e6), alone=True),
        Scenario(name="slow-per-connection", faults=Faults(rate=5e6), alone=True),
        Scenario(name="few-connections", faults=Faults(rate=8e6, connections=2), alone=True),
        Scenario(name="kill-9-at-half", faults=Faults(total_rate=60e6), kill=0.5, alone=True),
        Scenario(name="cut-8mb-reset", faults=Faults(cut_every=8 * MB)),
        Scenario(name="cut-30mb-end", faults=Faults(cut_every=30 * MB, cut_with="end")),
        Scenario(name="stall-once", faults=Faults(stall_after=size // 3, stalls=1)),
        Scenario(name="stall-three-times", faults=Faults(stall_after=20 * MB, stalls=3)),
        Scenario(name="trickle-once", faults=Faults(stall_after=middle, stalls=1, trickle=1)),
        Scenario(name="trickle-after-40mb", faults=Faults(stall_after=40 * MB, trickle=1)),
        Scenario(name="trickle-always", faults=Faults(stall_after=0, trickle=1), code="net-timeout"),
        Scenario(name="503-three-times", faults=Faults(statuses=(503, 503, 503))),
        Scenario(name="429-retry-after-seconds", faults=Faults(statuses=(429, 429), retry_after="3")),
        Scenario(name="503-retry-after-date", faults=Faults(statuses=(503, 503), retry_after="date")),
        Scenario(name="503-always", faults=Faults(always_status=503), code="mirror-http-error"),
        Scenario(name="403-always", faults=Faults(always_status=403), code="mirror-http-error"),
        Scenario(name="truncated", faults=Faults(truncate=1000), code="hash-mismatch"),
        Scenario(name="byte-flipped-once", faults=Faults(flips=(small,), flip_times=1)),
        Scenario(name="byte-flipped-in-cache", faults=Faults(flips=(small,), flips_cached=True)),
        Scenario(name="byte-flipped-mirror-good", faults=Faults(flips=(small,)), mirror=good),
        Scenario(name="byte-flipped-always", faults=Faults(flips=(small,)), code="hash-mismatch"),
        # A compressed member of 160 MB has one checksum, at its end: where in it the damage is, nothing tells.
        Scenario(name="byte-flipped-in-biggest-member", faults=Faults(flips=(biggest,), flip_times=1), needed=1.6),
        Scenario(name="no-ranges", faults=Faults(ignore_ranges=True)),
        Scenario(
            name="no-ranges-cut-once", faults=Faults(ignore_ranges=True, stall_after=middle, stalls=1), needed=1.5
        ),
        Scenario(name="wrong-ranges", faults=Faults(range_shift=1000, stall_after=30 * MB, stalls=1)),
        Scenario(name="file-changes", faults=Faults(changes_after=1, stall_after=30 * MB, stalls=1)),
        Scenario(name="etag-flaps-and-cuts", faults=Faults(etag="flap", cut_every=30 * MB)),
        Scenario(name="no-length-no-etag", faults=Faults(chunked=True, ignore_ranges=True, etag="no")),
        Scenario(name="redirect-to-dead-host", faults=good, dead_redirect=True, mirror=good),
        Scenario(name="dead-for-15-s", faults=Faults(dead_for=15.0)),
        Scenario(name="proxy-dead", faults=good, proxy="dead"),
        Scenario(name="proxy-silent", faults=good, proxy="silent"),
        Scenario(name="proxy-with-login", faults=good, proxy="good", login="user:secret"),
        Scenario(name="proxy-407", faults=good, proxy="refuses", login="user:secret", code="net-proxy"),
        Scenario(name="certificate-expired", faults=good, tls="expired", code="net-tls-cert"),
        Scenario(name="login-page", faults=Faults(portal=True), code="net-portal"),
        Scenario(name="disk-full", faults=good, disk=100 * MB, code="disk-full"),
    )


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
    from tfprov.fetch.routes import DIRECT, Route
    from tfprov.fetch.sources import Network
    from tfprov.fetch.store import Store
    from tfprov.lock.records import LockedFile

    spec = json.loads(Path(spec_path).read_text())
    routes = [DIRECT]
    if spec["proxy"]:
        through = Route(name="environment", http=spec["proxy"], https=spec["proxy"])
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
    started = time.monotonic()
    try:
        fetched = fetch([file], store=Store(Path(spec["store"])), network=network, emit=_writer(journal))
    except TfprovError as error:
        print(json.dumps({"code": error.code.name, "what": error.what}))
        return error.exit_code
    path = fetched.paths[file.sha256]
    print(json.dumps({"code": None, "what": str(path), "seconds": time.monotonic() - started}))
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="a big wheel for this Python; default: tensorflow-cpu through pip")
    parser.add_argument("--only", help="scenarios, separated by commas")
    parser.add_argument("--tools", default=",".join(TOOLS), help="default: %(default)s")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for each run (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=3, help="runs at a time where seconds do not matter")
    parser.add_argument("--json", type=Path, help="write the results here, too")
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
        tools = arguments.tools.split(",")
        wanted = arguments.only.split(",") if arguments.only else None
        chosen = [scenario for scenario in scenarios(wheel) if wanted is None or scenario.name in wanted]
        results: list[Result] = []
        lock = threading.Lock()

        def one(pair: tuple[Scenario, str]) -> None:
            result = run(pair[1], pair[0], setup)
            with lock:
                results.append(result)
                print(
                    f"{result.scenario:26} {result.tool:9} {'yes' if result.passed else 'NO':4} {result.seconds:7.1f} s"
                    f" {result.bytes:7.3f}x {result.connections:4} conn.  {result.outcome}",
                    file=sys.stderr,
                    flush=True,
                )

        alone = [scenario for scenario in chosen if scenario.alone]
        for scenario in alone:
            for tool in (*tools, *(("curl",) if scenario.name.startswith("clean") else ())):
                one((scenario, tool))
        together = [(scenario, tool) for scenario in chosen if not scenario.alone for tool in tools]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(pool.map(one, together))
        order = [scenario.name for scenario in chosen]
        results.sort(key=lambda result: order.index(result.scenario))
        if arguments.json:
            arguments.json.write_text(json.dumps([dataclasses.asdict(result) for result in results], indent=1))
        versions = subprocess.run([python, "-m", "pip", "--version"], check=True, capture_output=True, text=True).stdout
        uv_version = subprocess.run([uv, "--version"], check=True, capture_output=True, text=True).stdout
        print(
            f"{wheel.name}, {wheel.stat().st_size:,} bytes; {versions.split(' from')[0]}, {uv_version.split(' (')[0]}\n"
        )
        print(table(results, tools, arguments.limit))
        for link in ("clean", "clean-1-gbit"):
            pair = [(result.tool, result) for result in results if result.scenario == link]
            curl, mine = dict(pair).get("curl"), dict(pair).get("tfprov")
            if curl and mine:
                print(f"\n{link}, whole process: curl {curl.seconds} s, tfprov {mine.seconds} s ({mine.outcome})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
