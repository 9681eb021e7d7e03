"""Finds what the programs and notebooks of a folder import, for a project without a dependency file."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from packaging.utils import canonicalize_name

from tfprov.contents import content_of
from tfprov.project_folder import files_of
from tfprov.wants.names import MODULES, OF_PYTHON_2
from tfprov.wants.programs import cells_of, without_magics

_MOST_FILES = 2000
_MOST_BYTES = 1 << 20

_OTHER_NAMES = {
    "Bio": "biopython",
    "Crypto": "pycryptodome",
    "IPython": "ipython",
    "Levenshtein": "python-Levenshtein",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "community": "python-louvain",
    "docx": "python-docx",
    "faiss": "faiss-cpu",
    "fitz": "PyMuPDF",
    "google.protobuf": "protobuf",
    "igraph": "python-igraph",
    "jwt": "PyJWT",
    "kerastuner": "keras-tuner",
    "official": "tf-models-official",
    "pptx": "python-pptx",
    "serial": "pyserial",
    "speech_recognition": "SpeechRecognition",
    "umap": "umap-learn",
    "usb": "pyusb",
}
"""The project that contains a module, where the index has another project, or none, under the module's name."""

_SAME_NAME = frozenset(
    """
    albumentations altair autokeras bokeh catboost click cython dash datasets deap django dlib einops
    face_recognition fastapi flask flax gensim gradio graphviz gym gymnasium h5py huggingface_hub hyperopt imageio
    imageio_ffmpeg imgaug imutils ipywidgets jax jaxlib jieba joblib keras_applications keras_cv keras_hub keras_nlp
    keras_preprocessing keras_tuner librosa lightgbm lime lxml matplotlib mediapipe missingno mlflow moviepy mtcnn
    music21 networkx nibabel nltk numba numexpr numpy onnx onnxruntime openpyxl optax optree optuna pandas patsy
    plotly pretty_midi prettytable prophet psutil pyarrow pyautogui pycocotools pydantic pydicom pydot pydub pygame
    pymongo pynput pytesseract pytest pyttsx3 rasterio ray redis regex requests rich sacrebleu scipy scrapy seaborn
    selenium sentencepiece shap shapely SimpleITK six soundfile spacy sqlalchemy statsmodels streamlit sympy tables
    tabulate tensorboardX tensorflow_addons tensorflow_datasets tensorflow_decision_forests tensorflow_federated
    tensorflow_gan tensorflow_graphics tensorflow_hub tensorflow_io tensorflow_model_optimization
    tensorflow_probability tensorflow_ranking tensorflow_recommenders tensorflow_text tensorflow_transform
    tensorlayer termcolor textblob tf2onnx tf_agents tf_keras tf_slim tflearn tfx tifffile tokenizers torch
    torchaudio torchvision tqdm transformers trimesh typer typing_extensions uvicorn visualkeras wandb werkzeug
    wordcloud xarray xgboost xlrd yfinance
    """.split()  # noqa: SIM905 - a list would have a line for each
)
"""Modules in a project of the same name that is known for them."""

# What TensorFlow or the host of a notebook brings, and what Python has, or had before 3.12.
_BROUGHT = (
    frozenset({"google.colab", "keras", "pkg_resources", "tensorboard", "tensorflow", "tensorflow_core"})
    | sys.stdlib_module_names
    | OF_PYTHON_2
    | {"distutils", "imp"}
)
_NAMESPACES = frozenset({"google"})
_OF_TF_1 = frozenset({"Session", "app", "contrib", "get_variable", "global_variables_initializer", "placeholder"})

# For Python 2, which `ast` cannot read.
_IMPORT = re.compile(
    r"^[ \t]*(?:import[ \t]+(?P<modules>[\w., \t]+)|from[ \t]+(?P<module>\w[\w.]*)[ \t]+import\b)", re.M
)
_USE_OF_TF_1 = re.compile(rf"\btf\.(?P<name>{'|'.join(sorted(_OF_TF_1))})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What the programs and notebooks of a folder import, apart from TensorFlow, the standard library and each other.

    Attributes:
        projects: the projects on an index that contain the modules, sorted.
        unknown: modules whose project is not known here, sorted. None is guessed: anybody can register a name.
        old: `file: name` of the first use of something that only TensorFlow 1 has; None without one.
    """

    projects: tuple[str, ...]
    unknown: tuple[str, ...]
    old: str | None


def is_program(path: Path) -> bool:
    """Whether a file is a program or a notebook, by its name."""
    return path.suffix in (".py", ".ipynb")


def imported(path: Path) -> Imported:
    """What a program or notebook imports, or those in a folder and below it. None of their code is run.

    Files that cannot be read are left out, and so are those beyond the first two thousand or larger than 1 MiB.

    Args:
        path: a file, or a folder. What lies in the folder, or in that of the file, is not taken for a package.
    """
    folder = path if path.is_dir() else path.parent
    files = list(islice(filter(is_program, islice(files_of(folder), 20 * _MOST_FILES)), _MOST_FILES))
    own = _BROUGHT | {part for file in files for part in (file.stem, *file.relative_to(folder).parts[:-1])}
    known: set[str] = set()
    unknown: set[str] = set()
    old = None
    # What a `setup.py` imports is for building the project.
    for file in (each for each in files if each.name != "setup.py") if path.is_dir() else (path,):
        modules, of_tf_1 = _read(file)
        theirs = {each for each in modules if each.partition(".")[0] not in own and each not in own}
        if old is None and of_tf_1:
            old = f"{file.relative_to(folder).as_posix()}: tf.{of_tf_1}"
        for module in theirs:
            project = project_of(module)
            (unknown if project is None else known).add(project or module)
    return Imported(projects=tuple(sorted(known, key=str.lower)), unknown=tuple(sorted(unknown)), old=old)


def project_of(module: str) -> str | None:
    """The project on an index that contains a module; None when that is not known.

    Args:
        module: its name up to the first dot, or up to the second where many projects share the first part.
    """
    name = MODULES.get(canonicalize_name(module)) or _OTHER_NAMES.get(module)
    if name is None and module in _SAME_NAME:
        name = module.replace("_", "-")
    return name


def _read(path: Path) -> tuple[set[str], str | None]:
    """The modules that a file imports, and the first name in it that only TensorFlow 1 has."""
    try:
        content = content_of(path, most=_MOST_BYTES)
        if path.suffix == ".ipynb":
            # Cells may be in another language, or be cut off: each is read by itself.
            found = [_of_code(without_magics(cell)) for cell in cells_of(content.decode("utf-8-sig"))]
            return {each for modules, _ in found for each in modules}, next((old for _, old in found if old), None)
        return _of_code(content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, MemoryError):
        return set(), None


def _of_code(code: str | bytes) -> tuple[set[str], str | None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in somebody's code are no matter here
            tree = ast.parse(code)
    except (SyntaxError, ValueError):
        text = code if isinstance(code, str) else code.decode("utf-8", "replace")
        return set(_by_lines(text)), next((each["name"] for each in _USE_OF_TF_1.finditer(text)), None)
    walked = list(_needed(tree))
    aliases = {
        alias.asname or alias.name
        for node in walked
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "tensorflow"
    }
    old = (
        node.attr
        for node in walked
        if isinstance(node, ast.Attribute)
        and node.attr in _OF_TF_1
        and isinstance(node.value, ast.Name)
        and node.value.id in aliases
    )
    # A program that also has `tf.compat.v1` runs with both.
    runs_with_both = any(isinstance(node, ast.Attribute) and node.attr == "compat" for node in walked)
    return {each for node in walked for each in _modules(node)}, None if runs_with_both else next(old, None)


def _needed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those of a block that may fail to import, and of one for a type checker."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.Try) and any(_is_of_imports(each.type) for each in node.handlers):
            # What is imported instead of something that is missing is not needed, either.
            waiting.extend(reversed([*node.orelse, *node.finalbody]))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(reversed(node.orelse))
        else:
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def _is_of_imports(caught: ast.expr | None) -> bool:
    return caught is None or any(name in ast.unparse(caught) for name in ("ImportError", "ModuleNotFoundError"))


def _modules(node: ast.AST) -> Iterable[str]:
    if isinstance(node, ast.Import):
        return [_short(alias.name) for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        if node.module in _NAMESPACES:
            return [f"{node.module}.{alias.name}" for alias in node.names]
        return [_short(node.module)]
    return ()


def _by_lines(text: str) -> Iterator[str]:
    for found in _IMPORT.finditer(text):
        for each in (found["modules"] or found["module"]).split(","):
            if words := each.split():
                yield _short(words[0])


def _short(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[: 2 if parts[0] in _NAMESPACES else 1])
