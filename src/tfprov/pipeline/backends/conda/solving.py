"""The channels of a run, and the solver, which reads them over every route and mirror."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial

from tfprov.conda import channels as places
from tfprov.conda import client, indexes
from tfprov.conda.client import ChannelAccess, Solve
from tfprov.conda.records import Channel, Solved
from tfprov.errors import Group, TfprovError
from tfprov.events import Note
from tfprov.fetch.addresses import expand, origin_of, variable
from tfprov.fetch.credentials import Login
from tfprov.fetch.relay import Relay, RelayedChannel
from tfprov.fetch.sources import Network
from tfprov.fetch.stand_ins import stand_in, truthful
from tfprov.fetch.veil import Veil, behind_host, names_in
from tfprov.fetch.ways import Ways
from tfprov.host.records import Facts
from tfprov.index_address import local_path
from tfprov.ladder.climb import Policy, Step, TransferError, climb
from tfprov.ladder.rungs import Rung
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.plan.tags import architecture
from tfprov.process import clean_environment
from tfprov.secret import Secret
from tfprov.wants import conda_specs
from tfprov.wants.conda_specs import CondaSpec

_SECONDS = 900.0
"""Time limit of a solve, downloads included. The library has none of its own and can wait for ever."""
_NETWORK = frozenset(
    {"net-timeout", "net-reset", "net-proxy", "net-tls-cert", "net-dns", "net-refused", "conda-http", "net-portal"}
)


def asked_of(context: Context) -> tuple[tuple[CondaSpec, ...], tuple[Channel, ...]]:
    """The conda packages that the profile asks for, and its channels with their credentials."""
    table, folder = context.loaded.profile.conda, context.loaded.folder

    def expanded(text: str) -> str:
        return expand(text, context.request.environ)

    specs = [conda_specs.read(text, where="conda.packages") for text in table.packages]
    return places.of_specs(specs, places.channels(table, folder, expanded), folder, expanded)


def veil_of(context: Context) -> Veil:
    """Replaces values of variables in channel URLs by the names of the variables, and back."""
    return Veil(dict(values_in(context)))


def values_in(context: Context) -> tuple[tuple[str, Secret], ...]:
    """The variables that occur after the host in URLs of channels, mirrors and packages, with their values.

    Variables that are not set are left out.
    """
    table, environ = context.loaded.profile.conda, context.request.environ
    mirrors = (mirror for mirrors in table.mirrors.values() for mirror in mirrors)
    names = names_in(map(behind_host, (*table.channels, *mirrors, *table.packages)))
    return tuple((name, variable(name, environ)) for name in names if name in environ)


def channels_of(context: Context) -> tuple[Channel, ...]:
    """The channels that the profile names, with their credentials."""
    return asked_of(context)[1]


def subdir_of(facts: Facts) -> str:
    """The platform of a machine as conda names it, such as `linux-64` or `osx-arm64`."""
    return places.subdir(facts.system.value, architecture(facts.machine.value))


def solve(context: Context, machine: Machine, question: Solve) -> Solved:
    """Run the solver, with the rungs of the ladder; with cached indexes when no channel can be reached.

    Returns:
        The packages. Their URLs contain `${NAME}` in place of the values of variables, as in locks.

    Raises:
        TfprovError: as for `client.solve`.
    """
    found, veil = _solve(context, machine, question), veil_of(context)
    packages = (
        dataclasses.replace(one, url=veil.template(one.url), channel=veil.template(one.channel))
        for one in found.packages
    )
    return dataclasses.replace(found, packages=tuple(packages))


def _solve(context: Context, machine: Machine, question: Solve) -> Solved:
    cache = context.home.cache / "conda" / "index"
    network = _network(context, machine.network, question.channels)
    veil = Veil(dict(network.variables))
    clean = clean_environment(context.request.environ)
    addresses = client.addresses(question.channels, environ=clean, emit=context.emit)
    remote = {name: stand_in(at, "channel", veil) for name, at in addresses.items() if local_path(at) is None}
    mirrors = [mirror for each in question.channels for mirror in each.mirrors]
    folders = [mirror for mirror in mirrors if local_path(mirror) is not None]

    def act(relay: Relay | None, *, fresh: bool = False, offline: bool = False, folder: int | None = None) -> Solved:
        read_at = dict(remote)
        if folder is not None:
            # The relay serves only remote channels; the library itself reads local folders.
            read_at |= {
                each.name: of_it[folder % len(of_it)]
                for each in question.channels
                if (of_it := [mirror for mirror in each.mirrors if mirror in folders])
            }
        environ = clean_environment(context.request.environ, **network.tool_environment(network.ordered_routes()[0]))
        if relay is not None:
            relay.forget()
            environ |= relay.environment(network.ordered_routes()[0])
        access = ChannelAccess(cache=cache, environ=environ, read_at=read_at, offline=offline, seconds=_SECONDS)
        try:
            if offline:
                return client.solve(question, access, emit=context.emit)
            with indexes.renewed(cache, fresh=fresh) as new:
                return client.solve(question, dataclasses.replace(access, cache=new), emit=context.emit)
        except TfprovError as error:
            raise _explained(error, relay.failure if relay is not None else None) from error

    if machine.network.offline:
        return act(None, offline=True)
    with (
        _relay(context, network, question.channels, addresses, impatient=bool(folders))
        if remote
        else nullcontext() as relay
    ):
        steps = [
            Step(Rung.NORMAL, partial(act, relay)),
            *(Step(Rung.OTHER_SOURCE, partial(act, relay, folder=number)) for number in range(len(folders))),
            Step(Rung.FRESH, partial(act, relay, fresh=True)),
        ]
        policy = Policy(tries=2, first_wait=0.25, deadline=context.deadline)
        try:
            return climb("lock", steps, emit=context.emit, skip=context.skip, policy=policy)
        except TfprovError as error:
            if error.code.name not in (*_NETWORK, "cache-corrupt") or not cache.is_dir():
                raise
            try:
                found = act(None, offline=True)
            except TfprovError:
                raise error from None
            context.emit(Note(text=f"{error.what}: the index read earlier is used, as it was then", level="warning"))
            return found


def _network(context: Context, network: Network, found: Sequence[Channel]) -> Network:
    """The network, with the logins and the values of variables in the URLs of channels."""
    logins = (
        Login(origin=origin_of(each.name), user=each.login[0], password=each.login[1])
        for each in found
        if each.login is not None
    )
    return dataclasses.replace(
        network,
        logins=(*network.logins, *logins),
        variables=(*network.variables, *values_in(context)),
    )


def _relay(
    context: Context, network: Network, found: Sequence[Channel], addresses: Mapping[str, str], *, impatient: bool
) -> Relay:
    """The relay through which the library reads remote channels: tfprov's own client, with its retries and routes."""
    served = []
    for each in found:
        address = addresses[each.name]
        mirrors = tuple(mirror for mirror in each.mirrors if local_path(mirror) is None)
        if local_path(address) is None:
            served.append(
                RelayedChannel(
                    address=address, own=places.with_token(f"{address}/", found).rstrip("/"), mirrors=mirrors
                )
            )
    skip = (*context.skip, *((Rung.PATIENT.value,) if impatient else ()))
    return Relay(Ways(network=network, emit=context.emit, deadline=context.deadline, skip=skip), channels=served)


def _explained(error: TfprovError, failure: TfprovError | None) -> TfprovError:
    """The failure to report: the relay's if the network failed, else the library's with real URLs in its messages.

    Args:
        error: the failure of the library.
        failure: the first failure that the relay saw; None for none.
    """
    if failure is not None and error.code.group in (Group.NETWORK, Group.ARTIFACT):
        refused = isinstance(failure, TransferError) and failure.stubborn
        code = "conda-http" if failure.code.name == "mirror-http-error" and not refused else failure.code.name
        return TransferError(
            code,
            f"a channel cannot be read: {failure.what}",
            transient=False,
            evidence=failure.evidence,
            tried=failure.tried,
            hint=failure.hint,
        )
    error.what = truthful(error.what)
    error.evidence = tuple(map(truthful, error.evidence))
    error.hint = truthful(error.hint) if error.hint else error.hint
    return error
