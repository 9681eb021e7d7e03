"""How a command was called: options and files that do not exist, and what a shell made of it."""

from __future__ import annotations

from tfprov.diagnose.records import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        name="requirements-file",
        code="usage",
        reads="pip, uv and other commands: a requirements file or a wheel that is not there, an option that does not exist, requirements without hashes",
        needs=(
            "could not open requirement",
            "could not open requirements file",
            "requirements file",
            "file not found: `",
            "but the file does not exist",
            "no such file or directory",
            "distribution not found at",
            "at least one requirement to install",
            "no such option: -",
            "unknown command ",
            "unrecognized subcommand",
            "unexpected argument",
            "unrecognized arguments",
            "invalid choice: ",
            "arguments are required: ",
            "failed to parse",
            "requirements must have their versions pinned",
            "hashes are required in",
            "verify hashes for these",
        ),
        # A wheel in a folder of pip's own was there, and was taken away.
        pattern=r"Could not open requirements? file|(?:error|Error).{0,20}File not found: `[^`]*(?:\.txt|\.toml)`|looks like a filename, but the file does not exist|No such file or directory: '(?![^']*pip-)[^']*\.whl'|Distribution not found at: \S+\.whl"
        r"|You must give at least one requirement to install|^(?:ERROR: )?[Uu]nknown command ['\"]|unrecognized subcommand '|unexpected argument '[^']*' found|error: (?:unrecognized arguments|the following arguments are required): |error: argument \S+: invalid choice: |Failed to parse:? `[^`]*pyproject\.toml`|no such option: -(?!-(?:require-hashes|only-binary|use-feature|break-system-packages|dry-run|report)\b)|all requirements must have their versions pinned|Hashes are required in --require-hashes mode|Can't verify hashes for these",
        examples=(
            "ERROR: Could not open requirements file: [Errno 2] No such file or directory: 'requirements.txt'",
            'ERROR: You must give at least one requirement to install (see "pip help install")',
            "error: unexpected argument '--extra-index' found",
            "conda: error: unrecognized arguments: --pip",
            "error: Failed to parse: `pyproject.toml`",
            "WARNING: Requirement 'tensorflow-2.5.0-cp38-cp38-linux_x86_64.whl' looks like a filename, but the file does not exist",
            "IOError: [Errno 2] No such file or directory: '/home/me/tensorflow-1.3.0-cp27-cp27mu-linux_aarch64.whl'",
        ),
        rank=70,
    ),
    Rule(
        name="shell-reads-requirement",
        code="usage",
        reads="shells: brackets, `<` and `=` of a requirement that was not quoted",
        needs=("no matches found", "no matches for wildcard", "no such file or directory"),
        pattern=r"no matches found: (?P<requirement>[\w.-]+\[[\w,-]+\]\S*)|No matches for wildcard '(?P<requirement__fish>[^'\[]{1,80}\[[^'\]]{1,80}\])'|^-?(?:bash|zsh|sh|dash): (?:\d+: |line \d+: )?(?:=?\d+(?:\.\d+)+: No such file or directory|no such file or directory: =?\d+(?:\.\d+)+)",
        examples=(
            "zsh: no matches found: tensorflow[and-cuda]",
            "fish: No matches for wildcard 'tensorflow[and-cuda]'. See `help wildcards-globbing`.",
            "bash: 2.11: No such file or directory",
        ),
        rank=62,
    ),
    Rule(
        name="project-missing",
        code="usage",
        reads="pip, uv, Poetry, PDM, Pipenv, pixi, conda: the project or the file that they were told to use is not there",
        needs=(
            "is not installable",
            "cannot be installed in editable mode",
            "no `pyproject.toml` found",
            "project directory `",
            "could not find a pyproject.toml",
            "could not find pixi.toml",
            "no pipfile present",
            "has not been initialized",
            "environmentfilenotfound",
            *(".yml' file not found", ".yaml' file not found"),
            "environmentfileempty",
            "environmentfileextensionnotvalid",
            "specnotfound",
            "invalid package specification",
        ),
        pattern=r"Directory '[^']*' is not installable|Directory cannot be installed in editable mode|No `pyproject\.toml` found|Project directory `[^`]*` does not exist|could not find a pyproject\.toml|could not find pixi\.toml|No Pipfile present|pyproject\.toml has not been initialized|EnvironmentFile(?:NotFound|Empty|ExtensionNotValid)|'[^']*\.ya?ml' file not found|SpecNotFound|invalid package specification",
        examples=(
            "ERROR: Directory '.' is not installable. Neither 'setup.py' nor 'pyproject.toml' found.",
            "error: No `pyproject.toml` found in current directory or any parent directory",
            "Poetry could not find a pyproject.toml file in /x or its parents",
            "EnvironmentFileNotFound: '/x/environment.yml' file not found",
            "CondaValueError: invalid package specification: tensorflow[and-cuda]",
        ),
        rank=68,
    ),
)
