"""Facts as a document: written and read back, with its mistakes named and its secrets taken out."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from tfprov.errors import TfprovError
from tfprov.host.facts import dump, load
from tfprov.host.records import (
    Disk,
    Driver,
    Fact,
    Facts,
    Gpu,
    Hazard,
    IndexConfig,
    Interpreter,
    Libc,
    MigSlice,
    Problem,
    Proxies,
)

FACTS = Facts(
    system=Fact(value="linux", source="sys.platform"),
    machine=Fact(value="x86_64", source="uname"),
    os_version=Fact(value="debian 12", source="/etc/os-release"),
    libc=Fact(value=Libc(kind="glibc", version="2.36"), source="confstr"),
    cpu_flags=Fact(value=("avx", "avx2"), source="/proc/cpuinfo"),
    emulation=Fact(value=None, source="/proc/cpuinfo"),
    cores=Fact(value=8, source="sched_getaffinity"),
    memory_bytes=Fact(value=64 << 30, source="/proc/meminfo"),
    disks=Fact(value=(Disk(purpose="data", path="/home", device="1", free_bytes=1 << 40),), source="statvfs"),
    gpus=Fact(
        value=(
            Gpu(
                index=0,
                name="NVIDIA H100",
                uuid="GPU-1",
                compute_capability="9.0",
                mig=True,
                health=("a fault",),
                slices=(MigSlice(uuid="MIG-1", name="1g.10gb", memory_total=10 << 30),),
            ),
        ),
        source="NVML",
    ),
    driver=Fact(value=Driver(version="550.144.03", cuda="12.4"), source="NVML"),
    gpu_problem=Fact(value=Problem(code="gpu-unhealthy", why="a fault"), source="NVML"),
    container=Fact(value="docker", source="/.dockerenv"),
    wsl=Fact(value=False, source="osrelease"),
    ci=Fact(value=None, source="none"),
    visible_devices=Fact(value={"CUDA_VISIBLE_DEVICES": "0"}, source="CUDA_VISIBLE_DEVICES"),
    library_path=Fact(value=("/opt/cuda",), source="LD_LIBRARY_PATH"),
    conda=Fact(value=(), source="PATH"),
    interpreters=Fact(
        value=(
            Interpreter(path="/usr/bin/python3.12", version="3.12.1", libc=Libc(kind="glibc", version="2.36")),
            Interpreter(
                path="/ü/漢", version="", problem=Problem(code="python-broken", why="it ended with status 127")
            ),
        ),
        source="each interpreter itself",
    ),
    index=Fact(
        value=IndexConfig(
            url="https://me:secret@host.example/simple",
            extra=("https://token@other.example/simple",),
            find_links=("/wheels", "https://a:secret@links.example/"),
            merged=True,
        ),
        source="pip.conf",
    ),
    proxies=Fact(
        value=Proxies(http="http://me:secret@proxy.example:1", https="http://proxy.example:2", no_proxy="localhost"),
        source="HTTP_PROXY",
    ),
    certificates=Fact(value="/etc/ssl/ca.pem", source="SSL_CERT_FILE"),
    hazards=Fact(
        value=(Hazard(code="path-leak", name="PYTHONPATH", value="https://me:secret@x.example/", why="it leaks"),),
        source="variables",
    ),
)


def without_secrets() -> Facts:
    """What can come back: everything but the passwords."""
    return replace(
        FACTS,
        index=replace(
            FACTS.index,
            value=IndexConfig(
                url="https://****@host.example/simple",
                extra=("https://****@other.example/simple",),
                find_links=("/wheels", "https://****@links.example/"),
                merged=True,
            ),
        ),
        proxies=replace(FACTS.proxies, value=replace(FACTS.proxies.value, http="http://****@proxy.example:1")),
        hazards=replace(FACTS.hazards, value=(replace(FACTS.hazards.value[0], value="https://****@x.example/"),)),
    )


def test_what_is_written_is_read_back() -> None:
    assert load(dump(FACTS)) == without_secrets()


def test_no_secret_is_written() -> None:
    text = dump(FACTS)

    assert "secret" not in text
    assert "token" not in text


def test_every_fact_has_a_value_and_a_source() -> None:
    document = json.loads(dump(FACTS))

    assert document.keys() == {field.name for field in fields(Facts)}
    assert all(fact.keys() == {"value", "source"} for fact in document.values())


def edited(**changes: object) -> str:
    document = json.loads(dump(FACTS))
    for name, value in changes.items():
        if value is None:
            del document[name]
        else:
            document[name] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (edited(cores=None), "`cores`: is missing"),
        (edited(kores={"value": 1, "source": ""}), "`kores`: is not a key of the facts; did you mean `cores`?"),
        (edited(cores={"value": 1, "source": "", "unit": "x"}), "`cores.unit`: is not a key of the facts"),
        (edited(cores={"value": 1}), "`cores.source`: is missing"),
        (edited(cores={"value": "8", "source": ""}), '`cores.value` must be a whole number, not `"8"`'),
        (
            edited(system={"value": "Windows 11", "source": ""}),
            '`system.value` must be `linux`, `macos` or `windows`, not `"Windows 11"`',
        ),
        (edited(system="linux"), '`system` must be an object with `value`, `source`, not `"linux"`'),
        (
            edited(memory_bytes={"value": "16 GB", "source": ""}),
            '`memory_bytes.value` must be a whole number of bytes, not `"16 GB"`',
        ),
        (edited(memory_bytes={"value": 16, "source": ""}), "`memory_bytes.value` is 16; it must be in bytes"),
        (edited(gpus={"value": None, "source": ""}), "`gpus.value` must be a list, between `[` and `]`, not `null`"),
        (edited(driver={"version": "550.54.15"}), "`driver.version`: is not a key of the facts"),
        (
            edited(gpus={"value": {"index": 0}, "source": ""}),
            '`gpus.value` must be a list, between `[` and `]`, not `{"index": 0}`',
        ),
        (
            edited(gpus={"value": ["Tesla T4"], "source": ""}),
            '`gpus.value.0` must be an object with `index`, `name`, not `"Tesla T4"`',
        ),
        (edited(libc={"value": "2.17", "source": ""}), 'an object with `kind`, `version`, not `"2.17"`'),
        (edited(os_version={"value": 22.04, "source": ""}), "`os_version.value` must be text in quotes, not `22.04`"),
        (edited(wsl={"value": "no", "source": ""}), '`wsl.value` must be `true` or `false`, not `"no"`'),
        (edited(os={"value": "linux", "source": ""}), "`os`: is not a key of the facts; did you mean `system`?"),
        (edited(memory_gb={"value": 16}), "`memory_gb`: is not a key of the facts; did you mean `memory_bytes`?"),
        (
            edited(index={"value": {"url": ["https://me:secret@host.example"]}, "source": ""}),
            '`index.value.url` must be text in quotes, not `["https://****@host.example"]`',
        ),
        (edited(gpus={"value": [{"index": 0}], "source": ""}), "`gpus.value.0.name`: is missing"),
        (
            edited(libc={"value": {"kind": "glibc", "version": "2", "x": 1}, "source": ""}),
            "`libc.value.x`: is not a key of the facts",
        ),
        (
            edited(gpus={"value": [{"index": 0, "name": "T4", "compute_capability": "sm_75"}], "source": ""}),
            '`gpus.value.0.compute_capability` must be a number such as `7.5`, not `"sm_75"`',
        ),
        (
            edited(gpus={"value": [{"index": 0, "name": "T4", "compute_capability": "75"}], "source": ""}),
            '`gpus.value.0.compute_capability` must be a number such as `7.5`, not `"75"`',
        ),
        (
            edited(driver={"value": {"version": "latest"}, "source": ""}),
            '`driver.value.version` must be a version such as `12.4`, not `"latest"`',
        ),
        (
            edited(driver={"value": {"version": "550.54", "cuda": "cu124"}, "source": ""}),
            '`driver.value.cuda` must be a version such as `12.4`, not `"cu124"`',
        ),
        (
            edited(libc={"value": {"kind": "glibc", "version": "new"}, "source": ""}),
            '`libc.value.version` must be a version such as `12.4`, not `"new"`',
        ),
        (
            edited(interpreters={"value": [{"path": "/opt/python", "version": "python3.12"}], "source": ""}),
            '`interpreters.value.0.version` must be a version such as `12.4`, not `"python3.12"`',
        ),
        ("", "it is not valid JSON"),
        ("[]", "the document must be an object, not `[]`"),
        ("{", "it is not valid JSON"),
        ("[" * 100_000, "it is not valid JSON"),
    ],
)
def test_a_mistake_is_named_with_its_key(text: str, said: str) -> None:
    with pytest.raises(TfprovError) as caught:
        load(text)

    assert caught.value.code.name == "usage"
    assert any(said in line for line in caught.value.evidence), caught.value.evidence


def test_a_name_that_is_no_text_is_written_and_read() -> None:
    odd = Interpreter(path="/caf\udce9/python", version="3.12.1")

    text = dump(replace(FACTS, interpreters=Fact(value=(odd,), source="PATH")))

    assert text.encode()
    assert json.loads(text)["interpreters"]["value"][0]["path"] == "/caf\udce9/python"
    assert load(text).interpreters.value[0].path == "/caf?/python"


def enveloped(**changes: object) -> str:
    """What `tfprov facts --json` prints."""
    head = {"schema": 1, "command": "facts", "ok": True, "error": None, **changes}
    return json.dumps({**head, **json.loads(dump(FACTS))})


def test_the_document_of_the_command_is_read() -> None:
    assert load(enveloped()) == without_secrets()


@pytest.mark.parametrize("changes", [{"schema": 2}, {"command": "plan"}, {"ok": False, "error": {"code": "internal"}}])
def test_the_document_of_another_command_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(TfprovError) as caught:
        load(enveloped(**changes))

    (said,) = caught.value.evidence
    assert said.startswith("it is another document: ")
    assert f"`{next(iter(changes))}` is {json.dumps(next(iter(changes.values())))}" in said


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(TfprovError) as caught:
        load(edited(cores=None, machine=None, bogus=1))

    assert sorted(caught.value.evidence) == [
        "`bogus`: is not a key of the facts",
        "`cores`: is missing",
        "`machine`: is missing",
    ]


def test_a_document_without_the_optional_keys_is_read() -> None:
    gpu = {"index": 0, "name": "NVIDIA T4"}

    found = load(edited(gpus={"value": [gpu], "source": "by hand"}))

    assert found.gpus.value == (Gpu(index=0, name="NVIDIA T4"),)


@pytest.mark.parametrize(("value", "visible"), [("-1", [False, False]), ("", [False, False]), ("1", [False, True])])
def test_what_an_edited_variable_hides_is_hidden(value: str, visible: list[bool]) -> None:
    gpus = [{"index": index, "name": "NVIDIA T4", "uuid": f"GPU-{index}"} for index in range(2)]
    amd = {"index": 0, "name": "AMD Instinct MI300X", "vendor": "amd"}

    found = load(
        edited(
            gpus={"value": [amd, *gpus], "source": "by hand"},
            visible_devices={"value": {"CUDA_VISIBLE_DEVICES": value}, "source": "by hand"},
        )
    )

    assert [gpu.visible for gpu in found.gpus.value] == [True, *visible]


def test_what_a_container_hides_stays_hidden_whatever_the_variable_says() -> None:
    gpu = {"index": 0, "name": "NVIDIA T4", "visible": False}

    found = load(
        edited(
            gpus={"value": [gpu], "source": "by hand"},
            visible_devices={"value": {"CUDA_VISIBLE_DEVICES": "0"}, "source": "by hand"},
        )
    )

    assert not found.gpus.value[0].visible


@pytest.mark.parametrize(
    ("system", "written", "version"),
    [
        ("macos", "macOS 14.5", "14.5"),
        ("macos", "14.5", "14.5"),
        ("windows", "Windows 10.0.19045", "10.0.19045"),
        ("linux", "debian 12", "debian 12"),
    ],
)
def test_the_name_before_the_version_of_a_system_is_dropped_where_its_number_counts(
    system: str, written: str, version: str
) -> None:
    changes = {"system": system, "os_version": written}

    found = load(edited(**{name: {"value": value, "source": "by hand"} for name, value in changes.items()}))

    assert found.os_version.value == version
