"""Poetry, PDM, Pipenv and pip-tools: resolvers with words of their own around the causes that pip and uv know too."""

from __future__ import annotations

from tfprov.diagnose.records import Case, Rule
from tfprov.diagnose.rules.pip import NONE

_PACKAGE = r"(?P<requirement>[A-Za-z][\w.-]*(?:\[[\w,-]+\])?(?:[<>=!~]+[\w.*+]+(?:,[<>=!~]+[\w.*+]+)*)?)"

RULES: tuple[Rule, ...] = (
    Rule(
        name="poetry-no-version",
        code="version-not-available",
        reads="Poetry: a requirement that no release of the project matches",
        needs=("which doesn't match any versions", "could not find a matching version of package", "candidatenotfound"),
        pattern=r"depends on (?P<requirement>[\w.-]+) \((?P<wanted>[^)]+)\) which doesn't match any versions|Could not find a matching version of package (?P<package>[\w.-]+)|CandidateNotFound",
        examples=(
            "Because demo depends on tensorflow (^2.99) which doesn't match any versions, version solving failed.",
            "Could not find a matching version of package tensorflow",
        ),
        rank=64,
        span=2,
        follows=("network", "python-unsupported"),
    ),
    Rule(
        name="poetry-solving-failed",
        code="resolver-conflict",
        reads="Poetry: requirements that cannot be met together, among them the project's own range of Python",
        needs=(
            "version solving failed",
            "solverproblemerror",
            "is not compatible with some of the required packages",
            "is forbidden",
        ),
        pattern=r"version solving failed|SolverProblemError|is not compatible with some of the required packages Python requirement",
        examples=(
            "So, because demo depends on tensorflow (^1.8), version solving failed.",
            "The current project's Python requirement (>=3.8,<4.0) is not compatible with some of the required packages Python requirement:",
        ),
        rank=58,
        follows=("network", "version-not-available", "package-name-wrong"),
    ),
    Rule(
        name="poetry-connect",
        code="net-refused",
        reads="Poetry 2: no answer of a host; a line beside it may say why",
        needs=("all attempts to connect to",),
        pattern=r"All attempts to connect to (?P<host>\S+) failed",
        examples=("All attempts to connect to index.example failed.",),
        rank=35,
        follows=("network",),
    ),
    Rule(
        name="pdm-impossible",
        code="resolver-conflict",
        reads="PDM: no resolution",
        needs=("unable to find a resolution", "resolutiontoodeep", "[resolutionimpossible]"),
        pattern=r"Unable to find a resolution|ResolutionTooDeep|\[ResolutionImpossible\]",
        examples=("[ResolutionImpossible]: Unable to find a resolution",),
        rank=58,
        follows=("network", "version-not-available", "package-name-wrong"),
    ),
    Rule(
        name="piptools-none",
        code="package-name-wrong",
        reads="Pipenv, pip-tools: no file of that name fits",
        needs=("could not find a version that matches",),
        pattern=rf"Could not find a version that matches {_PACKAGE}(?: \(from [^\n]*?\))? ?.{{0,12}}?No versions found",
        examples=(
            "ERROR: Could not find a version that matches tensorflwo (from -r /tmp/x.txt (line 2))\nNo versions found",
        ),
        rank=64,
        span=3,
        cases=NONE,
        follows=("network",),
    ),
    Rule(
        name="easy-install-none",
        code="package-name-wrong",
        reads="easy_install, `setup.py install` and pbr: no file of that name fits",
        needs=(
            "download links found for",
            "no local packages or working download links",
            "could not find suitable distribution",
        ),
        pattern=rf"No local packages or (?:working )?download links found for {_PACKAGE}|Could not find suitable distribution for Requirement\.parse\('(?P<requirement__parsed>[^']+)'",
        examples=("error: Could not find suitable distribution for Requirement.parse('tensorflwo')",),
        rank=63,
        cases=NONE,
        follows=("network",),
    ),
    Rule(
        name="piptools-conflict",
        code="resolver-conflict",
        reads="Pipenv, pip-tools: no version is within all the bounds",
        needs=("could not find a version that matches", "incompatible versions in the resolved dependencies"),
        pattern=rf"Could not find a version that matches (?:{_PACKAGE}.{{0,400}}?Tried: |[\w.-]+(?:\[[\w,-]+\])?(?P<bounds>[<>=!~]+[\w.*+]+(?:,[<>=!~]+[\w.*+]+)+)(?!.{{0,200}}No versions found))|There are incompatible versions in the resolved dependencies",
        examples=(
            "Could not find a version that matches tensorflow<2.6,>=2.6.0\nTried: 2.2.0, 2.6.0",
            "Could not find a version that matches protobuf<4.0.0,<5.0dev,>=3.12.2,>=4.21.6",
            "There are incompatible versions in the resolved dependencies:",
        ),
        rank=62,
        span=3,
        follows=("network",),
    ),
    Rule(
        name="pipenv-locking-failed",
        code="resolver-conflict",
        reads="Pipenv: the words around a failed lock",
        needs=("locking failed", "resolutionfailure", "failed to lock pipfile"),
        pattern=r"Locking Failed|ResolutionFailure\b|Failed to lock Pipfile",
        examples=("Locking Failed!", "pipenv.exceptions.ResolutionFailure: ERROR: No matching distribution"),
        rank=33,
        follows=("network", "resolve", "interpreter", "platform", "machine"),
    ),
    Rule(
        name="lock-is-older",
        code="lock-unfit",
        reads="uv, Poetry, PDM, Pipenv, conda-lock: the lock is older than what it was made from",
        needs=(
            "lockfile hash",
            "lock file hash",
            "lockfile does not match",
            "lockfile is not compatible",
            "pipfile.lock (",
            "needs to be updated, but",
            "changed significantly since",
            "lock file is not compatible",
            "hash doesn't match pyproject",
            "is out of date",
            "lock file does not match",
        ),
        pattern=r"lockfile at `[^`]+` needs to be updated, but|changed significantly since poetry\.lock was last generated|[Ll]ock ?file (?:hash doesn't match|does not match|is not compatible with)|Pipfile\.lock \([^)]*\) (?:out of|is out of) date|Your Pipfile\.lock .{0,40} is out of date",
        examples=(
            "error: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided. To update the lockfile, run `uv lock`.",
            "pyproject.toml changed significantly since poetry.lock was last generated. Run `poetry lock` to fix the lock file.",
        ),
        rank=66,
    ),
    Rule(
        name="pip-of-old",
        code="pip-too-old",
        reads="pip 1 to 8: no file of that name that it knows",
        needs=(
            "could not find any downloads that satisfy",
            "no distributions at all found",
            "no distributions matching the version",
        ),
        pattern=rf"Could not find any downloads that satisfy the requirement {_PACKAGE}|No distributions (?:at all found|matching the version) for {_PACKAGE.replace('requirement', 'requirement__last')}",
        examples=(
            "  Could not find any downloads that satisfy the requirement tensorflow (from -r requirements.txt (line 4))",
        ),
        rank=58,
        cases=(Case(when="misspelt", code="package-name-wrong"),),
        follows=("network",),
    ),
)
