from __future__ import annotations

import dataclasses

import pytest

import hosts
from hosts import Host
from tfprov.errors import TfprovError
from tfprov.host.records import Disk, Fact, Facts
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.records import Plan
from tfprov.plan.space import notes, shortage, with_room
from tfprov.profile.records import Profile
from told import told

T4 = Host(gpus=(hosts.T4,), driver="550.54.15")


def facts(host: Host, *disks: tuple[str, str, float, int | None], memory: float = 16e9) -> Facts:
    """The facts of a machine with disks: purpose, device, free bytes, free files."""
    found = tuple(
        Disk(purpose=purpose, path=f"/{purpose}", device=device, free_bytes=int(free), free_files=files)
        for purpose, device, free, files in disks
    )
    return dataclasses.replace(
        host.facts,
        disks=Fact(value=found, source="statvfs"),
        memory_bytes=Fact(value=int(memory), source="cgroup"),
    )


def planned(there: Facts, accelerator: str = "auto") -> Plan:
    asked = Profile.model_validate({"name": "test", "tensorflow": {"accelerator": accelerator}})
    return decide(asked, there, table(), None)


@pytest.mark.parametrize(
    ("host", "disks", "is_enough"),
    [
        # 3.44 GB of wheels and 6.49 GB unpacked for CUDA; 0.33 GB and 1.46 GB for the CPU.
        (T4, (("data", "1", 10.1e9, None),), True),
        (T4, (("data", "1", 9.9e9, None),), False),
        (Host(), (("data", "1", 2e9, None),), True),
        (Host(), (("data", "1", 1.8e9, None),), False),
        (Host(), (("data", "1", 1.6e9, None), ("cache", "2", 1.9e9, None)), True),
        (Host(), (("data", "1", 1.6e9, None), ("cache", "2", 1.7e9, None)), False),
        (Host(), (("data", "1", 1.4e9, None), ("cache", "2", 5e9, None)), False),
        (Host(), (("data", "1", 1e6, None), ("cache", "2", 5e9, None), ("target", "3", 5e9, None)), True),
        (Host(), (("data", "1", 9e9, 17_000),), True),
        (Host(), (("data", "1", 9e9, 16_000),), False),
        # Sizes elsewhere are like those on Linux.
        (hosts.WINDOWS, (("data", "1", 1e9, None),), False),
        (hosts.MAC_ARM, (("data", "1", 5e9, None),), True),
        (Host(), (), True),
    ],
)
def test_what_will_be_written_must_have_room(
    host: Host, disks: tuple[tuple[str, str, float, int | None], ...], is_enough: bool
) -> None:
    there = facts(host, *disks)
    error = shortage(planned(there), there, table())
    assert (error is None) is is_enough
    if error is not None:
        assert error.code.name == "disk-full"
        assert error.evidence


def test_where_cuda_has_no_room_the_cpu_is_named_if_it_has() -> None:
    there = facts(T4, ("data", "1", 5e9, None))
    with pytest.raises(TfprovError) as caught:
        with_room(planned(there), there, table(), lambda: planned(there, "cpu"))
    assert caught.value.evidence == (
        "`/data`: 10.01 GB needed for the wheels and the environment, 5.00 GB free (statvfs)",
    )
    assert caught.value.hint.endswith("; for the CPU, 1.87 GB and 16610 files are enough")
    little = facts(T4, ("data", "1", 1e9, None))
    with pytest.raises(TfprovError) as caught:
        with_room(planned(little), little, table(), lambda: planned(little, "cpu"))
    assert "for the CPU" not in caught.value.hint


def test_memory_that_no_import_fits_in_is_refused_and_little_is_noted() -> None:
    disk = ("data", "1", 50e9, None)
    tiny, little, enough = (facts(Host(), disk, memory=size) for size in (128e6, 700e6, 2e9))
    error = shortage(planned(tiny), tiny, table())
    assert error is not None
    assert error.code.name == "oom-killed"
    assert shortage(planned(little), little, table()) is None
    assert len(list(notes(planned(little), little, table()))) == 1
    assert not list(notes(planned(enough), enough, table()))


def test_a_note_says_that_what_is_here_may_make_up_for_it() -> None:
    there = facts(Host(), ("data", "1", 1e9, None))
    assert list(notes(planned(there), there, table())) == [
        "there is not enough disk space for the environment, unless most of it is here already: `/data`: 1.87 GB "
        "needed for the wheels and the environment, 1.00 GB free (statvfs)"
    ]


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (
            facts(Host(), memory=0.1e9),
            (
                *("oom-killed", "TensorFlow cannot be imported in 100 MB of memory"),
                *("memory: 100 MB (cgroup)", "importing TensorFlow takes about 512 MB"),
                "give the machine or the container more memory",
            ),
        ),
        (
            facts(Host(), ("data", "1", 1e9, None)),
            (
                *("disk-full", "there is not enough disk space for the environment"),
                "`/data`: 1.87 GB needed for the wheels and the environment, 1.00 GB free (statvfs)",
                "free some space, or move tfprov's folders with TFPROV_HOME",
            ),
        ),
        (
            facts(Host(), ("data", "1", 9e9, 100)),
            (
                *("disk-full", "the file system does not have enough inodes for the environment"),
                "`/data`: 16610 files needed for the wheels and the environment, 100 can be made (statvfs)",
                "remove files that are not needed, or move tfprov's folders with TFPROV_HOME",
            ),
        ),
    ],
)
def test_a_shortage_is_said_in_figures(there: Facts, words: tuple[str, ...]) -> None:
    found = shortage(planned(there, "cpu"), there, table())
    assert found is not None
    assert told(found) == words
