from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

from tfprov.wants.mend import advice, mended


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("joblib~=1", "joblib~=1.0"),
        ("a<2>=1", "a<2,>=1"),
        ("torch>=1.10.0+cu113", "torch>=1.10.0"),
        ("torch >=1.10+cu113,<2", "torch >=1.10,<2"),
        ("a>=1 <2", "a>=1,<2"),
        ("numpy=1.26", "numpy==1.26.*"),
        ("numpy=1.26.4=py311h_0", "numpy==1.26.4.*"),
        ("numpy=1.26.*", "numpy==1.26.*"),
        ("numpy 1.26", "numpy==1.26"),
        ("numpy: 1.26", "numpy==1.26"),
        ("keras (version 2.3.2)", "keras==2.3.2"),
        ("pydot (for plotting models with keras)", "pydot"),
        ("numpy@1.26", "numpy==1.26"),
        ("numpy^1.26", "numpy>=1.26"),
        ("numpy~1.26", "numpy==1.26.*"),
        ("numpy~1.26.4", "numpy~=1.26.4"),
        ('numpy = "*"', "numpy"),
        ('numpy = "==1.26.4"', "numpy==1.26.4"),
        ("numpy='>=1.26'", "numpy>=1.26"),
        ('numpy = ">=1.26, <2"', "numpy>=1.26, <2"),
        ('numpy = "^1.26"', "numpy>=1.26"),
        ('numpy = "~1.26"', "numpy==1.26.*"),
        ('numpy = "1.26"', "numpy==1.26.*"),
        ("numpy\u00a0==\u00a01.26", "numpy == 1.26"),
        ("numpy\u200b==1.26", "numpy==1.26"),
        ("\ufeffnumpy", "numpy"),
        ("numpy\uff1d\uff1d1.26", "numpy==1.26"),
        ("numpy>=1.26.", "numpy>=1.26"),
        ("numpy>=1.2., <2.", "numpy>=1.2, <2"),
        ("import numpy as np", "numpy"),
        ("numpy as np", "numpy"),
        ("numpy==*", "numpy"),
        ("numpy==latest", "numpy"),
        ("numpy >= Latest", "numpy"),
        ("numpy==1.x", "numpy==1.*"),
        ("numpy>=1.X", "numpy>=1"),
        ("numpy>=1.*", "numpy>=1"),
        ("numpy => 1.2", "numpy >= 1.2"),
        ("numpy > = 1.2", "numpy >= 1.2"),
        ("numpy>=1.2,", "numpy>=1.2"),
        ('"numpy>=1.2",', "numpy>=1.2"),
        ("'numpy'", "numpy"),
        ("- numpy", "numpy"),
        ("* numpy", "numpy"),
        ("scikit\u2013learn", "scikit-learn"),
        ("pip install numpy", "numpy"),
        ("!pip3 install -U numpy", "numpy"),
        ("import numpy", "numpy"),
        ("numpy; python_version < 3.9", 'numpy; python_version < "3.9"'),
        ("numpy; sys_platform == win32", 'numpy; sys_platform == "win32"'),
        ("tqdm#why", "tqdm"),
        ("tqdm==4.0#why", "tqdm==4.0"),
        ("tqdm==4.0 // why", "tqdm==4.0"),
        ("tqdm==4.0 (why)", "tqdm==4.0"),
        ("tqdm==4.0 -- why", "tqdm==4.0"),
        ("1. numpy>=1.2", "numpy>=1.2"),
        ("12) numpy", "numpy"),
        ("- [x] numpy", "numpy"),
        ("+ numpy", "numpy"),
        ("\u2014 numpy", "numpy"),
        ("numpy (1.19)", "numpy==1.19"),
        ("numpy ~> 1.19", "numpy ~= 1.19"),
        ("numpy\u22651.19", "numpy>=1.19"),
        ("numpy \u2264 1.19", "numpy <= 1.19"),
        ("numpy\uff1e\uff1d1.2\uff0c<2", "numpy>=1.2,<2"),
        ("numpy>=1.2 and <2", "numpy>=1.2,<2"),
        ("numpy=='1.19'", "numpy==1.19"),
        ("numpy==\u20181.19\u2019", "numpy==1.19"),
        ("numpy 1.19+", "numpy>=1.19"),
        ("numpy==1,19", "numpy==1.19"),
        ('"numpy": "1.19",', "numpy==1.19"),
    ],
)
def test_what_was_probably_meant(wrong: str, right: str) -> None:
    assert mended(wrong) == right


@pytest.mark.parametrize("text", ["", "???", "a b c", "numpy==", "x @"])
def test_no_guess_where_there_is_none(text: str) -> None:
    assert mended(text) is None


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("numpy==1.19.2 scipy", "each requirement needs a line of its own: `numpy==1.19.2`, `scipy`"),
        ("matplotlib, scipy", "each requirement needs a line of its own: `matplotlib`, `scipy`"),
        ("'numpy', 'scipy==1.5'", "each requirement needs a line of its own: `numpy`, `scipy==1.5`"),
        ("<<<<<<< HEAD", "git left it of a merge: keep the lines of one side, and remove those with its marks"),
        ("=======", "git left it of a merge: keep the lines of one side, and remove those with its marks"),
        (
            ">>>>>>> a1b2c3 (Update)",
            "git left it of a merge: keep the lines of one side, and remove those with its marks",
        ),
        ("numpy=1.26", "did you mean `numpy==1.26.*`?"),
        ("pip install numpy scipy", "each requirement needs a line of its own: `numpy`, `scipy`"),
        ("TensorFlow 2.4 or newer", None),
        ("numpy>=2.4 or keras", None),
        ("???", None),
    ],
)
def test_what_to_write_instead(wrong: str, right: str | None) -> None:
    assert advice(wrong) == right


@given(st.text(max_size=40))
@settings(max_examples=500, derandomize=True)
def test_what_it_gives_is_a_requirement(text: str) -> None:
    better = mended(text)
    assert better is None or Requirement(better).name
