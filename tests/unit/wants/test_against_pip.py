"""Requirements files as pip's own parser reads them: the same requirements, or a refusal with its place."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tfprov.wants.recognise import read
from tfprov.wants.records import ProjectParts, Want

# Its parts are imported where they are used: each process that collects the tests would import them for seconds.
pytest.importorskip("pip")


@functools.cache
def session() -> object:
    from pip._internal.network.session import PipSession

    return PipSession()


NAMES = st.sampled_from(["numpy", "Pandas", "tf_keras", "x.y", "a-b", "sklearn", "tensorflow", "os", "pywin32"])
VERSIONS = st.sampled_from(
    ["", "==1.2", ">=1,<2", "~=1.0", "!=1.5", "==1.*", " (>=1)", "===1.0", "~=1", "<2>=1", "=1.26", "==1.0+cu118"]
)
MARKERS = st.sampled_from(["", "; python_version < '3.9'", ' ; sys_platform == "win32" and extra == "x"', "; os_name"])
HASHES = st.lists(
    st.sampled_from([f"--hash=sha256:{'0' * 64}", f"--hash sha256:{'f' * 64}", f"--hash=sha512:{'1' * 128}"]),
    max_size=3,
)
COMMENTS = st.sampled_from(["", "", "  # why", " #--hash=sha256:0", "#glued", "\t# tab \\"])
LINKS = st.sampled_from(
    ["git+https://host/x.git@v1#egg=x", "x @ git+ssh://git@host/x", "https://host/x-1-py3-none-any.whl", "./local", ".",
     "x @ https://host/x-1.0.tar.gz#sha256=abc", "x @ file:///croot/x_1/work", "dir/x-1-py3-none-any.whl", "x@https://host/y"]
)  # fmt: skip
OPTIONS = st.sampled_from(
    ["-r inner.txt", "-rinner.txt", "--requirement=inner.txt", "-c bounds.txt", "--constraint bounds.txt", "-e .",
     "-e git+https://host/x#egg=x", "--editable=./x[extra]", "-i https://one/simple", "--index-url=https://one/simple",
     "--extra-index-url https://two/simple", "-f https://three", "--find-links=wheels", "--no-index", "--pre",
     "--no-binary :all:", "--only-binary=numpy,pandas", "--prefer-binary", "--require-hashes", "--trusted-host host",
     "-r ${INNER}", "-c ${STEM}.txt", "--requirement=${STEM}.txt", "-r ${MISSING}.txt", "-e ./${STEM}",
     "--unknown", "-z", "--index https://one/simple", "-f 'wheels with spaces'", '--find-links="open', "-r gone.txt"]
)  # fmt: skip
PINS = st.builds(
    lambda *parts: " ".join(filter(None, parts)), NAMES, st.sampled_from(["", "[a]", "[a,b]"]), VERSIONS, MARKERS
)
PLAIN = st.builds("{}{}{}".format, NAMES, VERSIONS, MARKERS)
HASHED = st.builds(lambda line, hashes: " \\\n    ".join([line, *hashes]), PLAIN, HASHES)
BLANK = st.sampled_from(["", "   ", "# a comment", "# goes on \\", "    # indented"])
VARIABLES = st.sampled_from(["numpy==${PINNED}", "x==${MISSING}", "${NAME_OF_IT}>=1", "numpy==$PINNED"])
SPLIT = st.builds(lambda line, at: f"{line[:at]}\\\n{line[at:]}", PLAIN, st.integers(1, 6))
LINE = st.builds("{}{}".format, st.one_of(PLAIN, PINS, HASHED, LINKS, OPTIONS, BLANK, VARIABLES, SPLIT), COMMENTS)
FILE = st.builds(
    lambda lines, end, last: end.join(lines).replace("\n", end) + last,
    st.lists(LINE, max_size=12),
    st.sampled_from(["\n", "\n", "\r\n"]),
    st.sampled_from(["\n", "", " \\"]),
)


def by_pip(path: Path) -> list[tuple[str, str, bool, tuple[str, ...]]] | None:
    """Place, text, whether it is a constraint, and SHA-256 of each requirement; None when pip refuses the file."""
    from pip._internal.exceptions import InstallationError
    from pip._internal.req.req_file import parse_requirements

    found = []
    try:
        for one in parse_requirements(str(path), session=session()):
            # It is told as `-r FILE (line N)`.
            file, _, number = one.comes_from.partition(" ")[2].removesuffix(")").rpartition(" (line ")
            hashes = tuple((one.options or {}).get("hashes", {}).get("sha256", ()))
            text = f"-e {one.requirement}" if one.is_editable else one.requirement
            found.append((f"{Path(file).name}:{number}", text, one.constraint, hashes))
    except (InstallationError, OSError, ValueError):
        return None
    return found


def places(texts: Iterable[str]) -> set[str]:
    return {":".join(text.split(":", 2)[:2]) for text in texts}


@pytest.mark.filterwarnings("ignore:pkg_resources is deprecated")  # pip's own copy, in older releases
@given(text=FILE, inner=FILE, bounds=st.lists(PLAIN, max_size=3).map("\n".join))
@settings(
    max_examples=400,
    phases=(Phase.generate, Phase.shrink),
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_a_file_asks_for_what_pip_takes_it_to_ask_for(text: str, inner: str, bounds: str) -> None:
    os.environ.update(PINNED="1.5", NAME_OF_IT="seaborn", INNER="inner.txt", STEM="bounds")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "main.txt"
        # Two files that include each other make pip run in circles.
        for name, content in (
            ("main.txt", text),
            ("inner.txt", inner.replace("inner.txt", "gone.txt")),
            ("bounds.txt", bounds),
        ):
            (Path(folder) / name).write_bytes(content.encode())
        theirs = by_pip(path)
        ours = read((path,), path.parent, ProjectParts())
        told = places((*ours.problems, *ours.notes))
        if theirs is None:
            assert ours.problems
            return
        mine: dict[tuple[str, bool], Want] = {
            (want.where, constraint): want
            for constraint, wants in ((False, ours.requirements), (True, ours.constraints))
            for want in wants
        }
        for place, asked, constraint, hashes in theirs:
            want = mine.get((place, constraint))
            if want is None:
                assert place in told
            elif place not in told and "PROJECT_ROOT" not in want.text:
                # A wheel by its address alone gets its name; of the fragment only a hash is kept.
                text = asked.strip().partition("#")[0] if "://" in asked else asked.strip()
                assert want.text.replace(" @ ", "@") in (text.replace(" @ ", "@"), f"x@{text}")
                assert want.hashes == tuple(one.lower() for one in hashes)
        assert set(mine) <= {(place, constraint) for place, _, constraint, _ in theirs}
