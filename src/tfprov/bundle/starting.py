"""The file `bootstrap` of a bundle: a few lines of shell that look for a Python, followed by starter.py."""

from __future__ import annotations

from importlib import resources

_SHELL = """\
#!/bin/sh
'''':
# First for the shell: find a Python that this bundle can start tfprov with, and hand this very file to it.
here=$(cd "$(dirname "$0")" && pwd)
check='import sys, json
made = json.load(open(sys.argv[1] + "/bundle.json", encoding="utf-8"))["tools"]
minor = "%d.%d" % sys.version_info[:2]
sys.exit(0 if sys.version_info >= (3, 10) and any(one["python"] == minor for one in made) else 1)'
try() {
    if "$1" -I -c "$check" "$here" >/dev/null 2>&1; then
        python=$1; shift
        exec "$python" -I "$here/bootstrap" "$@"
    fi
}
# As in tfprov: in a folder that several users can write to, each has one of his own, and starts nothing else.
common() {
    case $(ls -ldn "$1/." 2>/dev/null) in
        d???????w* | d????w[sS]*) [ -w "$1" ] ;;
        d????w*) [ -w "$1" ] && [ ! -O "$1" ] ;;
        *) false ;;
    esac
}
if [ -n "${TFPROV_HOME:-}" ] && common "$TFPROV_HOME"; then
    root=$TFPROV_HOME/user-$(id -u)
    mkdir -m 700 "$root" 2>/dev/null
    if [ -L "$root" ] || { [ -e "$root" ] && [ ! -O "$root" ]; }; then
        echo 'error[path-not-ours]: `'"$root"'` is not a folder that belongs to this user' >&2
        echo "" >&2
        echo 'hint: set TFPROV_HOME to a folder that only you may write to' >&2
        exit 2
    fi
else
    root=${TFPROV_HOME:-}
fi
home=${HOME:-/nonexistent}
share=${XDG_DATA_HOME:-$home/.local/share}
for python in "${TFPROV_PYTHON:-python3}" python3 python3.13 python3.12 python3.11 python3.10 python3.14 python; do
    try "$python" "$@"
done
# Every place that tfprov itself looks in (host/places.py), and that of its own Pythons.
for folder in /usr/bin /usr/local/bin /bin /opt/bin /opt/python/*/bin /opt/python*/bin /usr/local/python*/bin \\
    /opt/hostedtoolcache/Python/*/*/bin "${RUNNER_TOOL_CACHE:-/nonexistent}"/Python/*/*/bin \\
    "${AGENT_TOOLSDIRECTORY:-/nonexistent}"/Python/*/*/bin /opt/rh/*/*/usr/bin /opt/*/bin /run/current-system/sw/bin \\
    /home/linuxbrew/.linuxbrew/bin /home/linuxbrew/.linuxbrew/opt/python@*/bin \\
    /opt/homebrew/bin /opt/homebrew/opt/python@*/bin /usr/local/opt/python@*/bin /opt/local/bin \\
    /Library/Frameworks/Python.framework/Versions/*/bin "$home"/.local/bin \\
    "${PYENV_ROOT:-$home/.pyenv}"/versions/*/bin "${UV_PYTHON_INSTALL_DIR:-$share/uv/python}"/*/bin \\
    "${ASDF_DATA_DIR:-$home/.asdf}"/installs/python/*/bin "${MISE_DATA_DIR:-$share/mise}"/installs/python/*/bin \\
    "${RYE_HOME:-$home/.rye}"/py/*/bin "${RYE_HOME:-$home/.rye}"/py/*/install/bin \\
    "${HATCH_DATA_DIR:-$share/hatch}"/pythons/*/python/bin "${PDM_HOME:-$share/pdm}"/python/*/bin \\
    "${PIXI_HOME:-$home/.pixi}"/envs/*/bin "${CONDA_PREFIX:-/nonexistent}"/bin \\
    "${MAMBA_ROOT_PREFIX:-$home/micromamba}"/bin "${MAMBA_ROOT_PREFIX:-$home/micromamba}"/envs/*/bin \\
    "$home"/*conda*/bin "$home"/mambaforge/bin "$home"/miniforge*/bin "$home"/*conda*/envs/*/bin \\
    "$home"/miniforge*/envs/*/bin /opt/*conda*/envs/*/bin /usr/local/*conda*/bin \\
    "${root:-$share/tfprov}"/data/pythons/*/bin "$share"/tfprov/pythons/*/bin; do
    for name in python3 python3.13 python3.12 python3.11 python3.10 python3.14; do
        [ -x "$folder/$name" ] && try "$folder/$name" "$@"
    done
done
# None on this machine: an interpreter that came along.
data=${root:+$root/data}
data=${data:-${XDG_DATA_HOME:-${HOME:-/nonexistent}/.local/share}/tfprov}
for archive in "$here"/python/*.tar.gz; do
    [ -f "$archive" ] || continue
    name=$(basename "$archive" .tar.gz)
    if [ ! -d "$data/pythons/$name" ]; then
        wanted=$(grep -F "  python/$name.tar.gz" "$here/SHA256SUMS")
        # macOS has only the second one.
        found=$({ sha256sum || shasum -a 256; } <"$archive" 2>/dev/null)
        if [ -z "$found" ]; then
            echo 'error[bundle-invalid]: `'"$archive"'` cannot be checked: there is neither sha256sum nor shasum' >&2
            exit 13
        elif [ "${found%% *}" != "${wanted%% *}" ]; then
            echo 'error[bundle-invalid]: `'"$archive"'` is damaged' >&2
            exit 13
        fi
        new=$data/pythons/.new-$$
        trap 'rm -rf "$new"; exit 14' HUP INT TERM
        mkdir -p "$new" && tar -xzf "$archive" -C "$new" || {
            rm -rf "$new"
            exit 14
        }
        # Where another process was faster, mv puts the folder inside that of the other.
        mv "$new" "$data/pythons/$name" 2>/dev/null
        rm -rf "$new" "$data/pythons/$name/.new-$$"
        trap - HUP INT TERM
    fi
    try "$data/pythons/$name/bin/python3" "$@"
done
echo "error[python-not-found]: no Python that this bundle can start tfprov with" >&2
echo "  evidence  looked for python3, python3.10 to python3.14 on PATH, in the usual folders," >&2
echo "            and under conda, pyenv, uv, asdf, mise, rye, hatch, pdm and pixi" >&2
echo "" >&2
echo 'hint: name one with TFPROV_PYTHON=/path/to/python3, or make the bundle again with `--with-python`' >&2
exit 10
'''
"""


def bootstrap() -> bytes:
    """The file, which is valid for a shell and for Python."""
    text = resources.files("tfprov.bundle").joinpath("starter.py").read_text(encoding="utf-8")
    # `from __future__` may follow only the docstring, and the shell code is the docstring now.
    docstring, _, rest = text.partition("from __future__ import annotations\n")
    lines = docstring.strip().strip('"').strip().splitlines()
    comment = "\n" + "\n".join(f"# {line}".rstrip() for line in lines) + "\n"
    return (_SHELL + "from __future__ import annotations\n" + comment + rest).encode()
