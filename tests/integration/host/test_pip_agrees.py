"""Our reading of pip's configuration against pip itself."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

from tfprov import process
from tfprov.host.network import network

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="this environment has no pip to compare with"),
    pytest.mark.skipif(os.name != "posix", reason="the folders of this test are those of Linux"),
]

LEGACY = "[global]\nindex-url = file://{0}/legacy\nextra-index-url = file://{0}/legacy-extra\n"
USER = "[global]\nindex_url = file://{0}/user\n[install]\nfind-links = {0}/links {0}/more\n[download]\nno-index = yes\n"
NAMED = "[install]\nextra-index-url =\n    file://{0}/one\n    file://{0}/two\n"


@pytest.mark.parametrize(
    ("files", "variables"),
    [
        ({".pip/pip.conf": LEGACY}, {}),
        ({".pip/pip.conf": LEGACY, ".config/pip/pip.conf": USER}, {}),
        (
            {".pip/pip.conf": LEGACY, ".config/pip/pip.conf": USER, "named": NAMED},
            {"PIP_CONFIG_FILE": "{0}/named", "PIP_INDEX_URL": "file://{0}/variable"},
        ),
        ({".config/pip/pip.conf": USER}, {"PIP_CONFIG_FILE": "{0}/gone"}),
        ({".config/pip/pip.conf": USER}, {"PIP_INDEX_URL": "file://{0}/variable", "PIP_FIND_LINKS": "{0}/links"}),
        ({".config/pip/pip.conf": USER}, {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "file://{0}/variable"}),
    ],
)
def test_pip_looks_where_we_say_that_it_does(files: dict[str, str], variables: dict[str, str], tmp_path: Path) -> None:
    for folder in ("legacy", "legacy-extra", "user", "one", "two", "variable", "links", "more"):
        (tmp_path / folder).mkdir()
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.format(tmp_path), encoding="utf-8")
    environ = {"HOME": str(tmp_path), **{name: value.format(tmp_path) for name, value in variables.items()}}

    ours = network(environ, system="linux").index.value
    argv = (sys.executable, "-m", "pip", "install", "--no-deps", "--dry-run", "--no-cache-dir", "no-such-project")
    ended = process.run(argv, env={**environ, "PATH": os.defpath}, timeout=120)

    said = ended.stdout.splitlines()
    indexes = [line.partition(": ")[2] for line in said if line.startswith("Looking in indexes")]
    links = [line.partition(": ")[2] for line in said if line.startswith("Looking in links")]
    assert indexes, ended.stderr
    told = [ours.url, *ours.extra]
    assert re.split(r", ", indexes[0]) == told
    assert (links[0].split(", ") if links else []) == list(ours.find_links)
