from __future__ import annotations

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from profiles import digest, report, write
from tfprov.errors import TfprovError
from tfprov.profile import values
from tfprov.profile.load import load
from tfprov.profile.records import Loaded, Profile
from tfprov.wants.records import System

TABLES = ", ".join(Profile.model_fields)
SCHEMA_HINT = "hint: `tfprov schema` prints the JSON Schema of profiles, for editors"


def test_every_mistake_is_in_one_report_with_its_line_and_what_would_be_right(tmp_path: Path) -> None:
    (tmp_path / "req.txt").write_text("ok\nb ??\n")
    path = write(
        tmp_path,
        """\
nam = "x"
colour = 1
[python]
version = "3.12"
path = "no/python"
instal = true
[tensorflow]
version = "latest"
accelerator = "gpu"
allow_fallback = true
[packages]
requirements = ["ok>=1", "not ok!", 3, "x @ https://me:pw@host/x.whl"]
files = ["missing.txt", "req.txt"]
constraints = ["x[y]<1"]
[index]
url = "ftp://x"
mirrors = ["https://u:pw@host"]
find-links = ["https://u:pw@host"]
exclude-newer = 2026-01-01
[network]
proxies = ["nowhere"]
idle-timeout = "soon"
connections = 0
deadline = inf
[strategies]
skip = ["paitent"]
[smoke]
timeout = true
require-gpus = "1"
level = "standart"
scripts = "x.py"
[environment]
keep = 3.5
path = 1
kind = "virtualenv"
[pyton]
version = "x"
[conda]
keep = 2
channels = "conda-forge"
""",
    )
    assert report(path) == [
        "profile-invalid: `DIR/train.toml` has 35 mistakes",
        "train.toml: `name` is required",
        "train.toml:1: unknown key `nam`; did you mean `name`?",
        "train.toml:2: unknown key `colour`; known here: " + TABLES,
        "train.toml:4: `python.version`: `3.12` has no operator: write `==3.12.*`",
        f"train.toml:5: `python.path`: there is no `no/python` (DIR/no{os.sep}python)",
        "train.toml:6: unknown key `python.instal`; did you mean `python.install`?",
        "train.toml:8: `tensorflow.version`: `latest` is not a PEP 440 version range such as `>=2.16,<3`",
        "train.toml:9: `tensorflow.accelerator` must be `auto`, `cpu`, `cuda`, `metal` or `rocm`, "
        'not `"gpu"`; did you mean `cuda`?',
        "train.toml:10: unknown key `tensorflow.allow_fallback`; did you mean `tensorflow.allow-fallback`?",
        "train.toml:12: `packages.requirements[1]`: `not ok!` is not a PEP 508 requirement: "
        "Expected semicolon (after name with no version specifier) or end",
        "train.toml:12: `packages.requirements[2]` must be text in quotes, not `3`",
        "train.toml:12: `packages.requirements[3]`: a password stands in the URL: put it in a variable and write "
        "`${NAME}`, or use netrc",
        "train.toml:13: `packages.files`: there is no `missing.txt` (DIR/missing.txt)",
        "train.toml:14: `packages.constraints`: `x[y]<1`: a constraint cannot ask for extras; "
        "put it under `requirements`",
        "train.toml:16: `index.url`: `ftp://x` is not an address: it must begin with https://, http:// or file://",
        "train.toml:17: `index.mirrors[0]`: a password stands in the URL: put it in a variable and write "
        "`${NAME}`, or use netrc",
        "train.toml:18: `index.find-links[0]`: a password stands in the URL: put it in a variable and write "
        "`${NAME}`, or use netrc",
        "train.toml:19: `index.exclude-newer` must be text in quotes, not `2026-01-01`",
        "train.toml:21: `network.proxies[0]`: `nowhere` is neither `environment`, `system`, `direct` nor a proxy "
        "address such as http://host:port",
        "train.toml:22: `network.idle-timeout`: `soon` is not a duration such as `90s`, `15m` or `2h`",
        "train.toml:23: `network.connections`: input should be greater than or equal to 1, not `0`",
        "train.toml:24: `network.deadline`: input should be a finite number, not `inf`",
        "train.toml:26: `strategies.skip[0]` must be `patient`, `other-route`, `other-source`, `fresh`, "
        '`other-installer`, `other-release` or `repair`, not `"paitent"`; did you mean `patient`?',
        'train.toml:28: `smoke.timeout` must be a number of seconds, or text such as `"90s"` or `"2h"`, not `true`',
        'train.toml:29: `smoke.require-gpus` must be a whole number, not `"1"`',
        'train.toml:30: `smoke.level` must be `quick`, `standard` or `deep`, not `"standart"`; '
        "did you mean `standard`?",
        'train.toml:31: `smoke.scripts` must be a list such as `["…"]`, not `"x.py"`',
        "train.toml:31: `smoke.scripts`: there is no `x.py` (DIR/x.py)",
        "train.toml:33: `environment.keep` must be a whole number, not `3.5`",
        "train.toml:34: `environment.path` must be text in quotes, not `1`",
        'train.toml:35: `environment.kind` must be `venv` or `conda`, not `"virtualenv"`; did you mean `venv`?',
        "train.toml:36: unknown key `pyton`; did you mean `python`?",
        "train.toml:39: unknown key `conda.keep`; `keep` belongs in `[environment]`",
        'train.toml:40: `conda.channels` must be a list such as `["…"]`, not `"conda-forge"`',
        "req.txt:2: `b ??` is not a requirement: Expected semicolon (after name with no version specifier) or end",
        SCHEMA_HINT,
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'name = "a b"',
            "1: `name`: `a b` cannot name an environment: use at most 64 letters, digits, `.`, `_` and `-`",
        ),
        (
            f'name = "{"x" * 65}"',
            f"1: `name`: `{'x' * 65}` cannot name an environment: use at most 64 letters, digits, `.`, `_` and `-`",
        ),
        ("name = 2026", "1: `name` must be text in quotes, not `2026`"),
        ('name = "x"\ntensorflow = "2.16"', '2: `tensorflow` must be a table, not `"2.16"`'),
        ('name = "x"\n[tensorflow]\nversion = 2.16', "3: `tensorflow.version` must be text in quotes, not `2.16`"),
        (
            'name = "x"\n[tensorflow]\nversion = "2.16rc1"',
            "3: `tensorflow.version`: `2.16rc1` has no operator: write `==2.16rc1`",
        ),
        (
            'name = "x"\n[tensorflow]\nversion = "2.16.1"',
            "3: `tensorflow.version`: `2.16.1` has no operator: write `==2.16.1`",
        ),
        (
            'name = "x"\n[tensorflow]\nversion = "2.16.*"',
            "3: `tensorflow.version`: `2.16.*` has no operator: write `==2.16.*`",
        ),
        (
            'name = "x"\n[tensorflow]\nversion = ">2.16,<2.10"',
            "3: `tensorflow.version`: no version can be in `>2.16,<2.10`",
        ),
        (
            'name = "x"\n[index]\nexclude-newer = "2026-02-31"',
            "3: `index.exclude-newer`: `2026-02-31` is not a date such as `2026-01-31` or `2026-01-31T12:00:00Z`",
        ),
        (
            'name = "x"\n[index]\nexclude-newer = "yesterday"',
            "3: `index.exclude-newer`: `yesterday` is not a date such as `2026-01-31` or `2026-01-31T12:00:00Z`",
        ),
        (
            'name = "x"\n[smoke]\ntimeout = 1e300',
            "3: `smoke.timeout`: 1e+300 seconds are more than a week, the longest time that can be waited for",
        ),
        (
            'name = "x"\n[network]\ndeadline = "400d"',
            "3: `network.deadline`: 3.456e+07 seconds are more than a week, the longest time that can be waited for",
        ),
        (
            'name = "x"\n[smoke]\ntimeout = 1e-9',
            "3: `smoke.timeout`: 1e-09 seconds are less than a millisecond, the shortest time that can be waited for",
        ),
        ('name = "x"\n[smoke]\ntimeout = "0s"', '3: `smoke.timeout`: input should be greater than 0, not `"0s"`'),
        (
            'name = "x"\n[environment]\nkeep = 101',
            "3: `environment.keep`: input should be less than or equal to 100, not `101`",
        ),
        (
            'name = "x"\n[smoke]\nrequire-gpus = 1\n[tensorflow]\naccelerator = "cpu"',
            "3: `smoke.require-gpus` is 1, but `tensorflow.accelerator` is `cpu`",
        ),
        (
            'name = "x"\n[smoke]\ngpu = "later"\n[tensorflow]\naccelerator = "cpu"',
            "3: `smoke.gpu` is `later`, but `tensorflow.accelerator` is `cpu`: there is nothing to prove later",
        ),
        (
            'name = "x"\n[smoke]\ngpu = "later"\nrequire-gpus = 2',
            '3: `smoke.gpu = "later"` proves no GPU, but `smoke.require-gpus` is 2: set it to 0',
        ),
        ('name = "x"\n[conda]\npackages = ["r"]', '3: `conda.packages` needs `environment.kind = "conda"`'),
        ('name = "x"\n[packages]\nfiles = ["."]', "3: `packages.files`: `.` cannot be read: Is a directory"),
        ('name = "x"\n[network]\nca-bundle = "ca.pem"', "3: `network.ca-bundle`: there is no `ca.pem` (DIR/ca.pem)"),
        ('name = "x"\n[index]\nfind-links = ["wheels"]', "3: `index.find-links`: there is no `wheels` (DIR/wheels)"),
        pytest.param(
            'name = "x"\n[python]\npath = "~no-such-user/python"',
            "3: `python.path`: there is no `~no-such-user/python` (DIR/~no-such-user/python)",
            marks=pytest.mark.skipif(os.name == "nt", reason="Python takes any user of Windows for a neighbour"),
        ),
    ],
)
def test_a_single_mistake_is_named_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    assert report(write(tmp_path, text)) == [
        "profile-invalid: `DIR/train.toml` has a mistake",
        f"train.toml:{expected}",
        SCHEMA_HINT,
    ]


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ('name = "x"\nsmoke = { level = "quick", depth = 1 }', "smoke.depth", 2),
        ('name = "x"\nsmoke.level = "quick"\nsmoke.depth = 1', "smoke.depth", 3),
        ('name = "x"\n["smoke"]\n"depth" = 1', "smoke.depth", 3),
        ('name = """x"""\n[packages]\nrequirements = ["""\nnumpy"""]\n[smoke]\ndepth = 1', "smoke.depth", 6),
        ('name = "x"\n[packages]\nrequirements = [\n  "numpy",  # [smoke]\n]\n\n[smoke]\ndepth = 1', "smoke.depth", 8),
        ('name = "x"\r\n\r\n[smoke]\r\ndepth = 1\r\n', "smoke.depth", 4),
    ],
)
def test_the_line_is_right_however_the_key_is_written(tmp_path: Path, text: str, key: str, line: int) -> None:
    (evidence,) = report(write(tmp_path, text))[1:-1]
    assert evidence.startswith(f"train.toml:{line}: unknown key `{key}`; known here: level")


def test_the_smallest_profile_is_a_name(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, 'name = "x"'))
    assert loaded.profile.name == "x"
    assert loaded.profile.tensorflow.accelerator == "auto"
    assert (loaded.path, loaded.folder, loaded.shipped) == (tmp_path / "train.toml", tmp_path, False)
    assert (loaded.requirements, loaded.constraints) == ((), ())


def test_a_profile_with_every_key_gives_what_it_says(tmp_path: Path) -> None:
    for name in ("py", "r.txt", "ca.pem", "check.py"):
        (tmp_path / name).write_text("")
    loaded = load(
        write(
            tmp_path,
            """\
name = "x"
python = { version = ">=3.10", path = "py", install = false }
environment = { kind = "conda", path = ".venv", keep = 1 }
tensorflow = { version = "==2.19.*", accelerator = "cuda", allow-fallback = true }
packages = { requirements = ["pandas>=2"], files = ["r.txt"], constraints = ["protobuf<6"] }
index = { url = "https://${USER}:${PASS}@host/simple", mirrors = ["http://m"], extra = ["file:///i"], find-links = \
["https://f"], exclude-newer = "2026-01-31T12:00:00Z" }
network = { proxies = ["http://${P}:${W}@proxy:1", "environment", "direct"], ca-bundle = "ca.pem", connections = 2, \
connect-timeout = 1.5, idle-timeout = "1.5m", deadline = "2h" }
strategies = { skip = ["patient", "repair"] }
conda = { channels = ["a", "b"], packages = ["r"], tensorflow = "conda" }
smoke = { level = "deep", require-gpus = 2, gpu = "now", timeout = 60, scripts = ["check.py"] }
""",
        )
    )
    profile = loaded.profile
    assert profile.python.version == ">=3.10"
    assert profile.environment.keep == 1
    assert profile.tensorflow.allow_fallback is True
    assert loaded.requirements == ("pandas>=2",)
    assert loaded.constraints == ("protobuf<6",)
    assert profile.index.url == "https://${USER}:${PASS}@host/simple"
    assert (profile.network.connect_timeout, profile.network.idle_timeout, profile.network.deadline) == (1.5, 90, 7200)
    assert profile.strategies.skip == ("patient", "repair")
    assert profile.smoke.scripts == ("check.py",)
    assert loaded.resolve(".venv") == tmp_path / ".venv"
    assert loaded.resolve("/elsewhere") == (tmp_path / "/elsewhere").absolute()


def test_broken_toml_is_said_with_the_place_the_parser_gives(tmp_path: Path) -> None:
    lines = report(write(tmp_path, "name = x\n"))
    assert lines[0] == "profile-invalid: `DIR/train.toml` is not valid TOML"
    assert re.fullmatch(r"train\.toml: .*\(at line 1, column 8\)", lines[1])
    assert lines[2] == "hint: strings need quotes; a table is `[name]`; a key may be given once"


@pytest.mark.parametrize(
    "place",
    ["C:\\Users\\ann", "C:\\python\\x", "\\\\server\\share", "..\\wheels", "C:\\dir\\", "C:\\temp\\new"],
)
def test_a_path_of_windows_between_double_quotes_is_told_how_to_be_written(tmp_path: Path, place: str) -> None:
    """Some are not TOML, and in others `\\t` and `\\n` are read as a tab and a line end."""
    lines = report(write(tmp_path, f'name = "x"\n[environment]\npath = "{place}"\n'))
    advice = "between double quotes a backslash begins an escape: write a path between single quotes, or with `/`"
    assert [line for line in lines if advice in line], lines
    assert re.search(r"train\.toml:3:|line 3", lines[1])


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'name = "x"\n# caf\xe9', "line 2 has the byte 0xE9"),
        (b'\xef\xbb\xbfname = "caf\xe9"', "line 1 has the byte 0xE9"),
        ('name = "x"'.encode("utf-16"), "it is UTF-16, which `>` writes in Windows PowerShell"),
    ],
)
def test_a_profile_that_is_not_utf_8_is_said_to_be_so(tmp_path: Path, raw: bytes, why: str) -> None:
    assert report(write(tmp_path, raw)) == [
        "profile-invalid: `DIR/train.toml` is not UTF-8",
        why,
        "hint: save it as UTF-8",
    ]


def test_the_byte_order_mark_of_an_editor_is_no_mistake(tmp_path: Path) -> None:
    assert load(write(tmp_path, b'\xef\xbb\xbfname = "x"\r\n')).profile.name == "x"


def test_a_profile_that_is_gone_or_a_folder_cannot_be_read(tmp_path: Path) -> None:
    assert report(tmp_path / "gone.toml")[0] == "profile-missing: there is no profile `DIR/gone.toml`"
    (tmp_path / "folder.toml").mkdir()
    assert report(tmp_path / "folder.toml")[0] == "profile-missing: `DIR/folder.toml` cannot be read"


class TestOverrides:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return write(tmp_path, 'name = "x"\n[tensorflow]\nversion = ">=2.16"\n[packages]\nrequirements = ["a"]\n')

    @pytest.mark.parametrize(
        ("override", "table", "field", "expected"),
        [
            ("tensorflow.version===2.19.*", "tensorflow", "version", "==2.19.*"),
            ("tensorflow.version=>=2.19,<3", "tensorflow", "version", ">=2.19,<3"),
            ('tensorflow.version="==2.19.0"', "tensorflow", "version", "==2.19.0"),
            ("tensorflow.allow-fallback=true", "tensorflow", "allow_fallback", True),
            ("tensorflow.accelerator=cpu", "tensorflow", "accelerator", "cpu"),
            ("environment.keep=7", "environment", "keep", 7),
            ("environment.path=3.12", "environment", "path", "3.12"),
            ("environment.path=true", "environment", "path", "true"),
            ("network.idle-timeout=90", "network", "idle_timeout", 90.0),
            ("network.idle-timeout=1.5", "network", "idle_timeout", 1.5),
            ("network.deadline=2h", "network", "deadline", 7200.0),
            ("index.exclude-newer=2026-01-01", "index", "exclude_newer", "2026-01-01"),
            ("packages.requirements=pandas>=2", "packages", "requirements", ("pandas>=2",)),
            ('packages.requirements=["b", "c>=1"]', "packages", "requirements", ("b", "c>=1")),
            ("packages.requirements=[]", "packages", "requirements", ()),
            ("network.proxies=direct", "network", "proxies", ("direct",)),
            (" smoke . level =quick", "smoke", "level", "quick"),
        ],
    )
    def test_a_value_is_read_as_the_field_wants_it(
        self, path: Path, override: str, table: str, field: str, expected: object
    ) -> None:
        assert getattr(getattr(load(path, overrides=(override,)).profile, table), field) == expected

    def test_the_later_of_two_wins(self, path: Path) -> None:
        assert load(path, overrides=("name=a", "name=2026")).profile.name == "2026"

    @pytest.mark.parametrize(
        ("override", "expected"),
        [
            ("tensorflow", "write `key=value`, with a dotted key such as `tensorflow.version`"),
            ("=1", "write `key=value`, with a dotted key such as `tensorflow.version`"),
            ("tensorflow..version=1", "write `key=value`, with a dotted key such as `tensorflow.version`"),
            ("name.x=1", "`name` is not a table"),
            ("tensorflow.verson=1", "unknown key `tensorflow.verson`; did you mean `tensorflow.version`?"),
            (
                "tensorflow.x.y=1",
                "unknown key `tensorflow.x`; known here: version, package, accelerator, allow-fallback",
            ),
            (
                "nothing.x=1",
                "unknown key `nothing`; known here: " + TABLES,
            ),
            ("tensorflow=cpu", '`tensorflow` must be a table, not `"cpu"`'),
            ("tensorflow.version=2.19", "`tensorflow.version`: `2.19` has no operator: write `==2.19.*`"),
            ("environment.keep=many", '`environment.keep` must be a whole number, not `"many"`'),
            ("environment.keep=", '`environment.keep` must be a whole number, not `""`'),
            ("tensorflow.allow-fallback=True", '`tensorflow.allow-fallback` must be `true` or `false`, not `"True"`'),
            (
                "packages.requirements=",
                "`packages.requirements[0]`: `` is not a PEP 508 requirement: Expected package "
                "name at the start of dependency specifier",
            ),
            ("smoke.scripts=gone.py", "`smoke.scripts`: there is no `gone.py` (DIR/gone.py)"),
        ],
    )
    def test_a_mistake_names_the_override_and_not_a_line(self, path: Path, override: str, expected: str) -> None:
        assert report(path, override) == [
            "profile-invalid: `DIR/train.toml` has a mistake",
            f"--set '{override}': {expected}",
            SCHEMA_HINT,
        ]

    def test_mistakes_of_overrides_and_of_the_file_are_in_one_report(self, path: Path) -> None:
        path.write_text(path.read_text() + "colour = 1\n")
        assert len(report(path, "nonsense", "smoke.level=slow")) == 5


class TestDigest:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        (tmp_path / "r.txt").write_text("a\n-r inner.txt\n")
        (tmp_path / "inner.txt").write_text("b\n-c bounds.txt\n")
        (tmp_path / "bounds.txt").write_text("c<1\n")
        (tmp_path / "check.py").write_text("pass\n")
        (tmp_path / "other.txt").write_text("pass\n")
        text = 'name = "x"\npackages.files = ["r.txt"]\nsmoke.scripts = ["check.py"]\n'
        return write(tmp_path, text)

    @pytest.mark.parametrize("name", ["train.toml", "r.txt", "inner.txt", "bounds.txt", "check.py"])
    def test_it_changes_with_every_file_that_the_profile_means(self, path: Path, name: str) -> None:
        before = digest(path)
        changed = path.with_name(name)
        changed.write_text(changed.read_text().replace("b\n", "b>=2\n").replace("c<1", "c<2") + "# more\n")
        if name == "r.txt":
            # What it says counts; that the script has a comment more may mean anything.
            assert digest(path) == before
            changed.write_text("a>=2\n-r inner.txt\n")
        assert digest(path) != before

    def test_it_does_not_change_with_a_file_that_the_profile_does_not_name(self, path: Path) -> None:
        before = digest(path)
        path.with_name("other.txt").write_text("changed")
        assert digest(path) == before

    def test_it_changes_with_the_overrides(self, path: Path) -> None:
        assert len({digest(path), digest(path, "smoke.level=quick"), digest(path, "smoke.level=deep")}) == 3

    def test_it_does_not_depend_on_where_the_profile_lies(self, path: Path, tmp_path: Path) -> None:
        moved = tmp_path / "elsewhere"
        moved.mkdir()
        for file in list(tmp_path.glob("*.*")):
            (moved / file.name).write_bytes(file.read_bytes())
        assert digest(moved / path.name) == digest(path)


class TestRequirementsFiles:
    def test_their_lines_come_after_those_of_the_profile(self, tmp_path: Path) -> None:
        (tmp_path / "r.txt").write_text("numpy\n-c bounds.txt\n")
        (tmp_path / "bounds.txt").write_text("protobuf<6\n")
        loaded = load(
            write(tmp_path, 'name = "x"\n[packages]\nrequirements = ["a"]\nconstraints = ["b<1"]\nfiles = ["r.txt"]\n')
        )
        assert loaded.requirements == ("a", "numpy")
        assert loaded.constraints == ("b<1", "protobuf<6")

    def test_a_file_that_may_not_be_read_is_a_mistake_of_the_profile(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "r.txt").write_text("numpy\n")
        path = write(tmp_path, 'name = "x"\n[packages]\nfiles = ["r.txt"]\n')
        opened = os.open

        def refuse(path: str | Path, flags: int, mode: int = 0o777) -> int:
            if Path(path).name == "r.txt":
                raise PermissionError(13, "Permission denied", str(path))
            return opened(path, flags, mode)

        monkeypatch.setattr(os, "open", refuse)
        assert report(path)[1] == "train.toml:3: `packages.files`: `r.txt` cannot be read: Permission denied"


def test_a_loaded_profile_cannot_be_changed(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, 'name = "x"'))
    assert isinstance(loaded, Loaded)
    with pytest.raises(ValueError, match="frozen"):
        loaded.profile.smoke.level = "deep"


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("environment", 'path = "a\\u0000b"'),
        ("python", 'path = "a\\u001bb"'),
        ("packages", 'files = ["ok.txt", "a\\nb"]'),
        ("index", 'find-links = ["a\\u007fb"]'),
    ],
)
def test_a_path_with_a_control_character_is_refused_with_its_line(tmp_path: Path, table: str, line: str) -> None:
    lines = report(write(tmp_path, f'name = "a"\n[{table}]\n{line}\n'))
    assert lines[0] == "profile-invalid: `DIR/train.toml` has a mistake"
    assert lines[1].startswith(f"train.toml:3: `{table}.{line.partition(' ')[0]}` holds a control character (U+00")


def test_the_interpreter_of_another_machine_is_not_looked_for_here(tmp_path: Path) -> None:
    path = write(tmp_path, 'name = "x"\n[python]\npath = "/srv/python/bin/python3"\n')
    with pytest.raises(TfprovError, match="mistake"):
        load(path)
    assert load(path, system=System(name="linux", machine="x86_64")).profile.python.path == "/srv/python/bin/python3"


class TestOwnRequirements:
    """Those of the profile itself are read like the lines of a file."""

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("sklearn", "train.toml:3: `sklearn`: that is the name of a module; the package is `scikit-learn`"),
            (
                "six @ hg+https://host/six",
                "train.toml:3: `six @ hg+https://host/six` is a repository: only git is supported",
            ),
            ("numpy=1.26", "train.toml:3: `packages.requirements[0]`: `numpy=1.26` is not a PEP 508 requirement: did "),
        ],
    )
    def test_what_cannot_be_done_has_its_line(self, tmp_path: Path, text: str, words: str) -> None:
        found = report(write(tmp_path, f'name = "x"\n[packages]\nrequirements = ["{text}"]\n'))
        assert found[1].startswith(words)

    def test_a_wheel_beside_the_profile_is_named_relative_to_it(self, tmp_path: Path) -> None:
        (tmp_path / "six-1.0-py3-none-any.whl").touch()
        wheel = (tmp_path / "six-1.0-py3-none-any.whl").as_uri()
        loaded = load(write(tmp_path, f'name = "x"\npackages.requirements = ["six @ {wheel}"]\n'))
        assert loaded.requirements == ("six @ file://${PROJECT_ROOT}/six-1.0-py3-none-any.whl",)


class TestVariables:
    def test_they_are_kept_as_they_are_written(self, tmp_path: Path) -> None:
        text = 'name = "x"\n[environment.variables]\nTF_USE_LEGACY_KERAS = "1"\nHF_TOKEN = "${HF_TOKEN}"\n'
        assert load(write(tmp_path, text)).profile.environment.variables == {
            "TF_USE_LEGACY_KERAS": "1",
            "HF_TOKEN": "${HF_TOKEN}",
        }

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ('HF_TOKEN = "abc"', "`HF_TOKEN` looks like a secret: write `${HF_TOKEN}` and set it in the environment"),
            ('AWS_SECRET_ACCESS_KEY = "abc"', "`AWS_SECRET_ACCESS_KEY` looks like a secret"),
            ('PATH = "/bin"', "`PATH` is set by the activation of the environment"),
            ('"A B" = "1"', "`A B` is not the name of a variable"),
            ("A = 1", "must be text in quotes, not `1`"),
        ],
    )
    def test_what_cannot_be_set_is_refused(self, tmp_path: Path, line: str, words: str) -> None:
        found = report(write(tmp_path, f'name = "x"\n[environment.variables]\n{line}\n'))
        assert words in found[1]
        assert found[1].startswith("train.toml:")

    def test_on_windows_their_case_does_not_matter(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        text = 'name = "x"\n[environment.variables]\n{} = "1"\n'
        monkeypatch.setattr(values, "os", SimpleNamespace(name="nt"))
        found = load(write(tmp_path, text.format("http_proxy"))).profile.environment.variables
        assert found == {"HTTP_PROXY": "1"}
        assert "`Path` is set by the activation of the environment" in report(write(tmp_path, text.format("Path")))[1]
        monkeypatch.setattr(values, "os", SimpleNamespace(name="posix"))
        assert load(write(tmp_path, text.format("Path"))).profile.environment.variables == {"Path": "1"}

    def test_a_word_that_only_resembles_a_secret_is_none(self, tmp_path: Path) -> None:
        load(write(tmp_path, 'name = "x"\nenvironment.variables = { TOKENIZERS_PARALLELISM = "false" }\n'))


def test_every_line_keeps_the_place_where_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# first\nnumpy<2\n")
    lines = 'requirements = ["keras", "numpy<2"]\nfiles = ["requirements.txt"]\nconstraints = ["h5py<4"]\n'
    text = f'name = "x"\n[packages]\n{lines}'
    loaded = load(write(tmp_path, text))
    assert loaded.places == {"keras": "train.toml:3", "numpy<2": "train.toml:3", "h5py<4": "train.toml:5"}
    (tmp_path / "requirements.txt").write_text("# first\n\nnumpy<3\n")
    assert load(write(tmp_path, text)).places["numpy<3"] == "requirements.txt:3"


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("mine", "ask for the package by name"),
        (
            "train-adopted-files",
            "it held files of the adopted environment: `tfprov adopt` makes it again, or remove the line",
        ),
    ],
)
def test_a_wheel_that_is_not_there_is_told_without_the_hint_of_the_schema(tmp_path: Path, name: str, way: str) -> None:
    path = write(tmp_path, f'name = "train"\n[packages]\nrequirements = ["{name} @ ./x-0-py3-none-any.whl"]\n')
    assert report(path) == [
        "profile-invalid: `DIR/train.toml` has a mistake",
        f"train.toml:3: `{name} @ ./x-0-py3-none-any.whl`: there is no such file here; {way}",
        "hint: correct what is named above",
    ]


@pytest.mark.parametrize("key", ["packages.exclude", "packages.build"])
@pytest.mark.parametrize("name", ["jax>=2", "jax foo", "jax/..", "jax\n", "jax-", "", "./jax"])
def test_where_a_name_is_meant_nothing_else_is_taken(tmp_path: Path, key: str, name: str) -> None:
    told = report(write(tmp_path, f"{key} = [{json.dumps(name)}]\n"))
    assert any("is not the name of a project such as `jax`" in line for line in told), told
