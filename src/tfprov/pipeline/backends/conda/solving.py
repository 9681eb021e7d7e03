"""The channels of a run, and the solver, over every route and mirror."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tfprov.conda import channels as places
from tfprov.conda import client, indexes
from tfprov.conda.client import ChannelAccess, Solve
from tfprov.conda.records import Channel, Solved
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.fetch.addresses import expand, variable
from tfprov.fetch.routes import Route
from tfprov.fetch.veil import Veil, behind_host, names_in
from tfprov.host.records import Facts
from tfprov.ladder.climb import Policy, Step, climb
from tfprov.ladder.rungs import Rung
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.plan.tags import architecture
from tfprov.process import clean_environment
from tfprov.secret import Secret
from tfprov.wants import conda_specs
from tfprov.wants.conda_specs import CondaSpec

_NETWORK = frozenset(
    {"net-timeout", "net-reset", "net-proxy", "net-tls-cert", "net-dns", "net-refused", "conda-http", "net-portal"}
)


def asked_of(context: Context) -> tuple[tuple[CondaSpec, ...], tuple[Channel, ...]]:
    """The conda packages of the profile, and the channels that it names, credentials included."""
    table, folder = context.loaded.profile.conda, context.loaded.folder

    def expanded(text: str) -> str:
        return expand(text, context.request.environ)

    specs = [conda_specs.read(text, where="conda.packages") for text in table.packages]
    return places.of_specs(specs, places.channels(table, folder, expanded), folder, expanded)


def veil_of(context: Context) -> Veil:
    """What puts the names of variables in place of their values in the addresses of channels, and back."""
    table, environ = context.loaded.profile.conda, context.request.environ
    mirrors = (mirror for mirrors in table.mirrors.values() for mirror in mirrors)
    names = names_in(map(behind_host, (*table.channels, *mirrors, *table.packages)))
    return Veil({name: variable(name, environ) for name in names if name in environ})


def channels_of(context: Context) -> tuple[Channel, ...]:
    """The channels that the profile names, credentials included."""
    return asked_of(context)[1]


def subdir_of(facts: Facts) -> str:
    """What conda calls the platform of the facts."""
    return places.subdir(facts.system.value, architecture(facts.machine.value))


def solve(context: Context, machine: Machine, question: Solve) -> Solved:
    """The answer of the solver, over the ladder; from cached indexes when no channel can be reached.

    In its addresses `${NAME}` stands for the value of a variable, as in locks.
    """
    found, veil = _solve(context, machine, question), veil_of(context)
    packages = (
        dataclasses.replace(one, url=veil.template(one.url), channel=veil.template(one.channel))
        for one in found.packages
    )
    return dataclasses.replace(found, packages=tuple(packages))


def _solve(context: Context, machine: Machine, question: Solve) -> Solved:
    cache = context.home.cache / "conda" / "index"
    first, *others = machine.network.ordered_routes()
    offline = machine.network.offline

    def act(route: Route = first, *, fresh: bool = False, **changes: object) -> Solved:
        access = dataclasses.replace(_access(context, machine, question.channels, route, cache), **changes)  # type: ignore[arg-type]  # fields of ChannelAccess by name
        if offline or access.offline:
            return client.solve(question, dataclasses.replace(access, offline=True), emit=context.emit)
        with indexes.renewed(cache, fresh=fresh) as new:
            return client.solve(question, dataclasses.replace(access, cache=new), emit=context.emit)

    mirrors = max((len(channel.mirrors) for channel in question.channels), default=0)
    steps = [
        Step(Rung.NORMAL, act),
        *(Step(Rung.OTHER_ROUTE, partial(act, route=route)) for route in others),
        *(Step(Rung.OTHER_SOURCE, partial(act, mirror=number)) for number in range(mirrors)),
        # The library doubles its waits: four are half a minute.
        Step(Rung.PATIENT, partial(act, retries=4, seconds=900.0)),
        Step(Rung.FRESH, partial(act, retries=4, seconds=900.0, fresh=True)),
    ]
    policy = Policy(tries=3, first_wait=0.25, deadline=context.deadline)
    try:
        return climb("lock", steps, emit=context.emit, skip=context.skip, policy=policy)
    except TfprovError as error:
        if error.code.name not in (*_NETWORK, "cache-corrupt") or not cache.is_dir():
            raise
        try:
            found = act(offline=True)
        except TfprovError:
            raise error from None
        context.emit(Note(text=f"{error.what}: the index read earlier is used, as it was then", level="warning"))
        return found


def _access(context: Context, machine: Machine, found: tuple[Channel, ...], route: Route, cache: Path) -> ChannelAccess:
    """How the worker reaches the channels on a route."""
    network = machine.network
    # Only after a server refused in this run is the keyring asked, which may open a window.
    refused = any(attempt.code == "mirror-http-error" for attempt in context.attempts)
    logins: dict[str, tuple[Secret, Secret]] = {}
    for channel in found:
        for url in (channel.name, *channel.mirrors):
            host = urlsplit(url).hostname
            login = network.login(url) if host else None
            if host and login is None and channel.token is None and channel.login is None and refused:
                login = network.keyring.ask(url)
            if host and login is not None:
                logins[host] = (login.user, login.password)
    environ = clean_environment(context.request.environ, **network.tool_environment(route))
    return ChannelAccess(cache=cache, environ=environ, credentials=places.credentials(found, logins))
