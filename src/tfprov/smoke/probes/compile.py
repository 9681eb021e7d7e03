"""XLA: does compiling for the device work, how long does it take, and is the result right?"""

import time

from tfprov_probe import Failed, load

SLOW_S = 60.0


def run(probe):
    """One leg a graph and device."""
    tf = probe.tensorflow()
    for name, device in probe.one_cpu():
        probe.leg(name, "xla", chain, tf, device)
        if probe.request["level"] == "deep":
            probe.leg(name, "xla-softmax", softmax, tf, device)
            probe.leg(name, "xla-loop", loop, tf, device)


def compared(tf, device, function, inputs, *, what, limit):
    """Compile, run twice, and compare with the same function uncompiled in 64 bits on the processor."""
    numerics = load("numerics")
    numerics.exact_float32(tf)
    judge = numerics.Judge()
    compiled = tf.function(function, jit_compile=True)
    arrays = [judge.normal(*shape) for shape in inputs]
    with tf.device("/" + device):
        tensors = [tf.constant(array, tf.float32) for array in arrays]
        started = time.perf_counter()
        result = compiled(*tensors)
        array = numerics.placed(result, device)
        first = time.perf_counter() - started
        started = time.perf_counter()
        again = compiled(*tensors).numpy()
        second = time.perf_counter() - started
    with tf.device("/CPU:0"):
        wide = [tf.cast(tf.constant(each, tf.float32), tf.float64) for each in arrays]
        reference = function(*wide).numpy()
    judge.see(what, array, reference, limit)
    judge.see(f"{what}, second call", again, reference, limit)
    text = f"first call {first:.2f} s, second {second * 1000:.1f} ms; {judge}"
    if first > SLOW_S:
        raise Failed("gpu-arch-unsupported", f"{text}: code for this device is compiled anew each time")
    return text


def chain(tf, device):
    """Products and element-wise operations in one cluster."""
    return compared(
        tf,
        device,
        lambda x, w: tf.tanh(tf.matmul(x, w) * 0.1) + tf.nn.relu(tf.matmul(x, w)),
        ((96, 64), (64, 80)),
        what="products and tanh",
        limit=1e-5,
    )


def softmax(tf, device):
    """Reductions along an axis."""
    return compared(
        tf,
        device,
        lambda x: tf.nn.softmax(x, axis=-1) - tf.reduce_mean(x, axis=0, keepdims=True),
        ((128, 77),),
        what="softmax and mean",
        limit=1e-5,
    )


def loop(tf, device):
    """A loop that stays inside the compiled program."""

    def body(x, w):
        for _ in range(5):
            x = tf.sin(tf.matmul(x, w) * 0.1)
        return x

    return compared(tf, device, body, ((32, 32), (32, 32)), what="five steps", limit=1e-4)
