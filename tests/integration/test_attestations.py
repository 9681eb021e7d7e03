"""Attestations of publishers, from an index on the loopback to the lock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from loopback import Faults, Index, Seen
from sigstores import Sigstore
from site_under_test import OLDER, RELEASE, TAG, Site, only_here, sham_wheel
from tfprov.structured import toml_of
from wheels import build_wheel

pytestmark = only_here

PROVENANCE = (Path(__file__).parents[1] / "unit" / "lock" / "sigstore-3.6.1.tar.gz.provenance").read_bytes()


class AttestingIndex(Index):
    """An index whose pages name a provenance object for some of the files."""

    provenance: dict[str, bytes]

    def entry(self, name: str) -> dict[str, object]:
        named = {"provenance": f"/integrity/{name}"} if name in self.provenance else {}
        return {**super().entry(name), **named}

    def _other(self, state, request: Seen, path: str) -> None:  # type: ignore[no-untyped-def]
        content = self.provenance.get(path.removeprefix("/integrity/"))
        if content is None:
            super()._other(state, request, path)
        else:
            self._send(state, request, 200, content, kind="application/vnd.pypi.integrity.v1+json")


def index_of(*wheels: Path, provenance: Mapping[Path, bytes] = MappingProxyType({})) -> AttestingIndex:
    index = AttestingIndex({wheel.name: wheel for wheel in wheels}, Faults(json=True))
    index.provenance = {wheel.name: content for wheel, content in provenance.items()}
    return index


def lock(site: Site, index: Index, policy: str, *arguments: str) -> tuple[int, str]:
    """Exit status and code of `tfprov lock` under a policy."""
    site.write(f'[tensorflow]\naccelerator = "cpu"\n[index]\nurl = "{index.simple}"\nattestations = "{policy}"\n')
    text = site.profile.read_text(encoding="utf-8")
    site.profile.write_text(text.replace(f'[index]\nurl = "{(site.root / "index").as_uri()}"\n', ""), encoding="utf-8")
    done = site.run("lock", "train.toml", "--json", *arguments)
    document = json.loads(done.stdout)
    return done.returncode, document["error"]["code"] if not document["ok"] else ""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.make(tmp_path)


def test_what_has_none_is_locked_unless_one_is_required(site: Site, tmp_path: Path) -> None:
    with index_of(sham_wheel(tmp_path, RELEASE)) as index:
        assert lock(site, index, "prefer") == (0, "")
        written = site.lock.read_text(encoding="utf-8")
        assert index.sha256(f"{next(iter(index.files))}") in written.partition("[tool.tfprov]")[2]
        assert lock(site, index, "require") == (13, "attestation-missing")
        assert site.lock.read_text(encoding="utf-8") == written
        assert lock(site, index, "off") == (0, "")


@pytest.mark.parametrize("policy", ["prefer", "require"])
def test_the_attestation_of_another_file_is_refused(site: Site, tmp_path: Path, policy: str) -> None:
    wheel = sham_wheel(tmp_path, RELEASE)
    with index_of(wheel, provenance={wheel: PROVENANCE}) as index:
        assert lock(site, index, policy) == (13, "attestation-invalid")
        assert not site.lock.exists()
        assert lock(site, index, "off") == (0, "")
        assert len([seen for seen in index.seen if "integrity" in seen.path]) == 1


def test_who_signed_it_stands_in_the_lock_and_may_not_be_somebody_else_later(site: Site, tmp_path: Path) -> None:
    sigstore = Sigstore()
    sigstore.trust(site.root / ".cache")
    older, newer = (sham_wheel(tmp_path / version, version) for version in (OLDER, RELEASE))
    owners = {older: sigstore.provenance(older, "owner/project")}
    with index_of(older, provenance=owners) as index:
        assert lock(site, index, "require") == (0, "")
        written = site.lock.read_bytes()
        (package,) = toml_of(written.decode())["packages"]
        owner = {"kind": "GitHub", "repository": "owner/project", "workflow": "release.yml"}
        assert package["attestation-identities"] == [owner]
        site.up()
        site.up("--locked")
    with index_of(older, newer, provenance={**owners, newer: sigstore.provenance(newer, "thief/project")}) as index:
        assert lock(site, index, "prefer", "--upgrade") == (13, "publisher-changed")
        assert site.lock.read_bytes() == written
    with index_of(older, newer, provenance={**owners, newer: sigstore.provenance(newer, "owner/project")}) as index:
        assert lock(site, index, "prefer", "--upgrade") == (0, "")
        assert "2.21.0" in site.lock.read_text(encoding="utf-8")


def test_what_nobody_could_be_asked_about_is_asked_about_later(site: Site, tmp_path: Path) -> None:
    sigstore = Sigstore()
    sigstore.trust(site.root / ".cache")
    older, newer = (sham_wheel(tmp_path / version, version) for version in (OLDER, RELEASE))
    owners = {older: sigstore.provenance(older, "owner/project"), newer: sigstore.provenance(newer, "thief/project")}
    with index_of(older, newer, provenance=owners) as index:
        assert lock(site, index, "off") == (0, "")  # its pages are read now
        assert lock(site, index, "prefer", "--set", f"tensorflow.version==={OLDER}", "--upgrade") == (0, "")
        assert lock(site, index, "prefer", "--upgrade", "--offline") == (0, "")
        written = toml_of(site.lock.read_text(encoding="utf-8"))
        assert [package["version"] for package in written["packages"]] == [RELEASE]
        assert written["packages"][0]["attestation-identities"][0]["repository"] == "owner/project"
        assert written["tool"]["tfprov"]["attested"] == []
        done = site.run("up", "train.toml", "--locked")
        assert "error[publisher-changed]" in done.stderr


def test_a_signature_that_another_sigstore_vouches_for_does_not_hold(site: Site, tmp_path: Path) -> None:
    wheel = sham_wheel(tmp_path, RELEASE)
    with index_of(wheel, provenance={wheel: Sigstore().provenance(wheel, "owner/project")}) as index:
        assert lock(site, index, "prefer") == (13, "attestation-invalid")


def test_a_lock_of_another_platform_is_asked_about_with_the_publishers_that_it_names(
    site: Site, tmp_path: Path
) -> None:
    sigstore = Sigstore()
    sigstore.trust(site.root / ".cache")
    wheel = sham_wheel(tmp_path, RELEASE)
    with index_of(wheel, provenance={wheel: sigstore.provenance(wheel, "owner/project")}) as index:
        assert lock(site, index, "prefer") == (0, "")
        text = site.lock.read_text(encoding="utf-8")
        # As if it had been made where another wheel is taken.
        seen = text.replace(f'attested = ["{index.sha256(wheel.name)}"]', "attested = []")
        assert seen != text
        site.lock.write_text(seen, encoding="utf-8")
        site.up("--locked")
        site.run("remove", "train.toml", "--yes")
        site.lock.write_text(seen.replace("owner/project", "somebody/else"), encoding="utf-8")
        done = site.run("up", "train.toml", "--locked")
        assert "error[publisher-changed]" in done.stderr


@pytest.mark.parametrize("policy", ["prefer", "require"])
def test_a_bundle_has_no_file_for_another_platform_that_was_not_asked_about(
    site: Site, tmp_path: Path, policy: str
) -> None:
    sigstore = Sigstore()
    sigstore.trust(site.root / ".cache")
    windows = f"{TAG.partition('-')[0]}-{TAG.partition('-')[0]}-win_amd64"
    here = sham_wheel(tmp_path, RELEASE)
    intel = build_wheel(tmp_path, "tensorflow-intel", RELEASE, tag=windows)
    stub = build_wheel(tmp_path, "tensorflow", RELEASE, tag=windows, requires=[f"tensorflow-intel=={RELEASE}"])
    signed = {each: sigstore.provenance(each, "owner/project") for each in (here, stub)}
    with index_of(here, stub, intel, provenance=signed) as index:
        assert lock(site, index, policy) == (0, "")
        done = site.run("bundle", "train.toml", "-o", "both", "--platform", "windows-amd64")
        assert [seen.path for seen in index.seen if stub.name in seen.path and "integrity" in seen.path]
        if policy == "prefer":
            assert done.returncode == 0, done.stderr
            return
        assert "error[attestation-missing]: 1 of 2 files" in done.stderr
        assert intel.name in done.stderr
        assert not (site.root / "both").exists()


def test_a_release_that_nobody_signs_does_not_follow_one_that_was_signed(site: Site, tmp_path: Path) -> None:
    older, newer = (sham_wheel(tmp_path / version, version) for version in (OLDER, RELEASE))
    with index_of(older) as index:
        assert lock(site, index, "prefer") == (0, "")
    owner = '\nattestation-identities = [{ kind = "GitHub", repository = "a/b", workflow = "release.yml" }]'
    name = 'name = "tensorflow-cpu"'
    locked = site.lock.read_text(encoding="utf-8").replace(name, name + owner)
    site.lock.write_text(locked, encoding="utf-8")
    with index_of(older, newer) as index:
        assert lock(site, index, "prefer", "--upgrade") == (13, "publisher-changed")
        assert site.lock.read_text(encoding="utf-8") == locked
        site.lock.write_text(locked.replace(owner, ""), encoding="utf-8")
        assert lock(site, index, "prefer", "--upgrade") == (0, "")


def test_conda_environments_have_no_attestations(site: Site) -> None:
    site.write('[environment]\nkind = "conda"\n')
    done = site.run("lock", "train.toml", "--set", "index.attestations=prefer")
    assert done.returncode == 2
    assert '`index.attestations` needs `environment.kind = "venv"`' in done.stderr
