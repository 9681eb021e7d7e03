"""What an environment with TensorFlow can do. Prints a line of JSON for each check; the same for every environment.

    ENVIRONMENT/bin/python recreate_check.py

It imports nothing of tfprov and runs on Python 3.9 and newer.
"""

import importlib
import json
import math
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def check_import(_):
    import tensorflow as tf

    product = tf.matmul([[1.0, 2.0]], [[3.0], [4.0]]).numpy()
    assert product.tolist() == [[11.0]], product
    return tf.__version__


def check_fit(_):
    import numpy as np
    import tensorflow as tf

    x = np.random.default_rng(7).normal(size=(512, 8)).astype("float32")
    y = x.sum(axis=1, keepdims=True)
    model = a_model(tf)
    model.compile(optimizer=tf.keras.optimizers.Adam(0.01), loss="mse")
    losses = model.fit(x, y, epochs=5, batch_size=32, verbose=0).history["loss"]
    assert all(map(math.isfinite, losses)), losses
    assert losses[-1] < losses[0] / 2, losses
    return f"loss {losses[0]:.3f} to {losses[-1]:.3f}"


def check_xla(_):
    import numpy as np
    import tensorflow as tf

    def function(x):
        return tf.reduce_sum(tf.nn.softmax(tf.matmul(x, x)) * x, axis=1)

    x = tf.random.normal((64, 64))
    compiled = tf.function(function, jit_compile=True)
    np.testing.assert_allclose(compiled(x).numpy(), function(x).numpy(), rtol=1e-4, atol=1e-5)
    return "the same numbers compiled and not"


def check_save(scratch):
    import numpy as np
    import tensorflow as tf

    model, x = a_model(tf), tf.random.normal((5, 8))
    before = model(x).numpy()
    # The .keras format came with 2.12.
    endings = [".h5"] if version(tf) < (2, 12) else [".keras", ".h5"]
    for ending in endings:
        path = str(scratch / ("model" + ending))
        model.save(path)
        after = tf.keras.models.load_model(path, compile=False)(x).numpy()
        np.testing.assert_array_equal(before, after)
    module = tf.Module()
    module.factor = tf.Variable(3.0)
    module.scale = tf.function(lambda n: n * module.factor, input_signature=[tf.TensorSpec((None,), tf.float32)])
    folder = str(scratch / "saved")
    tf.saved_model.save(module, folder)
    loaded = tf.saved_model.load(folder)
    assert loaded.scale(tf.constant([2.0])).numpy().tolist() == [6.0]
    return ", ".join([*endings, "SavedModel"])


def check_tensorboard(scratch):
    # First what the command `tensorboard` starts with.
    importlib.import_module("tensorboard.main")
    import tensorflow as tf
    from tensorboard import default, program

    logs = str(scratch / "logs")
    with tf.summary.create_file_writer(logs).as_default():
        tf.summary.scalar("loss", 0.25, step=7)
    server = program.TensorBoard(default.get_plugins())
    server.configure([None, "--logdir", logs, "--host", "127.0.0.1", "--port", "0", "--load_fast", "false"])
    address = server.launch()
    ask = build_opener(ProxyHandler({})).open
    give_up = time.monotonic() + 60
    while True:
        with ask(address + "data/plugin/scalars/tags", timeout=30) as answer:
            found = json.load(answer)
        if any("loss" in tags for tags in found.values()):
            return "its server shows the scalar that was written"
        assert time.monotonic() < give_up, f"the server shows {found} after 60 s"
        time.sleep(0.2)


def a_model(tf):
    layers = tf.keras.layers
    return tf.keras.Sequential([layers.Input((8,)), layers.Dense(32, activation="relu"), layers.Dense(1)])


def version(tf):
    return tuple(map(int, tf.__version__.split(".")[:2]))


CHECKS = {
    "import": check_import,
    "fit": check_fit,
    "xla": check_xla,
    "save": check_save,
    "tensorboard": check_tensorboard,
}


def main():
    with tempfile.TemporaryDirectory() as scratch:
        for name, check in CHECKS.items():
            try:
                ok, words = True, check(Path(scratch))
            except Exception as error:
                # Some messages are pages long; their first line is what a person would quote.
                ok, words = False, traceback.format_exception_only(type(error), error)[-1].strip().splitlines()[0]
            print(json.dumps({"check": name, "ok": ok, "words": words}), flush=True)
    # The server has threads that nobody waits for.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
