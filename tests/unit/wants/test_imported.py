from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprov.wants.imported import Imported, imported, project_of


def of(folder: Path, **files: str) -> Imported:
    """What the files import; `__` stands for a dot in their names."""
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return imported(folder)


@pytest.mark.parametrize(
    ("code", "projects"),
    [
        ("import numpy as np, pandas", ("numpy", "pandas")),
        ("import sklearn.svm", ("scikit-learn",)),
        ("from mpl_toolkits.mplot3d import Axes3D", ("matplotlib",)),
        ("from PIL import Image", ("Pillow",)),
        ("from google.protobuf import text_format", ("protobuf",)),
        ("from google import protobuf", ("protobuf",)),
        ("import tensorflow_datasets as tfds", ("tensorflow-datasets",)),
        ("def f():\n    import tqdm", ("tqdm",)),
        ("if __name__ == '__main__':\n    import tqdm", ("tqdm",)),
        # What TensorFlow brings, the standard library in both Pythons, and what is not a package at all.
        ("import tensorflow.keras, keras, tensorboard, os, __future__", ()),
        ("import cPickle, Queue, urllib2", ()),
        ("from . import numpy\nfrom .pandas import x", ()),
        ("from google.colab import drive", ()),
        # What may be missing.
        ("try:\n    import wandb\nexcept ImportError:\n    wandb = None", ()),
        ("try:\n    import wandb\nexcept (ValueError, ModuleNotFoundError):\n    import mlflow", ()),
        ("try:\n    import wandb\nexcept ValueError:\n    pass", ("wandb",)),
        ("try:\n    import wandb\nexcept ImportError:\n    pass\nelse:\n    import tqdm", ("tqdm",)),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\nelse:\n    import tqdm", ("tqdm",)),
        # Text is not code, except where nothing else can be read, in Python 2.
        ('"""\nimport pandas\n"""', ()),
        ("print 'x'\nimport cv2, numpy as np\nfrom scipy.misc import imread", ("numpy", "opencv-python", "scipy")),
        ("\ufeffimport tqdm", ("tqdm",)),
        ("import tqdm\r\nimport scipy\r\n", ("scipy", "tqdm")),
        ("x = '\\d'\nimport tqdm", ("tqdm",)),
    ],
)
def test_the_project_of_each_module_is_found(tmp_path: Path, code: str, projects: tuple[str, ...]) -> None:
    found = of(tmp_path, a__py=code)
    assert (found.projects, found.unknown) == (projects, ())


def test_the_modules_of_the_folder_itself_are_no_packages(tmp_path: Path) -> None:
    (tmp_path / "models" / "numpy").mkdir(parents=True)
    (tmp_path / "models" / "pandas.py").write_text("import helper\n")
    (tmp_path / "models" / "numpy" / "x.py").write_text("")
    found = of(tmp_path, train__py="import numpy, pandas, models, helper, scipy", helper__py="")
    assert (found.projects, found.unknown) == (("scipy",), ())


def test_nothing_is_guessed_about_a_module_that_is_not_known(tmp_path: Path) -> None:
    found = of(tmp_path, a__py="import opencv_pyhton\nfrom google.cloud import storage\n")
    assert (found.projects, found.unknown) == ((), ("google.cloud", "opencv_pyhton"))


def test_notebooks_are_read_cell_by_cell(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "code", "source": ["%matplotlib inline\n", "!pip install x\n", "import seaborn as sns\n"]},
        {"cell_type": "code", "source": "%%javascript\nfunction () { import }"},
        {"cell_type": "markdown", "source": "import pandas"},
        {"cell_type": "code", "source": "import tqdm"},
    ]
    found = of(tmp_path, a__ipynb=json.dumps({"cells": cells}), b__ipynb="{", c__ipynb="[]", d__ipynb='{"cells": 1}')
    assert (found.projects, found.unknown) == (("seaborn", "tqdm"), ())


@pytest.mark.parametrize(
    ("code", "old"),
    [
        ("import tensorflow as tf\nx = tf.placeholder(1)", "a.py: tf.placeholder"),
        ("import tensorflow as t\nt.contrib.layers", "a.py: tf.contrib"),
        ("import tensorflow\ntensorflow.Session()", "a.py: tf.Session"),
        ("print 'x'\nimport tensorflow as tf\ntf.Session()", "a.py: tf.Session"),
        ("import tensorflow.compat.v1 as tf\ntf.Session()", None),
        ("import tensorflow as tf\ntf.compat.v1.Session()", None),
        ("import tensorflow as tf\nif x:\n    tf = tf.compat.v1\ntf.Session()", None),
        ("import boto3 as tf\ntf.Session()", None),
        ("import tensorflow as tf\ntf.Variable(1)", None),
    ],
)
def test_what_only_tensorflow_1_has_is_noticed(tmp_path: Path, code: str, old: str | None) -> None:
    assert of(tmp_path, a__py=code).old == old


def test_a_single_file_is_read_beside_its_neighbours(tmp_path: Path) -> None:
    of(tmp_path, a__py="import b, scipy", b__py="import pandas")
    assert imported(tmp_path / "a.py").projects == ("scipy",)


def test_environments_and_what_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    (tmp_path / "venv" / "x.py").write_text("import pandas")
    if sys.platform != "win32":
        (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
        os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "large.py").write_text("import numpy\n" + "#" * (1 << 20))
    (tmp_path / "deep.py").write_text("x = " + "(" * 5000 + ")" * 5000)
    (tmp_path / "zero.py").write_bytes(b"x = 1\0")
    assert of(tmp_path, a__py="import scipy").projects == ("scipy",)


@given(st.text())
def test_any_text_is_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    # In a folder of its own: what lies beside a file is looked at, too.
    path = tmp_path_factory.mktemp("imported") / "any.py"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    imported(path)


@pytest.mark.parametrize(
    ("module", "project"),
    [("cv2", "opencv-python"), ("tf_agents", "tf-agents"), ("SimpleITK", "SimpleITK"), ("house", None)],
)
def test_a_module_has_one_project(module: str, project: str | None) -> None:
    assert project_of(module) == project


def test_what_the_build_of_a_project_imports_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "setup.py").write_text("import setuptools, Cython\n", encoding="utf-8")
    assert of(tmp_path, setup__py="import setuptools, numpy\n", train__py="import pandas\n") == Imported(
        projects=("pandas",), unknown=(), old=None
    )
