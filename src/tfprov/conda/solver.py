"""Inside the worker: reads channels and solves, with py-rattler."""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rattler
from rattler.exceptions import FetchRepoDataError, GatewayError, SolverError
from rattler.networking import Client

_SOLVE_SECONDS = 120
_TRIES = 20
_SPEC = re.compile(r"^(?:(?P<channel>[^\[]*)::)?(?P<name>[^\[]+)")
"""Channel and name in a spec as `wants.conda_specs` writes it."""


class UnsatisfiableError(Exception):
    """No set of packages meets the specs.

    Attributes:
        extra: the change that would help, for the client.
    """

    def __init__(self, message: str, helps: dict[str, object] | None) -> None:
        super().__init__(message)
        self.extra = {"helps": helps}


async def solve(request: dict[str, Any], tell: Callable[[str], None]) -> dict[str, object]:
    """Find packages that meet the specs.

    Request:
        channels: list of {name, read}: the address for the records, and the one to read from (a mirror, or the same).
        subdir: platform.
        specs: strict match specs.
        virtual: list of {name, version, build}; a version of "" removes a detected one.
        detect: whether to start from the virtual packages of this machine.
        cache: folder of the indexes.
        offline: read cached indexes only.
        prefer: list of {name, version, build} to keep if they still fit.
        relax: changes to try when there is no solution, the smallest first: {spec, instead, words} or {virtual, words}.
        exclude_newer: ISO 8601 time with its offset, or None.
    """
    gateway = rattler.Gateway(
        cache_dir=Path(request["cache"]),
        default_config=rattler.SourceConfig(
            cache_action="force-cache-only" if request["offline"] else "cache-or-fetch", jlap_enabled=None
        ),
        # Without the library's own retries, and without credentials that it would find by itself.
        client=Client([]),
    )
    channels = [rattler.Channel(each["read"]) for each in request["channels"]]
    names = {
        _base(channel.base_url): _base(rattler.Channel(each["name"]).base_url)
        for channel, each in zip(channels, request["channels"], strict=True)
    }
    virtual = virtual_packages(request)
    newest = request.get("exclude_newer")
    solver = _Solver(
        channels=channels,
        platforms=[request["subdir"], "noarch"],
        gateway=gateway,
        exclude_newer=datetime.datetime.fromisoformat(newest) if newest else None,
        names={each["name"]: each["read"] for each in request["channels"]},
    )
    tell("reading channels")
    try:
        kept = await solver.kept(request.get("prefer", ()))
        records = await solver.solve(request["specs"], virtual, kept)
    except SolverError as error:
        tell("looking for the smallest change that helps")
        raise UnsatisfiableError(str(error), await _help(request, solver, virtual)) from error
    except (GatewayError, FetchRepoDataError) as error:
        error.extra = {"about": await solver.unreadable(names)}  # for the client
        raise
    order = [each.name.normalized for each in rattler.PackageRecord.sort_topologically(list(records))]
    ordered = sorted(records, key=lambda record: order.index(record.name.normalized))
    return {
        "packages": [_package(record, names) for record in ordered],
        "virtual": [
            {"name": each.name.normalized, "version": str(each.version), "build": str(each.build_string)}
            for each in virtual
        ],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Solver:
    """What stays the same in a request when other specs are tried."""

    channels: list[rattler.Channel]
    platforms: list[Any]
    gateway: rattler.Gateway
    exclude_newer: datetime.datetime | None
    names: dict[str, str]

    def _readable(self, specs: Sequence[str]) -> Iterator[str]:
        """The specs, with the address that a channel is read from in place of its name."""
        for spec in specs:
            found = _SPEC.match(spec)
            channel = found and found["channel"]
            yield spec.replace(channel, self.names.get(channel, channel), 1) if channel else spec

    async def solve(
        self, specs: Sequence[str], virtual: Sequence[rattler.GenericVirtualPackage], kept: Sequence[Any] = ()
    ) -> list[rattler.RepoDataRecord]:
        readable = list(self._readable(specs))
        # The library ignores `subdir` in a spec, so such a spec is replaced by exact packages of that platform.
        there = {spec: await self._of_subdir(spec) for spec in readable if "subdir=" in spec}
        failed = SolverError("")
        for chosen in itertools.islice(itertools.product(*there.values()), _TRIES):
            now = dict(zip(there, chosen, strict=True))
            try:
                return await self._solve([now.get(spec, spec) for spec in readable], virtual, kept)
            except SolverError as error:
                failed = error
        raise failed

    async def _of_subdir(self, spec: str) -> list[str]:
        """Specs for the exact packages that match a spec with a `subdir`, the newest first.

        Raises:
            SolverError: there are none.
        """
        wanted = rattler.MatchSpec(spec, strict=True)
        found = _SPEC.match(spec)
        name = found["name"] if found else ""
        channels = [wanted.channel] if wanted.channel is not None else self.channels
        records = [
            record
            for source in await self.gateway.query(channels, self.platforms, [name], recursive=False)
            for record in source
            if record.subdir == wanted.subdir and wanted.matches(record)
        ]
        records.sort(key=lambda each: (each.version, each.build_number), reverse=True)
        if not records:
            raise SolverError(f"No candidates were found for {wanted}.")
        prefix = f"{found['channel']}::" if found and found["channel"] else ""
        return [f"{prefix}{name}[sha256='{bytes(each.sha256).hex()}']" for each in records if each.sha256]

    async def _solve(
        self, specs: Sequence[str], virtual: Sequence[rattler.GenericVirtualPackage], kept: Sequence[Any]
    ) -> list[rattler.RepoDataRecord]:
        found = await rattler.solve(
            self.channels,
            list(_strict(specs)),
            gateway=self.gateway,
            platforms=self.platforms,
            virtual_packages=virtual,
            locked_packages=list(kept),
            timeout=datetime.timedelta(seconds=_SOLVE_SECONDS),
            exclude_newer=self.exclude_newer,
        )
        return list(found)

    async def unreadable(self, names: dict[str, str]) -> list[str]:
        """The names of the channels that cannot be read now; each is tried by itself."""
        found = []
        for channel in self.channels:
            try:
                await self.gateway.query([channel], self.platforms, ["python"], recursive=False)
            except (GatewayError, FetchRepoDataError):
                found.append(names[_base(channel.base_url)])
        return found

    async def kept(self, prefer: Sequence[dict[str, str]]) -> list[rattler.RepoDataRecord]:
        """Those records of an older lock that the channels still have."""
        if not prefer:
            return []
        wanted = {(each["name"], each["version"], each["build"]) for each in prefer}
        found = await self.gateway.query(
            self.channels, self.platforms, sorted({each["name"] for each in prefer}), recursive=False
        )
        return [
            record
            for source in found
            for record in source
            if (record.name.normalized, str(record.version), str(record.build)) in wanted
        ]


def _strict(specs: Iterable[str]) -> Iterator[str]:
    """The specs, each one without a channel followed by its bare name.

    For a spec with a version the library picks the first channel that has the version (py-rattler 0.28); for a bare
    name it picks the first channel that has the package, which is what conda and mamba do for every spec.
    """
    for spec in specs:
        yield spec
        found = _SPEC.match(spec)
        if found and not found["channel"]:
            yield found["name"]


def virtual_packages(request: dict[str, Any]) -> list[rattler.GenericVirtualPackage]:
    """The virtual packages: detected ones if the request asks for them, overridden by those in the request."""
    found: dict[str, rattler.GenericVirtualPackage] = {}
    if request["detect"]:
        # Variables such as CONDA_OVERRIDE_CUDA are ignored: the request has everything that is known of the machine.
        for each in rattler.VirtualPackage.detect(rattler.VirtualPackageOverrides()):
            generic = each.into_generic()
            found[generic.name.normalized] = generic
    for one in request["virtual"]:
        if not one["version"]:
            found.pop(one["name"], None)
            continue
        found[one["name"]] = _virtual(one)
    return list(found.values())


def _virtual(one: dict[str, str]) -> rattler.GenericVirtualPackage:
    return rattler.GenericVirtualPackage(
        rattler.PackageName(one["name"]), rattler.Version(one["version"]), rattler.BuildString(one["build"])
    )


async def _help(
    request: dict[str, Any], solver: _Solver, virtual: list[rattler.GenericVirtualPackage]
) -> dict[str, object] | None:
    """The first of the request's changes that leads to a solution, with the package that it gives; None for none."""
    for change in request.get("relax", ()):
        specs, machine = list(request["specs"]), virtual
        if "spec" in change:
            specs = [change["instead"] if each == change["spec"] else each for each in specs]
            specs = [each for each in specs if each]
        else:
            machine = [each for each in virtual if each.name.normalized != change["virtual"]["name"]]
            machine.append(_virtual(change["virtual"]))
        try:
            records = await solver.solve(specs, machine)
        except SolverError:
            continue
        about = change.get("about", "")
        given = next((record for record in records if record.name.normalized == about), None)
        return {
            "words": change["words"],
            "kind": change.get("kind", ""),
            "gives": f"{about} {given.version}" if given is not None else "",
        }
    return None


def _base(url: str) -> str:
    return url.rstrip("/")


def _package(record: rattler.RepoDataRecord, names: dict[str, str]) -> dict[str, object]:
    channel = _base(str(record.channel or ""))
    # No channel names a variable: its value would go to whoever wrote the channel.
    url = str(record.url).replace("$", "%24")
    for read, name in names.items():
        if str(record.url).startswith(f"{read}/"):
            channel, url = name, name + str(record.url)[len(read) :].replace("$", "%24")
            break
    depends = [spec.split()[0].partition("=")[0] for spec in record.depends]
    return {
        "name": record.name.normalized,
        "version": str(record.version),
        "build": str(record.build),
        "subdir": record.subdir,
        "channel": channel,
        "url": url,
        "sha256": bytes(record.sha256).hex() if record.sha256 else "",
        "md5": bytes(record.md5).hex() if record.md5 else "",
        "size": record.size,
        "depends": sorted({name for name in depends if not name.startswith("__")}),
        "python": "python" in depends or "python_abi" in depends,
    }
