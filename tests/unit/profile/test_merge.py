from __future__ import annotations

from pathlib import Path

import pytest

from profiles import report, write
from tfprov.errors import TfprovError
from tfprov.profile.load import load
from tfprov.profile.records import Loaded


class TestWants:
    """What the files of a profile say about other things than requirements."""

    def loaded(self, folder: Path, text: str, **contents: str) -> Loaded:
        for name, content in contents.items():
            (folder / f"{name}.txt").write_text(content)
        return load(write(folder, f'name = "x"\npackages.files = ["r.txt"]\n{text}'))

    def test_an_index_is_that_of_the_profile_unless_it_has_none(self, tmp_path: Path) -> None:
        lines = "-i https://one/simple\n--extra-index-url https://two/simple\n-f wheels\n"
        index = self.loaded(tmp_path, "", r=lines).profile.index
        assert (index.url, index.extra, index.strategy) == ("https://one/simple", ("https://two/simple",), "best")
        assert index.find_links == (str(tmp_path / "wheels"),)
        index = self.loaded(tmp_path, 'index.url = "https://own/simple"\n', r="-i https://one/simple\n").profile.index
        assert (index.url, index.extra, index.strategy) == ("https://own/simple", (), "first")

    def test_ranges_of_python_hold_together(self, tmp_path: Path) -> None:
        (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.10"\ndependencies = ["six"]\n')
        path = write(tmp_path, 'name = "x"\npackages.files = ["pyproject.toml"]\npython.version = "<3.13"\n')
        assert load(path).profile.python.version == "<3.13,>=3.10"
        path.write_text(path.read_text().replace("<3.13", "<3.9"))
        assert report(path)[1:2] == [
            "no Python is in all of the ranges that are asked for: `<3.9` (python.version), `>=3.10` (pyproject.toml: "
            "project.requires-python)"
        ]

    def test_hashes_overrides_and_exclusions_are_gathered(self, tmp_path: Path) -> None:
        digest = "a" * 64
        loaded = self.loaded(
            tmp_path, 'packages.overrides = ["a>=2"]\npackages.exclude = ["b"]\n', r=f"Six==1 --hash=sha256:{digest}\n"
        )
        assert loaded.hashes == {"six": (digest,)}
        assert (loaded.profile.packages.overrides, loaded.profile.packages.exclude) == (("a>=2",), ("b",))

    @pytest.mark.parametrize(
        ("lines", "own", "expected"),
        [
            ("six\n", "", ((), (), "needed", "named")),
            ("six\n--pre\n", "", ((), (), "needed", "all")),
            ("six\n--pre\n", 'packages.prereleases = "named"\n', ((), (), "needed", "named")),
            ("--no-binary Six,a\n--only-binary b\n", "", (("six", "a"), ("b",), "needed", "named")),
            ("--only-binary :all:\n--no-binary a\n", "", (("a",), (), "never", "named")),
            ("--only-binary :all:\n", 'packages.build = "needed"\n', ((), (), "needed", "named")),
            # What the profile says of a project counts.
            ("--only-binary a\n", 'packages.no-binary = ["A"]\n', (("A",), (), "needed", "named")),
            ("--no-binary a,b\n", 'packages.only-binary = ["a"]\n', (("b",), ("a",), "needed", "named")),
        ],
    )
    def test_wheels_sources_and_pre_releases_are_chosen_as_the_files_say(
        self, tmp_path: Path, lines: str, own: str, expected: tuple[object, ...]
    ) -> None:
        packages = self.loaded(tmp_path, own, r=lines).profile.packages
        assert (packages.no_binary, packages.only_binary, packages.build, packages.prereleases) == expected

    def test_a_choice_of_a_file_is_part_of_the_digest_and_no_choice_is_not(self, tmp_path: Path) -> None:
        plain, *others = (
            self.loaded(tmp_path, "", r=lines).digest
            for lines in ("six\n", "six\n--pre\n", "six\n--no-binary six\n", "six\n--only-binary six\n")
        )
        assert len({plain, *others}) == 4

    def test_packages_of_conda_go_where_the_environment_has_them(self, tmp_path: Path) -> None:
        text = "channels: [bioconda]\ndependencies: [python=3.11, numpy=1.26, tensorflow=2.15]\n"
        loaded = self.loaded(tmp_path, 'environment.kind = "conda"\n', r=text)
        assert loaded.profile.conda.packages == ("numpy=1.26",)
        assert loaded.profile.conda.channels == ("bioconda",)
        assert (loaded.requirements, loaded.profile.python.version) == (("tensorflow==2.15.*",), "==3.11.*")
        assert self.loaded(tmp_path, "", r=text).requirements == ("numpy==1.26.*", "tensorflow==2.15.*")

    def test_mistakes_in_a_file_alone_get_no_hint_at_the_schema(self, tmp_path: Path) -> None:
        with pytest.raises(TfprovError) as failure:
            self.loaded(tmp_path, "", r="sklearn\n")
        assert failure.value.what.startswith("what is read by `")
        assert failure.value.code.name == "package-name-wrong"
        with pytest.raises(TfprovError) as failure:
            self.loaded(tmp_path, "", r="sklearn\n-e .\n")
        assert failure.value.code.name == "profile-invalid"
        assert failure.value.hint == "correct what is named above"
