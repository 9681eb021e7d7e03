"""What only speaks of faults, or repairs them, is none: documents, change logs, programs, and work that went well."""

# ruff: noqa: E501  texts as they are

from __future__ import annotations

import pytest

from tfprov.diagnose.diagnose import diagnose_text

DOCUMENTS = (
    "## Installation\n\nPython 3.9 to 3.12 are supported. Use pip 20.3 or newer.\n\n    pip install ourpackage[gpu]\n",
    "If the import fails, look at the driver first: `nvidia-smi` prints its version and that of CUDA.",
    "We recommend a fresh environment for each project, so that packages of one cannot break another.",
    "The module has no attribute docs yet; contributions are welcome.",
    "Keras is not a package of ours; see its own documentation for how to save models.",
    "This guide shows how TensorFlow finds CUDA, and what to do when it does not.",
    "Wheels for Linux on ARM are built nightly. On Windows, install the Visual C++ runtime first.",
    "numpy is imported as np and tensorflow as tf throughout this book.",
    "Attributes of a module are looked up lazily, so the name need not be there when the module is imported.",
    "You can import names from keras.layers directly, which is what the examples do.",
    "FAQ: why is my GPU not used? Because nobody asked for it: set `accelerator` in the profile.",
    "| error | meaning |\n| --- | --- |\n| E1 | the file is not there |\n| E2 | the disk has no room |\n",
    "To restrict the memory that TensorFlow takes of a GPU, call `tf.config.experimental.set_memory_growth`.",
    "The type of an object is not always what its name says; use isinstance.",
    "Certificates are checked against the system's store; a proxy's own certificate has to be there too.",
    "Large files are downloaded in pieces; one that was cut is asked for again.",
)
ADVICE = (
    'Failure "ImportError: DLL load failed"\n\nIf you run into this error, the Visual C++ runtime is not installed yet.\n',
    "- on Windows ([what to do about 'DLL load failed while importing win32api'](https://host.example/q/1))\n",
    '"""Stubs for what is not installed.\n\nIf you get "ImportError: DLL load failed while importing _C", install the runtime.\n"""\n',
    'If you get "ImportError: DLL load failed while importing _ops: The module could not be found", install the runtime.',
    '#### An "ImportError: DLL load failed" with Python 3.6\n\nThe runtime of Visual C++ 2015 is missing there.\n',
    "If you are faced with the error\n\n    >>> import ours\n    ImportError: DLL load failed while importing _ours: The specified module could not be found\n\nplease install the newest runtime.\n",
    "**Symptoms**: `CUDA error: device-side assert triggered` or `Assertion failed`\n\n- set `num_classes` to that of your data\n",
    "The kernel asserts, as it should, and the message is: device-side assert triggered\n",
    "A device-side assert triggered by a wrong label is found with CUDA_LAUNCH_BLOCKING=1.",
    "This article is about the `ModuleNotFoundError: No module named 'tensorflow.python.trackable'` of Keras.",
    "When you see an error such as `[Errno 28] No space left on device`, empty the cache and start again.",
    "### The disk is full\n\nIf you encounter this problem:\n\n    OSError: [Errno 28] No space left on device\n\nempty the cache.\n",
)
CHANGELOGS = (
    "- Fixed: the loader no longer fails where a module was renamed in Keras 3.",
    "- Removed the option `--retry`; connections that time out are tried again by default.",
    "* Support NumPy 2 (#812), Python 3.13 (#840) and protobuf 5 (#851)\n* Drop Python 3.8\n",
    "### 2.3.1\n\n- Import of the plug-in does not need a GPU any more\n- Requires TensorFlow, in any release of this year\n",
    "- The message for a missing library now names the package that brings it.",
    "- Bump numpy from 1.26.4 to 2.0.1, h5py from 3.10 to 3.11",
    "- Works around a bug of conda in which the solver took minutes.",
)
PROGRAMS = (
    "try:\n    import tensorflow as tf\nexcept ImportError:\n    tf = None\n",
    "from collections import OrderedDict\nfrom typing import Any\nimport numpy as np\nfrom keras import layers\n",
    "if hasattr(tf, 'function'):\n    step = tf.function(step)\n",
    "with pytest.raises(ValueError, match='must be positive'):\n    model.fit(x, epochs=-1)\n",
    'class MissingModule(Exception):\n    """A module that the user asked for is not there."""\n',
    "export LD_LIBRARY_PATH=/usr/local/cuda/lib64:$LD_LIBRARY_PATH\nexport CUDA_HOME=/usr/local/cuda\n",
    "logger.warning('no GPU, falling back to %s', device)\nreturn cpu_strategy\n",
    'FROM python:3.12-slim\nRUN pip install --no-cache-dir tensorflow\nCMD ["python", "train.py"]\n',
    "def has_attribute(module, name):\n    return getattr(module, name, None) is not None\n",
)
WORK = (
    "$ pip install ourpackage\nCollecting ourpackage\n  Downloading ourpackage-1.2-py3-none-any.whl (12 kB)\nInstalling collected packages: ourpackage\nSuccessfully installed ourpackage-1.2\n",
    "collected 212 items\n\ntests/test_errors.py::test_connection_is_refused PASSED\ntests/test_errors.py::test_disk_is_full PASSED\n\n212 passed in 3.21s\n",
    "Epoch 1/2\n100/100 - 1s - loss: 0.3128\nEpoch 2/2\n100/100 - 1s - loss: 0.2013\n",
    "[1/3] Compiling errors.cc\n[2/3] Compiling exceptions.cc\n[3/3] Linking libours.so\nBuild completed successfully\n",
    "Resolved 48 packages in 1.02s\nInstalled 48 packages in 210ms\n + numpy==2.1.3\n + tensorflow==2.18.0\n",
    "0 errors, 0 warnings, 12 files checked\n",
    "#7 [3/5] RUN pip install -r requirements.txt\n#7 12.3 Successfully installed absl-py-2.1.0 keras-3.5.0\n#7 DONE 13.1s\n",
    "GPU 0: Tesla T4 (UUID: GPU-0)\n[PhysicalDevice(name='/physical_device:GPU:0', device_type='GPU')]\n",
    "fail2ban and errbot are up to date\n",
    "Checking for broken links … none found\nChecking for missing modules … none\nAll checks passed!\n",
)


@pytest.mark.parametrize("text", (*DOCUMENTS, *ADVICE, *CHANGELOGS, *PROGRAMS, *WORK))
def test_what_only_speaks_of_faults_is_none(text: str) -> None:
    assert [one for one in diagnose_text(text).findings if one.role != "noise"] == []


FULL = "OSError: [Errno 28] No space left on device\n"


@pytest.mark.parametrize(
    "text",
    [
        f"I tensorflow/core/util/port.cc:116] oneDNN operations are on. If you experience issues, please turn them off.\n{FULL}",
        f'  File "/x/setup.py", line 3, in <module>\n{FULL}If you see this error, empty the cache.\n',
        "If you see this error, empty the cache.\n" + "step\n" * 9 + FULL,
    ],
)
def test_what_failed_beside_advice_is_found(text: str) -> None:
    root = diagnose_text(text).root
    assert root is not None
    assert root.code == "disk-full"
