"""What people do with TensorFlow: train a model, feed it, save it, watch it."""

import importlib.util
import math
import os

import numpy as np
from tfprov_probe import ENVIRONMENT, Failed, Skipped


def run(probe):
    """Training on every device; input, saving and TensorBoard once."""
    tf = probe.tensorflow()
    # Keras keeps counters and dataset iterators that have no GPU kernel; where the model lies is checked instead.
    tf.config.set_soft_device_placement(True)
    steps = 200 if probe.request["level"] == "deep" else 60
    scratch = probe.request["scratch"]
    os.makedirs(scratch, exist_ok=True)
    devices = probe.one_cpu()
    if not probe.leg(ENVIRONMENT, "keras", keras_version, probe, tf):
        return
    for name, device in devices:
        probe.leg(name, "training", training, tf, device, steps)
        probe.leg(name, "mixed-precision", mixed_precision, tf, device, steps)
    # What concerns no device runs on the processor. Left to itself TensorFlow takes the first GPU, and a fault of that
    # would be charged to the environment.
    with tf.device("/CPU:0"):
        probe.leg(ENVIRONMENT, "input-pipeline", input_pipeline, tf)
        probe.leg(ENVIRONMENT, "saved-model", saved_model, tf, scratch)
        probe.leg(ENVIRONMENT, "keras-save", keras_save, tf, scratch)
        probe.leg(ENVIRONMENT, "tensorboard", tensorboard, tf, scratch)


def keras_version(probe, tf):
    """`tf.keras` can be loaded; TensorFlow does that late, so the import proves nothing about it."""
    version = getattr(tf.keras, "__version__", None) or getattr(tf.keras, "version", lambda: "unknown")()
    probe.facts(keras=str(version))
    return f"keras {version}"


def a_model(tf):
    """A network small enough to train in a blink."""
    return tf.keras.Sequential([tf.keras.layers.Dense(16, activation="relu"), tf.keras.layers.Dense(1)])


def train(tf, device, steps, dtype="float32"):
    """First and last loss of a regression that can be learnt; the loss is in float32 whatever the model computes in."""
    generator = np.random.RandomState()
    x = generator.standard_normal((256, 8)).astype(np.float32)
    y = (x @ generator.standard_normal((8, 1))).astype(np.float32)
    with tf.device("/" + device):
        model = a_model(tf)
        optimizer = tf.keras.optimizers.SGD(0.02)
        inputs, target = tf.constant(x), tf.constant(y)

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(tf.cast(model(inputs, training=True), tf.float32) - target))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
            return loss

        model(inputs)
        getattr(optimizer, "build", lambda _: None)(model.trainable_variables)
        losses = [float(step()) for _ in range(steps)]
    for variable in model.trainable_variables:
        where = getattr(variable, "value", variable)
        where = str(getattr(where() if callable(where) else where, "device", device))
        if where and not where.endswith(device):
            raise Failed("gpu-missing-in-tf", f"a weight is on `{where}`, but `{device}` was requested")
    if not all(map(math.isfinite, losses)):
        raise Failed("wrong-number", f"the loss in {dtype} is {next(one for one in losses if not math.isfinite(one))}")
    if not losses[-1] < 0.5 * losses[0]:
        raise Failed(
            "wrong-number", f"the loss in {dtype} went from {losses[0]:.3g} to {losses[-1]:.3g} in {steps} steps"
        )
    return f"{dtype}: the loss fell from {losses[0]:.3g} to {losses[-1]:.3g} in {steps} steps"


def training(tf, device, steps):
    """A small network learns."""
    return train(tf, device, steps)


def mixed_precision(tf, device, steps):
    """The same with half of the bits where the device likes it: float16 on a GPU, bfloat16 on a processor."""
    policy = "mixed_float16" if device.startswith("GPU") else "mixed_bfloat16"
    mixed = tf.keras.mixed_precision
    # Before 2.4 it was experimental.
    choose = getattr(mixed, "set_global_policy", None) or mixed.experimental.set_policy
    choose(policy)
    try:
        return train(tf, device, steps, policy)
    finally:
        choose("float32")


def input_pipeline(tf):
    """Every element arrives once, in order, transformed, through threads and a buffer."""
    data = tf.data.Dataset.range(10_000).map(lambda n: n * 3, num_parallel_calls=tf.data.AUTOTUNE)
    data = data.batch(128).prefetch(tf.data.AUTOTUNE)
    seen = np.concatenate([batch.numpy() for batch in data])
    if not np.array_equal(seen, 3 * np.arange(10_000)):
        raise Failed("wrong-number", "the elements that arrived are not those that were sent")
    return f"{len(seen)} elements"


def saved_model(tf, scratch):
    """A SavedModel gives the same numbers after it was written and read."""

    class Scaled(tf.Module):
        def __init__(self):
            super().__init__()
            self.factor = tf.Variable(tf.random.normal((4,)))

        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32)])
        def __call__(self, x):
            return tf.tanh(x) * self.factor

    module = Scaled()
    x = tf.random.normal((3, 4))
    folder = os.path.join(scratch, "saved")
    tf.saved_model.save(module, folder)
    again = tf.saved_model.load(folder)
    if not np.array_equal(module(x).numpy(), again(x).numpy()):
        raise Failed("wrong-number", "the loaded model gives other results than the saved one")
    return "the same results after saving and loading"


def keras_save(tf, scratch):
    """A Keras model gives the same numbers after it was written and read (h5py takes part in this)."""
    model = tf.keras.Sequential([tf.keras.layers.Input((8,)), *a_model(tf).layers])
    x = tf.random.normal((5, 8))
    before = model(x).numpy()
    # The .keras format came with 2.12.
    ending = ".keras" if tuple(map(int, tf.__version__.split(".")[:2])) >= (2, 12) else ".h5"
    path = os.path.join(scratch, "model" + ending)
    model.save(path)
    after = tf.keras.models.load_model(path)(x).numpy()
    if not np.array_equal(before, after):
        raise Failed("wrong-number", "the loaded model gives other results than the saved one")
    return f"the same results after saving and loading `{ending}`"


def tensorboard(tf, scratch):
    """TensorBoard can be started as far as its plug-ins, and reads what TensorFlow wrote."""
    if importlib.util.find_spec("tensorboard") is None:
        raise Skipped("TensorBoard is not installed")
    importlib.import_module("tensorboard.default").get_plugins()
    accumulator = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    folder = os.path.join(scratch, "events")
    writer = tf.summary.create_file_writer(folder)
    with writer.as_default():
        tf.summary.scalar("loss", 0.25, step=7)
    writer.close()
    events = accumulator.EventAccumulator(folder, size_guidance={"tensors": 0})
    events.Reload()
    (event,) = events.Tensors("loss")
    value = float(tf.make_ndarray(event.tensor_proto))
    if (event.step, value) != (7, 0.25):
        raise Failed("wrong-number", f"wrote 0.25 at step 7, read {value} at step {event.step}")
    return f"tensorboard {importlib.import_module('tensorboard.version').VERSION} reads what was written"
