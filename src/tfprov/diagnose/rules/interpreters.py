"""Interpreters: what shells, launchers, version managers and CI say where a Python is not there."""

from __future__ import annotations

from tfprov.diagnose.records import NOISE, Case, Rule

_PYTHON = r"(?:python|pypy|py)[\d.]*"
NOT_FOUND_IN_BASH = (
    r" ?[:：] ?(?:Kommando nicht gefunden|commande introuvable|comando não encontrado|nie znaleziono polecenia"
    r"|orden no encontrada|kommandot finns inte|opdracht niet gevonden|comando non trovato|komut yok|příkaz nenalezen"
    r"|команду не знайдено|команда не найдена|指令找不到|コマンドが見つかりません|未找到命令|명령어를 찾을 수 없음)"
)
"""What bash prints after a name in place of `: command not found` on systems in other languages."""

RULES: tuple[Rule, ...] = (
    Rule(
        name="python-missing",
        code="python-not-found",
        reads="shells, env, uv, virtualenv, tox, Poetry, Pipenv: no such interpreter",
        needs=(
            'env: "py',
            "env: `py",
            "no interpreter found",
            "invalid version request: python",
            "failed: python interpreter",
            "command not found",
            ": not found",
            "could not find python",
            "could not find the python",
            "python was not found",
            "no such file or directory: '",
            "env: py",
            "env: 'py",
            "env: \u2018py",
            "is not recognized",
            "was not found on your system",
            "if you have one",
            "requested python version",
            "no suitable python",
            "no installed python",
            "pyenv: version",
            "no version is set for",
            "mise error",
            "specified python version",
            "failed to find an interpreter",
            "could not find interpreter",
            "failed to find interpreter",
            "requested interpreter",
            "interpreternotfound",
            "no download found for request",
            "cannot locate python",
            "could not locate python",
            "no python that satisfies",
            "failed to locate executable",
            "failed at step exec",
            "execve()",
            "bash: ",
        ),
        pattern=rf"No interpreter found for|Invalid version request: Python <3|failed: Python interpreter \S+ not found|failed to find interpreter|command not found: {_PYTHON}$|Python was not found; run without|could not find (?:(?:the )?python|interpreter)|No suitable Python runtime|requested interpreter .{{0,60}}(?:not found|could not)|InterpreterNotFound"
        rf"|(?:^|[\s:/]){_PYTHON}: (?:command )?not found|env: [\"'`\u2018]?{_PYTHON}[\"'`\u2019]?: (?!Permission denied)\S|No such file or directory: '(?:\S*/)?{_PYTHON}'|'{_PYTHON}(?:\.exe)?' is not recognized|Python [\d.]+ was not found on your system|unable to find a compatible version\. If you have one"
        rf"|Requested Python version \(\S+\) not installed|No installed Python found|pyenv: version [`'\"]\S+ is not installed|No version is set for (?:command|shim:?) {_PYTHON}|mise ERROR .{{0,60}}python\S* not installed|specified Python version \(\S+\) was not found"
        r"|No download found for request: |cannot locate Python: |Could not locate Python interpreter|No Python that satisfies \S+ is found|(?:execve\(\)|Failed (?:to locate executable|at step EXEC spawning)):? \S*python[\d.]*: No such file"
        rf"|bash: .{{0,60}}\b{_PYTHON}{NOT_FOUND_IN_BASH}",
        examples=(
            "error: No interpreter found for Python 3.9 in managed installations or search path",
            "nox > Session t failed: Python interpreter 3.4 not found (took 9 seconds).",
            "error: Invalid version request: Python <3.6 is not supported but 3.5 was requested.",
            "zsh: command not found: python",
            "/install/install_packages.sh: line 21: python3.6: command not found",
            "/usr/bin/env: \u2018python\u2019: No such file or directory",
            "env: „python3.11“: Datei oder Verzeichnis nicht gefunden",
            "bash: ligne 1: python3.11 : commande introuvable",
            "FileNotFoundError: [Errno 2] No such file or directory: 'python3.8'",
            "'python' is not recognized as an internal or external command,",
            "pyenv: version `3.9.1' is not installed (set by /x/.python-version)",
            "Requested Python version (3.9) not installed, use -0 for available pythons",
            "SKIPPED: py36: InterpreterNotFound",
            "mise ERROR python@3.9.1 not installed",
            "Could not find the python executable 3.15",
            "Poetry was unable to find a compatible version. If you have one, you can explicitly use it",
            "error: No download found for request: cpython-3.5-linux-x86_64-gnu",
            "Environment `test.py3.8` is incompatible: cannot locate Python: 3.8",
            "slurmstepd: error: execve(): /home/me/venv/bin/python: No such file or directory",
            "ERROR: Could not locate Python interpreter /x/bin/python",
            "[NoPythonVersion]: No Python that satisfies >=3.13 is found on the system.",
        ),
        rank=60,
        cases=(Case(when="skipped and overcome", code=NOISE),),
        follows=("network",),
    ),
    Rule(
        name="python-of-ci",
        code="python-not-found",
        reads="setup-python and UsePythonVersion of GitHub and Azure: a version that they do not have for this system",
        needs=("with arch", "with architecture", "in the local cache"),
        pattern=r"[Vv]ersion '?(?P<wanted>[23]\.[\d.]+\S*?)'? with arch(?:itecture)? '?\w+'? (?:was )?not found|Version (?P<wanted__cache>[23]\.[\d.]+) was not found in the local cache",
        examples=(
            "##[error]The version '3.6' with architecture 'x64' was not found for Ubuntu 22.04.",
            "##[error]Version 3.6 with arch x64 not found",
        ),
        rank=62,
        follows=("network",),
    ),
    Rule(
        name="python-gone",
        code="python-broken",
        reads="kernels, Windows' launchers: the interpreter that an environment was made with is not there any more",
        needs=("bad interpreter", "no python at", "required file not found"),
        pattern=r"(?P<path>\S*python[\d.]*): bad interpreter|bad interpreter: (?P<path__zsh>\S*python[\d.]*): no such file|No Python at ['\"\u2018]{0,2}(?P<path__windows>[^'\"\u2019]+)"
        r"|(?P<path__bash>\S+/(?:pip|python|pytest|jupyter|ipython|tensorboard|saved_model_cli)[\d.]*): cannot execute: required file not found",
        examples=(
            "bash: /x/venv/bin/pip: /old/venv/bin/python: bad interpreter: No such file or directory",
            "zsh: /x/venv/bin/pip: bad interpreter: /old/bin/python3: no such file or directory",
            "No Python at 'C:\\Python39\\python.exe'",
            "bash: /x/venv/bin/pip: cannot execute: required file not found",
        ),
        rank=63,
    ),
    Rule(
        name="python-not-activated",
        code="python-unsupported",
        reads="Poetry, get-pip.py, set-up programs: the Python that runs is outside a project's or a program's range",
        needs=(
            "is not supported by the project",
            "this script does not work on python",
            "required",
            "is not allowed by the project",
        ),
        pattern=r"activated Python version (?P<python>[\d.]+) is not supported by the project \((?P<wants>[^)]+)\)"
        r"|This script does not work on Python (?P<python__pip>\d+\.\d+)\.?(?: The minimum supported Python version is (?P<wants__pip>\d+\.\d+))?"
        r"|Python version (?:[23]\.\d+ or )?>=? ?[23]\.\d+ required"
        r"|(?:Error|ERROR|error): Python(?: version)? (?:[<>=]{0,2} ?[23]\.\d+(?:\.\d+)?\+?,? (?:or |and )?){1,3}(?:newer |later |above |higher |greater )?(?:is )?required"
        r"|Current Python version \((?P<python__poetry>[\d.]+)\) is not allowed by the project \((?P<wants__poetry>[^)]+)\)",
        examples=(
            "The currently activated Python version 3.8.10 is not supported by the project (>=3.9,<3.12).",
            "ERROR: This script does not work on Python 3.6. The minimum supported Python version is 3.7. Please use https://bootstrap.pypa.io/pip/3.6/get-pip.py instead.",
            "RuntimeError: Python version >= 3.9 required.",
            "RuntimeError: Python version 2.7 or >= 3.4 required.",
            "SystemExit: Error: Python 3.7 or later is required",
            "Current Python version (3.8.18) is not allowed by the project (>=3.10,<3.13).",
        ),
        rank=58,
    ),
    Rule(
        name="pip-frames",
        code="pip-too-old",
        reads="a traceback of pip 9 or older, when nothing says what went wrong",
        needs=("pip/basecommand", "pip\\basecommand"),
        pattern=r"\bpip[/\\]basecommand\.py",
        examples=('  File "/usr/lib/python2.7/dist-packages/pip/basecommand.py", line 122, in main',),
        rank=10,
        follows=("resolve", "network", "artifact", "machine", "interpreter", "platform", "python-deps", "usage"),
    ),
)
