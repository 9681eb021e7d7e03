"""Imports that fail, or find another module than the one meant."""

from __future__ import annotations

from tfprov.diagnose.records import NOISE, NOTHING, Case, Rule
from tfprov.errors import Group


def _runs_own_file(module: str) -> str:
    """A pattern for an import of a module that runs a file of its name outside `site-packages`, or is in such a file."""
    frame = rf"File \"(?!.*(?:site|dist)-packages)(?:[^\"]*[/\\])?{module}\.py\", line \d+"
    imported = rf"\b(?:import|from) {module}\b(?:\.\w+)*(?: as \w+| import [\w, ]{{1,80}})?"
    return rf"{imported} [\^~ ]{{0,80}}{frame}|{frame}, in <module> (?:import|from) {module}\b"


_IF_IT_ENDED_THE_PROGRAM = (
    Case(when="not raised-last", code=NOTHING),
    Case(when="read-otherwise", code=NOTHING),
    Case(when="warning-line", code=NOTHING),
    Case(when="skipped", code=NOTHING),
    Case(when="in-build", code="sdist-build-failed"),
)

_CUT = (
    r"(?:unterminated triple-quoted|EOF while scanning triple-quoted|unexpected EOF while parsing|'[(\[{]' was never closed"
    r"|source code (?:string )?cannot contain null bytes)"
)
"""What CPython says of a source file that ends in the middle, or whose blocks were never written."""

_SOURCES_OF_TENSORFLOW = r"File \"(?:\./)?tensorflow[/\\]__init__\.py\", line \d+, in <module>"
"""A frame of a relative path: Python was started in the folder of TensorFlow's sources."""

RULES: tuple[Rule, ...] = (
    Rule(
        name="typing-of-newer",
        code="python-unsupported",
        reads="CPython: a package that was written for a newer Python",
        needs=(
            "unsupported operand type(s) for |",
            "'type' object is not subscriptable",
            "from 'typing'",
            "annotations is not defined",
            "future feature annotations",
            "module 'typing' has no",
        ),
        pattern=r"cannot import name '\w+' from 'typing' \(|unsupported operand type\(s\) for \|: '(?:type|_\w+|\w+Meta)' and|'type' object is not subscriptable|future feature annotations is not defined",
        examples=(
            "ImportError: cannot import name 'Literal' from 'typing' (/usr/lib/python3.7/typing.py)",
            "TypeError: unsupported operand type(s) for |: 'type' and 'NoneType'",
            "TypeError: 'type' object is not subscriptable",
        ),
        rank=56,
        cases=(Case(when="local-file", code="shadowed-module"),),
        follows=("pip-too-old",),
    ),
    Rule(
        name="syntax-of-other-python",
        code="python-unsupported",
        reads="CPython: the code of an installed package is not valid in this Python: the package is written for a newer or an older one",
        needs=("-packages/", "-packages\\", "invalid syntax (pywrap_tensorflow"),
        pattern=rf"File \"[^\"]*(?:site|dist)-packages[/\\](?P<package>\w+)[^\"]*\", line \d+ (?!File ).{{1,300}}? SyntaxError: (?!{_CUT})"
        r"|invalid syntax \(pywrap_tensorflow\w*\.py, line \d+\)",
        examples=(
            '  File "/x/lib/python3.7/site-packages/tensorflow/python/pywrap_tensorflow_internal.py", line 114\n'
            "    def TFE_ContextOptionsSetAsync(arg1, async):\n"
            "                                             ^\n"
            "SyntaxError: invalid syntax",
            "Error: invalid syntax (pywrap_tensorflow_internal.py, line 114)",
        ),
        rank=55,
        span=4,
        cases=(Case(when="in-build", code="sdist-build-failed"),),
    ),
    Rule(
        name="source-cut",
        code="file-damaged",
        reads="CPython: a source file of an installed package that is cut, or was never written whole",
        needs=("-packages/", "-packages\\"),
        pattern=rf"File \"(?P<path>[^\"]*(?:site|dist)-packages[/\\][^\"]*)\", line \d+(?:, in \S+)? (?!File ).{{1,300}}? (?:SyntaxError|ValueError): {_CUT}",
        examples=(
            '  File "/x/lib/python3.11/site-packages/tensorflow/python/framework/ops.py", line 1649\n'
            '    """Returns the value of the attr of this op with the\n'
            "    ^\n"
            "SyntaxError: unterminated triple-quoted string literal (detected at line 1649)",
            '  File "/x/lib/python3.13/site-packages/tensorflow/python/eager/execute.py", line 21, in <module>\n'
            "    from tensorflow.python.framework import dtypes\n"
            "SyntaxError: source code string cannot contain null bytes",
        ),
        rank=66,
        span=4,
    ),
    Rule(
        name="distutils-gone",
        code="python-unsupported",
        reads="Python 3.12 has neither distutils nor imp; old packages import them",
        needs=(
            "no module named 'distutils",
            "no module named 'imp'",
            "no module named 'asyncore'",
            "module 'inspect' has no attribute 'getargspec'",
            "no module named 'collections",
            "module 'collections' has no attribute",
            "attribute 'getargspec'",
            "from 'collections'",
        ),
        pattern=r"No module named '(?:distutils\S*|imp|asyncore)'|'inspect' has no attribute 'getargspec'|module 'collections' has no attribute|cannot import name '\w+' from 'collections'",
        examples=("ModuleNotFoundError: No module named 'distutils'",),
        rank=55,
        cases=(Case(when="asked-by-pip", code="pip-too-old"), Case(when="in-build", code="sdist-build-failed")),
    ),
    Rule(
        name="shadowed",
        code="shadowed-module",
        reads="CPython: a local file or folder of the name of a package",
        needs=(
            "cannot import name",
            "module '",
            "attribute '",
            "is not a package",
            "partially initialized module",
            "has no attribute '__version__'",
            "import numpy from its source",
            "has no attribute 'constant'",
            "has no attribute 'variable'",
            "has no attribute 'keras'",
            "most likely due to a circular import",
            "(unknown location)",
            "has no attribute 'io'",
            "has no attribute 'compat'",
            "shadow",
            "has the same name as the",
            "consider renaming",
        ),
        pattern=r"cannot import name '\w+' from (?:partially initialized module )?'(?P<module>\w+)' (?:\(most likely [^)]*\) )?\((?!.*(?:site|dist)-packages)(?!.*[/\\]lib[/\\]python\d)[^)]*[/\\](?P=module)\.py\)|module '(?:logging|random|types|queue|code|string|copy|json|enum|select|socket|platform|tempfile|token|signal|math|operator|statistics|email|typing|abc|io|struct|ssl)' has no attribute '\w+'|; '(?:tensorflow\w*|tf_\w+|keras\w*|numpy|google|pandas|scipy|torch|sklearn|h5py|matplotlib|PIL|cv2|utils|models)' is not a package|partially initialized module '(?:tensorflow|keras|numpy|h5py|protobuf|pandas|random|types|logging|queue|code|copy|string|typing)'|partially initialized module '(?:tensorflow|keras|numpy|h5py)' has no attribute|module 'tensorflow' has no attribute '(?:__version__|constant|Variable|keras|io|compat)'|import numpy from its source directory"
        r"|cannot import name '\w+' from (?:partially initialized module )?'(?:tensorflow|keras|numpy)' \((?!.*(?:site|dist)-packages)|since it has the same name as the (?:standard library|third-party)|consider renaming (?!<class )",
        examples=(
            "ModuleNotFoundError: No module named 'tensorflow.keras'; 'tensorflow' is not a package",
            "AttributeError: partially initialized module 'tensorflow' has no attribute 'constant' (most likely due to a circular import)",
            "AttributeError: module 'tensorflow' has no attribute '__version__'",
            "ImportError: Error importing numpy: you should not try to import numpy from its source directory; please exit the numpy source tree",
            "ImportError: cannot import name 'BeamDict' from partially initialized module 'beamdict' (most likely due to a circular import) (/home/me/beamdict.py)",
        ),
        rank=66,
        cases=(
            Case(when="deep-import", code="import-failed", rank=30),
            Case(when="older-than-name", code="tensorflow-too-old", rank=57),
        ),
        follows=("numpy-abi", "protobuf-mismatch"),
    ),
    Rule(
        name="circular-import",
        code="import-failed",
        reads="CPython: a module of a package that is asked for a name before it has it; another file of a module's name, or a damaged package",
        needs=("partially initialized module",),
        pattern=r"partially initialized module '(?P<module>\w+\.[\w.]+)'",
        examples=(
            "AttributeError: partially initialized module 'beam.coders' has no attribute 'Coder' (most likely due to a circular import)",
        ),
        rank=22,
        follows=("python-deps",),
    ),
    Rule(
        name="shadow-file-imported",
        code="shadowed-module",
        reads="CPython traceback: an import of TensorFlow, Keras, NumPy or h5py that runs a user's own file of that name, or is in it; TensorFlow's sources in the working directory",
        needs=(
            *('tensorflow/__init__.py", line', 'tensorflow\\__init__.py", line'),
            'h5py.py", line',
            'tensorflow.py", line',
            'keras.py", line',
            'numpy.py", line',
            *("import tensorflow", "import keras", "import numpy", "import h5py"),
            *("from tensorflow", "from keras", "from numpy", "from h5py"),
        ),
        pattern="|".join(_runs_own_file(module) for module in ("tensorflow", "keras", "numpy", "h5py"))
        + f"|{_SOURCES_OF_TENSORFLOW}",
        examples=(
            '  File "tensorflow/__init__.py", line 4, in <module>\n    from tensorflow.python import *',
            '    import tensorflow as tf\n  File "/home/me/project/tensorflow.py", line 3, in <module>',
            '  File "/home/me/project/keras.py", line 1, in <module>\n    from keras.models import Sequential',
        ),
        rank=68,
        span=3,
    ),
    Rule(
        name="shadow-file",
        code="shadowed-module",
        reads="CPython traceback: a frame in a user's own tensorflow.py, keras.py or numpy.py; it may be a part of a package",
        needs=(
            'h5py.py", line',
            'tensorflow.py", line',
            'keras.py", line',
            'numpy.py", line',
            'tensorflow\\__init__.py", line',
        ),
        pattern=r"File \"(?!.*(?:site|dist)-packages)(?P<path>[^\"]*[/\\](?:tensorflow|keras|numpy|h5py)\.py)\", line \d+, in <module>",
        examples=('  File "/home/me/project/tensorflow.py", line 1, in <module>',),
        rank=40,
        follows=("python-deps",),
    ),
    Rule(
        name="path-leak",
        code="path-leak",
        reads="warnings of virtualenv, pip, Python and TensorFlow about PYTHONPATH, the user site and visible system packages",
        needs=(
            "python version mismatch",
            "bad magic number in",
            "pythonpath",
            "user site",
            "user-site",
            "system-site-packages",
            "no_user_site",
            ".local/lib/python",
        ),
        pattern=r"Python version mismatch: module was compiled for|bad magic number in '|PYTHONPATH (?:is set|environment variable|contains|may|leak)|(?:because|due to|from) (?:the )?PYTHONPATH|(?:using|found|loaded|imported) .{0,60}user[- ]site|user[- ]site.{0,40}(?:leak|shadow|overrid)",
        examples=("WARNING: PYTHONPATH is set; modules of /opt/ros/lib/python3.8 hide those of the environment",),
        rank=56,
    ),
    Rule(
        name="user-site-in-traceback",
        code="path-leak",
        reads="CPython traceback: packages of the user site under the Python of an environment",
        needs=("/.local/lib/python", "\\appdata\\roaming\\python"),
        pattern=r"File \"(?P<path>[^\"]*(?:/\.local/lib/python\d[\d.]*|\\AppData\\Roaming\\Python\\Python\d+)[/\\]site-packages[/\\][^\"]+)\"",
        examples=(
            '  File "/home/me/.venv/lib/python3.10/site-packages/x/__init__.py", line 3, in <module>\n'
            '  File "/home/me/.local/lib/python3.10/site-packages/numpy/__init__.py", line 5, in <module>',
        ),
        rank=21,
        cases=(Case(when="not in-environment", code=NOTHING), Case(when="other-faults", code="path-leak", rank=14)),
        follows=("python-deps", "gpu", "platform", "machine", "interpreter"),
    ),
    Rule(
        name="standard-library",
        code="python-broken",
        reads="CPython: a compiled part of the standard library was not built, or cannot be loaded",
        needs=("no module named '_", "no module named _"),
        pattern=r"No module named '?_(?:ctypes|bz2|lzma|sqlite3|struct|socket|hashlib|curses|posixsubprocess|tkinter|uuid|contextvars|decimal|elementtree)\b",
        examples=("ModuleNotFoundError: No module named '_ctypes'",),
        rank=75,
    ),
    Rule(
        name="no-tensorflow",
        code="tf-not-in-env",
        reads="CPython 2 and 3, R: the running Python has no TensorFlow",
        needs=(
            "no module named 'tensorflow",
            "no module named tensorflow",
            'no module named "tensorflow',
            "no module named tf",
            "could not find tensorflow",
            "tensorflow not found",
            "tensorflow is not installed",
            "installation of tensorflow not",
            "module tensorflow was not found",
            "requires the tensorflow library",
        ),
        pattern=r"No module named ['\"]?tensorflow['\"]?(?:\s*$|\s*[^\w.'\"]|\.(?!\w))|tensorflow is not installed|[Ii]nstallation of TensorFlow not found|Python module tensorflow was not found|requires the TensorFlow library but it was not found",
        examples=(
            "ModuleNotFoundError: No module named 'tensorflow'",
            "ImportError: No module named tensorflow",
            "E   ModuleNotFoundError: No module named 'tensorflow'",
            "Error: Valid installation of TensorFlow not found.",
            "TFBertModel requires the TensorFlow library but it was not found in your environment.",
        ),
        rank=44,
        cases=(Case(when="tensorflow-speaks", code=NOISE),),
        follows=("network", "artifact", "machine", "resolve", "interpreter", "platform"),
    ),
    Rule(
        name="tensorflow-incomplete",
        code="import-failed",
        reads="an install of TensorFlow of which files are missing or of two releases",
        needs=(
            "no module named tensorflow.",
            "no module named tensorflow_core",
            "no module named tensorflow_estimator",
            "no module named 'tensorflow.",
            "no module named 'tensorflow_core",
            "no module named 'tensorflow_estimator",
            "from 'tensorflow",
            "pywrap_tensorflow",
            "failed to load the native tensorflow runtime",
            "importerror: traceback",
            "tensorflow.python",
        ),
        pattern=r"No module named '?tensorflow\.(?!keras|python\.keras|contrib|examples|compat\.v1\.contrib)\S+|No module named '?tensorflow_(?:core|estimator)|cannot import name '?\w+'? from 'tensorflow|cannot import name '?pywrap_tensorflow|Failed to load the native TensorFlow runtime",
        examples=(
            "Failed to load the native TensorFlow runtime.",
            "ImportError: cannot import name 'pywrap_tensorflow'",
        ),
        rank=24,
        follows=("python-deps", "gpu", "platform", "machine", "interpreter"),
    ),
    Rule(
        name="tensorflow-module-unsaid",
        code="import-failed",
        reads="CPython 2, which leaves out what it found of a module's name; the line above has it whole",
        needs=("from tensorflow.",),
        pattern=r"\bfrom tensorflow\.(?!contrib|examples|keras)[\w.]+ import .{1,120}? ImportError: No module named (?P<module>\w[\w.]*)$",
        examples=("    from tensorflow.python.layers.core import Dense\nImportError: No module named layers.core",),
        rank=24,
        span=2,
        follows=("python-deps", "gpu", "platform", "machine", "interpreter"),
    ),
    Rule(
        name="several-tensorflows",
        code="several-tensorflows",
        reads="TensorFlow: one thing registered twice, because two copies are loaded",
        needs=(
            "copies of tensorflow",
            "installations of tensorflow",
            "opkernel",
            "op with name",
            "attempting to register",
            "registered twice",
            "already registered",
            "multiple tensorflow",
            "duplicate flag",
            "versions of tensorflow",
        ),
        pattern=r"Multiple OpKernel registrations match|Already exists: Op with name|op \S+ already registered|registered twice|multiple (?:versions|copies|installations) of tensorflow|(?<!factory )Attempting to register .{0,40}twice",
        examples=(
            "InvalidArgumentError: Multiple OpKernel registrations match NodeDef at the same priority '{{node x}}'",
            "F core/platform/file_system.cc:12] Attempting to register the filesystem scheme twice",
            "F op.cc:202] Non-OK-status: RegisterAlreadyLocked(deferred_[i].get()) status: Already exists: Op with name Abort",
        ),
        rank=56,
    ),
    Rule(
        name="name-of-package-missing",
        code="import-failed",
        reads="CPython 3.7+: an installed package lacks a name that another part of it or another package imports",
        needs=("cannot import name",),
        pattern=r"cannot import name '\w+' from '(?P<module>[\w.]+)' \([^)]{0,400}?(?:site|dist)-packages",
        examples=(
            "ImportError: cannot import name 'warning' from 'frobnicator.utils' (/usr/lib/python3.11/site-packages/frobnicator/utils.py)",
        ),
        rank=20,
        follows=("python-deps", "platform", "gpu", "interpreter", "machine"),
    ),
    Rule(
        name="attribute-of-package-missing",
        code="import-failed",
        reads="CPython: an installed package asks another one for what it does not have, or refuses to be imported: their releases do not go together, or it is another package of that name",
        needs=("has no attribute", "importerror: "),
        pattern=r"^(?:E\s+)?ImportError: [A-Z]|\bmodule '(?P<module>[\w.]+)' has no attribute '(?P<attribute>\w+)'|'module' object has no attribute '(?P<attribute__py2>\w+)'",
        examples=(
            '  File "/x/site-packages/jax_plugins/xla_cuda12/__init__.py", line 103, in initialize\n'
            "    triton.register_handler(\n"
            "AttributeError: module 'jax._src.lib.triton' has no attribute 'register_handler'",
            '  File "/x/site-packages/horovod/common/__init__.py", line 48, in check_extension\n'
            "ImportError: Extension horovod.tensorflow has not been built.",
        ),
        rank=18,
        cases=(
            Case(when="not raised-last", code=NOTHING),
            Case(when="asked-by-generated", code="protobuf-mismatch", rank=54),
            Case(when="not asked-by-package", code=NOTHING),
            Case(when="read-otherwise", code=NOTHING),
        ),
        follows=tuple(sorted({group.label for group in Group})),
    ),
    Rule(
        name="import-unexplained",
        code="import-failed",
        reads="CPython: a module or a name that an import did not find, where no other rule says why",
        needs=("no module named", "cannot import name"),
        pattern=r"(?<!_: )(?:No module named|[Cc]annot import name) '?(?P<module>[\w.]+)",
        examples=("ModuleNotFoundError: No module named 'frobnicator'", "ImportError: cannot import name 'frobnicate'"),
        rank=12,
        cases=(Case(when="of-own-file", code=NOTHING), *_IF_IT_ENDED_THE_PROGRAM),
        follows=tuple(sorted({group.label for group in Group})),
    ),
    Rule(
        name="import-advised",
        code="import-failed",
        reads="packages whose own words for a module that is missing name what to install",
        needs=("importerror:", "modulenotfounderror:", "not all required packages are installed"),
        pattern=r"(?:ImportError|ModuleNotFoundError):.{0,200}(?:[Pp]lease install|[Mm]ust install|pip install|[`'\"]? (?:package|library) but it was not found|is not installed|[Tt]he use of .{1,40} requires \w+)|Not all required packages are installed\.",
        examples=(
            "ImportError: WordPieceTokenizer requires the `tensorflow-text` package. Please install with `pip install tensorflow-text`.",
            "ImportError: You must install pydot (`pip install pydot`) for plot_model to work.",
            "ImportError: accelerate is not installed",
            "ImportError: Could not import PIL.Image. The use of `load_img` requires PIL.",
            "Exception: Not all required packages are installed. Please install sklearn_crfsuite, spacy",
            "ImportError:\nAutoImageProcessor requires the PIL library but it was not found in your environment.",
        ),
        rank=12,
        span=2,
        cases=_IF_IT_ENDED_THE_PROGRAM,
        follows=tuple(sorted({group.label for group in Group})),
    ),
    Rule(
        name="version-check",
        code="import-failed",
        reads="packages that check another one's version when they are imported: Numba, JAX, pandas, Matplotlib, transformers and others",
        needs=(
            "numba needs numpy",
            "numba requires",
            "installed llvmlite",
            "for a normal functioning of this module",
            "incompatible with jax",
            "version of jax requires",
            "currently installed)",
            "pandas requires",
            "pandas is incompatible",
            "matplotlib requires",
            "torchvision::nms",
        ),
        pattern=r"Numba (?:needs NumPy|requires at least version)|(?<![\w.-])(?P<requirement>[\w.-]{1,80}[<>=!~][\w.,<>=!~]{0,80}) is required for a normal functioning of this module|jaxlib version \S+ is newer than and incompatible with jax|this version of jax requires version|\b(?P<package>\w{1,60}) requires version '[\d.]+' or newer of '\w+' \(version '[\d.]+' currently installed\)|this version of pandas is incompatible with|(?:[Pp]andas|Matplotlib) requires \w+ ?>=|operator torchvision::nms does not exist",
        examples=(
            "ImportError: Numba needs NumPy 2.0 or less. Got NumPy 2.2.",
            "ImportError: tokenizers>=0.11.1,!=0.11.3,<0.14 is required for a normal functioning of this module, but found tokenizers==0.19.1.",
            "RuntimeError: jaxlib version 0.4.1 is newer than and incompatible with jax version 0.3.25. Please update your jax and/or jaxlib packages.",
            "ImportError: Pandas requires version '1.3.2' or newer of 'bottleneck' (version '1.2.1' currently installed).",
            "RuntimeError: operator torchvision::nms does not exist",
        ),
        rank=50,
        follows=("numpy-abi", "protobuf-mismatch"),
    ),
)
