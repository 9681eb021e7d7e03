"""Whose code raised an exception that no rule knows: the packages' that do not go together, or the program's own."""

from __future__ import annotations

import pytest

from tfprov.diagnose.diagnose import diagnose_text
from tfprov.diagnose.records import Finding
from tfprov.diagnose.scan import _MOST_CLUES

SITE = "/home/me/venv/lib/python3.12/site-packages"
USER = '  File "/home/me/train.py", line 7, in <module>\n    import frobnicator\n'
LAZY = '  File "/usr/lib/python3.12/importlib/__init__.py", line 90, in import_module\n    return _gcd_import(name)\n'
IMPORTING = (
    f'  File "{SITE}/frobnicator/__init__.py", line 3, in <module>\n    from frobnicator import layers\n'
    f'  File "{SITE}/frobnicator/layers.py", line 9, in <module>\n    register(Layer)\n'
)
CALLING = f'  File "{SITE}/frobnicator/layers.py", line 40, in build\n    keras.thing(axis=1)\n'
IN_KERAS = f'  File "{SITE}/keras/src/layers/layer.py", line 290, in __init__\n    super().__init__(**kwargs)\n'
IN_NUMPY = f'  File "{SITE}/numpy/linalg/linalg.py", line 29, in norm\n    raise x\n'
KEYWORD = "TypeError: Layer.__init__() got an unexpected keyword argument 'frobnication'\n"
FOREIGN = "frobnicator.errors.CalibrationFault: nobody knows it\n"


def only(text: str) -> Finding:
    return diagnose_text(f"Traceback (most recent call last):\n{text}").findings[0]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (USER + IMPORTING + IN_KERAS + KEYWORD, "companion-mismatch"),
        (USER + IMPORTING + IN_KERAS + "ValueError: something new\n", "companion-mismatch"),
        (USER + IMPORTING + "RuntimeError: this needs Keras 2\n", "companion-mismatch"),
        (USER + IMPORTING + LAZY + "RuntimeError: this needs tensorflow 7\n", "companion-mismatch"),
        (USER + IMPORTING + IN_NUMPY + "KeyError: 'norm'\n", "import-failed"),
        (USER + IMPORTING + "KeyError: 'TF_HOME'\n", "import-failed"),
        (USER + IMPORTING + FOREIGN, "import-failed"),
        (USER + CALLING + IN_KERAS + KEYWORD, "companion-mismatch"),
        (USER + CALLING + IN_KERAS + "AttributeError: 'Layer' object has no attribute 'frob'\n", "companion-mismatch"),
        (USER + CALLING + LAZY + IMPORTING + "KeyError: 'x'\n", "import-failed"),
        (IMPORTING + IN_KERAS + KEYWORD, "companion-mismatch"),
    ],
)
def test_a_package_that_cannot_be_imported_beside_another_is_named_with_it(text: str, code: str) -> None:
    found = only(text)
    assert (found.role, found.code) == ("cause", code)
    assert "`frobnicator`" in found.what
    assert ("`keras`" in found.what or "`tensorflow`" in found.what) == (code == "companion-mismatch")
    assert ("`numpy`" in found.what) == (IN_NUMPY in text)


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        (USER + IN_KERAS + KEYWORD, "the program's own code"),
        (USER + "ValueError: 4 is not 5\n", "the program's own code"),
        (USER + IN_NUMPY + "numpy.linalg.LinAlgError: Singular matrix\n", "a call of `numpy`"),
        (
            USER + CALLING + IN_KERAS + "ValueError: Input 0 is incompatible with layer dense\n",
            "a call of `frobnicator`",
        ),
        (USER + CALLING + "AttributeError: 'NoneType' object has no attribute 'shape'\n", "a call of `frobnicator`"),
        (USER + CALLING + FOREIGN, "a call of `frobnicator`"),
        (
            '  File "<frozen runpy>", line 88, in _run_code\n'
            f'  File "{SITE}/frobnicator/__main__.py", line 4, in <module>\n{CALLING}ValueError: no such file\n',
            "a call of `frobnicator`",
        ),
    ],
)
def test_a_failure_of_the_program_is_told_as_that_and_not_as_one_of_the_environment(text: str, owner: str) -> None:
    found = only(text)
    assert (found.role, found.code) == ("unknown", "unknown")
    assert owner in found.what
    assert "nothing in the log shows a fault of the environment" in found.what


@pytest.mark.parametrize("package", ["tensorflow", "keras", "h5py"])
def test_what_fails_while_it_is_imported_itself_is_named_alone(package: str) -> None:
    own = f'  File "{SITE}/{package}/__init__.py", line 3, in <module>\n    x()\n'
    within = f'  File "{SITE}/{package}/core.py", line 5, in x\n    y()\n'
    for text in (USER + own, USER + own + within, USER + IN_KERAS + own + within):
        found = only(f"{text}KeyError: 'frob'\n")
        assert (found.code, f"`{package}` cannot be imported" in found.what) == ("import-failed", True)


@pytest.mark.parametrize(
    "frames",
    [
        "Cell In[1], line 1\n----> 1 import frobnicator\n\n"
        f"File {SITE}/frobnicator/__init__.py:3\n----> 3 from x import y\n\n"
        f"File {SITE}/keras/src/layers/layer.py:290, in Layer.__init__(self, **kwargs)\n--> 290 z()\n\n",
        "<ipython-input-1-abc> in <module>\n----> 1 import frobnicator\n\n"
        f"{SITE}/frobnicator/__init__.py in <module>\n      3 from x import y\n\n"
        f"{SITE}/keras/src/layers/layer.py in __init__(self, **kwargs)\n    290 z()\n\n",
        USER.replace("/home/me/", r"C:\Users\me\x\\")
        + (IMPORTING + IN_KERAS).replace(SITE, r"C:\Users\me\venv\Lib\site-packages").replace("/", "\\"),
    ],
)
def test_frames_of_notebooks_and_of_windows_tell_the_same(frames: str) -> None:
    found = only(f"{frames}ValueError: something new\n")
    assert (found.code, "`frobnicator`" in found.what) == ("companion-mismatch", True)


def test_a_package_of_one_release_that_cannot_be_imported_belongs_to_another() -> None:
    own = IMPORTING.replace("frobnicator", "tensorflow_frobnicator")
    assert only(f"{USER}{own}ValueError: signatures differ\n").code == "companion-mismatch"


def test_of_several_tracebacks_the_last_one_counts() -> None:
    first = (
        f"{USER}{IMPORTING}{IN_KERAS}{KEYWORD}\nDuring handling of the above exception, another exception occurred:\n"
    )
    assert only(f"{first}\nTraceback (most recent call last):\n{USER}KeyError: 'loss'\n").role == "unknown"


def test_the_frames_nearest_to_the_exception_are_kept_in_any_log() -> None:
    caught = "".join(f"Traceback (most recent call last):\n{USER}KeyError: {at}\n" for at in range(_MOST_CLUES))
    deep = USER + IMPORTING + IN_KERAS * 30 + "ValueError: something new\n"
    for before in ("", caught, caught * 4):
        text = f"{before}Epoch 1/2 loss: 0.5\nTraceback (most recent call last):\n{deep}"
        assert diagnose_text(text).findings[0].code == "companion-mismatch"
