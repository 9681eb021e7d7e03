"""The standard and deep levels: do the kernels of every device compute what they should?

The reference is NumPy in 64 bits, the measure the relative Frobenius error. Inputs are random, new each time, and
rounded to the type under test first, so that the error is the device's own. NaN compares false with everything and so
never passes.
"""

import os
import sys
import time

import numpy as np
from tfprov_probe import ENVIRONMENT, Failed, Skipped, load

FLOAT32 = 1e-5
TF32 = 3e-3
FLOAT16 = 5e-3
BFLOAT16 = 2e-2
SHAPES = ((1, 1, 1), (7, 13, 5), (64, 64, 64), (129, 257, 65), (512, 384, 256), (31, 1024, 33))
# Until 2.11 a processor adds float16 up in float16: over 1024 numbers that alone costs 5e-3.
HALF_SHAPES = tuple(shape for shape in SHAPES if shape[1] <= 400)


def run(probe):
    """Every leg on every device; at the end, which libraries did the work."""
    tf = probe.tensorflow()
    deep = probe.request["level"] == "deep"
    for name, device in probe.devices():
        gpu = device.startswith("GPU")
        probe.leg(name, "matmul-float32", matmul_float32, tf, device)
        probe.leg(name, "matmul-half", matmul_half, tf, device)
        if gpu:
            probe.leg(name, "matmul-tf32", matmul_tf32, tf, device)
        probe.leg(name, "convolution", convolution, tf, device)
        probe.leg(name, "linear-algebra", linear_algebra, tf, device)
        probe.leg(name, "function", traced_function, tf, device)
        if gpu:
            probe.leg(name, "throughput", throughput, tf, device)
        if deep:
            probe.leg(name, "fourier", fourier, tf, device)
            probe.leg(name, "sparse", sparse, tf, device)
            probe.leg(name, "recurrent", recurrent, tf, device)
            probe.leg(name, "repeat", repeat, tf, device)
    probe.leg(ENVIRONMENT, "libraries", libraries, tf)


def rounded(tf, array, dtype):
    """The array as a tensor of that type, and the same numbers in 64 bits."""
    tensor = tf.cast(tf.constant(array, tf.float32), dtype)
    return tensor, tf.cast(tensor, tf.float32).numpy().astype(np.float64)


def error_of(result, reference):
    """Relative Frobenius error; NaN when either is no number, infinite when the shapes differ."""
    result = np.asarray(result)
    if result.shape != np.shape(reference):
        return float("inf")
    wide = result.astype(np.complex128 if np.iscomplexobj(result) else np.float64)
    size = np.linalg.norm(np.ravel(reference))
    off = np.linalg.norm(np.ravel(wide - reference))
    return float(off / size) if size else float(off)


class Judge:
    """Gives random numbers, which can be made again from the seed in the evidence, and judges what comes of them.

    It collects errors against their limits; the evidence names the worst.
    """

    def __init__(self):
        self.seed = int.from_bytes(os.urandom(4), "big")
        self._generator = np.random.RandomState(self.seed)
        self._seen = []

    def normal(self, *shape):
        """Standard normal numbers in 64 bits."""
        return self._generator.standard_normal(shape)

    def see(self, what, result, reference, limit):
        """Compare one result.

        Raises:
            Failed: `wrong-number`.
        """
        error = error_of(result, reference)
        if not error <= limit:
            raise Failed("wrong-number", f"{what}: relative error {error:.2g}, limit {limit:.0e}, seed {self.seed}")
        self._seen.append((error / limit, f"{what} {error:.2g} (limit {limit:.0e})"))

    def __str__(self):
        worst = max(self._seen)[1]
        return f"{len(self._seen)} results, the worst: {worst}, seed {self.seed}"


def placed(tensor, device):
    """The tensor as an array, when it was computed where it should have been.

    Raises:
        Failed: `gpu-missing-in-tf`.
    """
    return load("core").placed_on(tensor, device).numpy()


def exact_float32(tf):
    """Switch TF32 off; a processor has no such switch and needs none."""
    tf.config.experimental.enable_tensor_float_32_execution(False)


def matmul_float32(tf, device):
    """Products of several shapes, with and without transposition."""
    exact_float32(tf)
    judge = Judge()
    for rows, inner, columns in SHAPES:
        with tf.device("/" + device):
            a, a64 = rounded(tf, judge.normal(rows, inner), tf.float32)
            b, b64 = rounded(tf, judge.normal(inner, columns), tf.float32)
            judge.see(f"{rows}x{inner}x{columns}", placed(tf.matmul(a, b), device), a64 @ b64, FLOAT32)
            turned = tf.matmul(b, a, transpose_a=True, transpose_b=True)
            judge.see(f"{rows}x{inner}x{columns} transposed", placed(turned, device), (a64 @ b64).T, FLOAT32)
    return str(judge)


def matmul_half(tf, device):
    """Products in float16 and bfloat16, as far as this release and this device have them."""
    judge = Judge()
    dtypes = [(tf.float16, FLOAT16), (tf.bfloat16, BFLOAT16)]
    kernels = {dtype: has_product(device, dtype) for dtype, _ in dtypes}
    # GPUs compute in it from compute capability 8.0 on.
    kernels[tf.bfloat16] &= not device.startswith("GPU") or capability(tf, device) >= (8, 0)
    dtypes = [(dtype, limit) for dtype, limit in dtypes if kernels[dtype]]
    lacking = "".join(f"; there are no products in {dtype.name} here" for dtype, has in kernels.items() if not has)
    if not dtypes:
        raise Skipped(lacking[2:])
    for rows, inner, columns in HALF_SHAPES:
        for dtype, limit in dtypes:
            with tf.device("/" + device):
                a, a64 = rounded(tf, judge.normal(rows, inner), dtype)
                b, b64 = rounded(tf, judge.normal(inner, columns), dtype)
                result = tf.matmul(a, b)
                placed(result, device)
                wide = tf.cast(result, tf.float32).numpy()
            judge.see(f"{dtype.name} {rows}x{inner}x{columns}", wide, a64 @ b64, limit)
    return str(judge) + lacking


def has_product(device, dtype):
    """Whether this release has a matrix product of that type for that kind of device.

    TensorFlow 2.11 and older have none in bfloat16 for GPUs. A release without this registry is taken to have it.
    """
    try:
        from tensorflow.python.framework.kernels import get_registered_kernels_for_op
    except ImportError:
        return True
    kind = device.partition(":")[0]
    kernels = [each for each in get_registered_kernels_for_op("MatMul").kernel if each.device_type in (kind, "DEFAULT")]
    # A kernel that names no types has them all.
    return any(
        all(dtype.as_datatype_enum in each.allowed_values.list.type for each in kernel.constraint if each.name == "T")
        for kernel in kernels
    )


def capability(tf, device):
    """Compute capability of a GPU as a pair; (0, 0) when it does not say."""
    gpu = tf.config.get_visible_devices("GPU")[int(device.partition(":")[2])]
    return tuple(tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0)))


def matmul_tf32(tf, device):
    """Products with TF32 allowed, as users have it; whether the GPU makes use of it is told by the numbers."""
    tf.config.experimental.enable_tensor_float_32_execution(True)
    try:
        judge = Judge()
        with tf.device("/" + device):
            a, a64 = rounded(tf, judge.normal(512, 512), tf.float32)
            b, b64 = rounded(tf, judge.normal(512, 512), tf.float32)
            result, reference = placed(tf.matmul(a, b), device), a64 @ b64
        judge.see("512x512x512", result, reference, TF32)
        # TF32 keeps 10 bits of each factor, float32 23: the errors lie a factor of a thousand apart.
        used = error_of(result, reference) > FLOAT32
        return f"TF32 is {'' if used else 'not '}in use; {judge}"
    finally:
        exact_float32(tf)


def convolution(tf, device):
    """A two-dimensional convolution, and its gradients for input and filters."""
    exact_float32(tf)
    judge = Judge()
    with tf.device("/" + device):
        x, x64 = rounded(tf, judge.normal(2, 17, 19, 8), tf.float32)
        w, w64 = rounded(tf, judge.normal(3, 3, 8, 16), tf.float32)
        up, up64 = rounded(tf, judge.normal(2, 15, 17, 16), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            y = tf.nn.conv2d(x, w, strides=1, padding="VALID")
            loss = tf.reduce_sum(y * up)
        dx, dw = tape.gradient(loss, [x, w])
    y64 = np.zeros((2, 15, 17, 16))
    dx64, dw64 = np.zeros_like(x64), np.zeros_like(w64)
    for i in range(3):
        for j in range(3):
            window = x64[:, i : i + 15, j : j + 17, :]
            y64 += window @ w64[i, j]
            dw64[i, j] = np.tensordot(window, up64, axes=([0, 1, 2], [0, 1, 2]))
            dx64[:, i : i + 15, j : j + 17, :] += up64 @ w64[i, j].T
    # Winograd kernels trade digits for speed, on every kind of device.
    limit = 10 * FLOAT32
    judge.see("forward", placed(y, device), y64, limit)
    judge.see("gradient of the input", placed(dx, device), dx64, limit)
    judge.see("gradient of the filters", placed(dw, device), dw64, limit)
    return str(judge)


def linear_algebra(tf, device):
    """Cholesky factor, solution of a system and singular values (cuSOLVER on a GPU)."""
    exact_float32(tf)
    judge = Judge()
    with tf.device("/" + device):
        a, a64 = rounded(tf, judge.normal(48, 48), tf.float32)
        spread, spread64 = rounded(tf, a64 @ a64.T / 48 + np.eye(48), tf.float32)
        b, b64 = rounded(tf, judge.normal(48, 3), tf.float32)
        judge.see("cholesky", placed(tf.linalg.cholesky(spread), device), np.linalg.cholesky(spread64), FLOAT32)
        judge.see("solve", placed(tf.linalg.solve(spread, b), device), np.linalg.solve(spread64, b64), 10 * FLOAT32)
        s, u, v = tf.linalg.svd(a)
        judge.see("singular values", placed(s, device), np.linalg.svd(a64, compute_uv=False), 10 * FLOAT32)
        again = tf.matmul(u * s, v, transpose_b=True)
        judge.see("svd put together", placed(again, device), a64, 10 * FLOAT32)
    return str(judge)


def traced_function(tf, device):
    """The same through a traced graph: a loop, a branch and a gradient."""
    exact_float32(tf)
    judge = Judge()

    @tf.function
    def step(x, w):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x
            for _ in tf.range(4):
                y = tf.tanh(tf.matmul(y, w))
            y = tf.cond(tf.reduce_sum(y) > 1e30, lambda: -y, lambda: y)
            loss = tf.reduce_sum(y)
        return y, tape.gradient(loss, x)

    # The counter of a loop lives in host memory on every device; where the results lie is checked all the same.
    tf.config.set_soft_device_placement(True)
    try:
        with tf.device("/" + device):
            x, y64 = rounded(tf, judge.normal(33, 33), tf.float32)
            w, w64 = rounded(tf, judge.normal(33, 33) / 6, tf.float32)
            result, slope = step(x, w)
    finally:
        tf.config.set_soft_device_placement(False)
    steps = []
    for _ in range(4):
        y64 = np.tanh(y64 @ w64)
        steps.append(y64)
    slope64 = np.ones_like(y64)
    for each in reversed(steps):
        slope64 = (slope64 * (1 - each**2)) @ w64.T
    judge.see("four steps of a loop", placed(result, device), steps[-1], 10 * FLOAT32)
    judge.see("their gradient", placed(slope, device), slope64, 10 * FLOAT32)
    return str(judge)


def fourier(tf, device):
    """Transforms there and back (cuFFT on a GPU)."""
    judge = Judge()
    wave = (judge.normal(16, 512) + 1j * judge.normal(16, 512)).astype(np.complex64)
    with tf.device("/" + device):
        judge.see("fft", placed(tf.signal.fft(tf.constant(wave)), device), np.fft.fft(wave.astype(complex)), FLOAT32)
        back = tf.signal.ifft(tf.signal.fft(tf.constant(wave)))
        judge.see("there and back", placed(back, device), wave.astype(complex), FLOAT32)
        real, real64 = rounded(tf, judge.normal(16, 512), tf.float32)
        judge.see("rfft", placed(tf.signal.rfft(real), device), np.fft.rfft(real64), FLOAT32)
    return str(judge)


def sparse(tf, device):
    """A sparse matrix times a dense one (cuSPARSE on a GPU)."""
    judge = Judge()
    dense = judge.normal(60, 40)
    dense[np.abs(dense) < 1.2] = 0
    rows = np.argwhere(dense)
    with tf.device("/" + device):
        values, _ = rounded(tf, dense[tuple(rows.T)], tf.float32)
        left = tf.sparse.SparseTensor(rows.astype(np.int64), values, dense.shape)
        right, right64 = rounded(tf, judge.normal(40, 24), tf.float32)
        result = tf.sparse.sparse_dense_matmul(left, right)
    judge.see("60x40x24", placed(result, device), dense.astype(np.float32).astype(np.float64) @ right64, FLOAT32)
    return str(judge)


def recurrent(tf, device):
    """An LSTM over ten steps (cuDNN's own kernel on a GPU)."""
    exact_float32(tf)
    judge = Judge()
    tf.config.set_soft_device_placement(True)  # Keras keeps counters that have no GPU kernel
    try:
        with tf.device("/" + device):
            x, x64 = rounded(tf, judge.normal(4, 10, 6), tf.float32)
            layer = tf.keras.layers.LSTM(5)
            result = layer(x)
        kernel, recurrent_kernel, bias = (weight.numpy().astype(np.float64) for weight in layer.weights)
    finally:
        tf.config.set_soft_device_placement(False)
    hidden = cell = np.zeros((4, 5))
    for step in range(10):
        gates = x64[:, step] @ kernel + hidden @ recurrent_kernel + bias
        enter, forget, candidate, leave = np.split(gates, 4, axis=1)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(candidate)
        hidden = sigmoid(leave) * np.tanh(cell)
    judge.see("ten steps", placed(result, device), hidden, 10 * FLOAT32)
    return str(judge)


def sigmoid(x):
    """Logistic function."""
    return 1 / (1 + np.exp(-x))


def repeat(tf, device):
    """A hundred products with new numbers, each computed twice: right, and the same bit for bit."""
    exact_float32(tf)
    judge = Judge()
    with tf.device("/" + device):
        # The first product of a shape may choose among algorithms; from the second on the choice stands.
        warm, _ = rounded(tf, judge.normal(128, 128), tf.float32)
        for _ in range(3):
            tf.matmul(warm, warm).numpy()
        for number in range(100):
            a, a64 = rounded(tf, judge.normal(128, 128), tf.float32)
            b, b64 = rounded(tf, judge.normal(128, 128), tf.float32)
            first, second = placed(tf.matmul(a, b), device), placed(tf.matmul(a, b), device)
            judge.see(f"run {number}", first, a64 @ b64, FLOAT32)
            if first.tobytes() != second.tobytes():
                raise Failed("wrong-number", f"run {number} gave another result for the same input, seed {judge.seed}")
    return str(judge)


def throughput(tf, device):
    """A big product takes not much longer than on the processor of the same machine.

    An old GPU beside a hundred new cores may lose and be well; one that takes twice as long is throttled or not used.
    """
    exact_float32(tf)

    def seconds(where):
        with tf.device("/" + where):
            a = tf.random.normal((2048, 2048))
            float(tf.reduce_sum(tf.matmul(a, a)))
            times = []
            for _ in range(5):
                started = time.perf_counter()
                # Reading a number waits for the device; without it only the launch would be timed.
                float(tf.reduce_sum(tf.matmul(a, a)))
                times.append(time.perf_counter() - started)
        return sorted(times)[2]

    host, gpu = seconds("CPU:0"), seconds(device)
    text = f"2048x2048x2048: {2 * 2048**3 / gpu / 1e12:.2f} TFLOP/s, {host / gpu:.1f} times the processor"
    if gpu > 2 * host:
        raise Failed("gpu-unhealthy", text + ": a GPU that is so slow is throttled, shared, or not used")
    return text


def libraries(tf):
    """Which files provide CUDA and TensorFlow in this process: one each, and those of the environment.

    Raises:
        Failed: `cudnn-mismatch`, `gpu-libs-foreign`.
        Skipped: this system does not list a process's files in /proc.
    """
    linkage = load("linkage")
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as stream:
            by_name = linkage.provided(stream)
    except OSError:
        raise Skipped("this system does not list the files that a process has mapped") from None
    own = linkage.libraries_of_environment()
    wrong = []
    for name, paths in sorted(by_name.items()):
        if len(paths) > 1:
            wrong.append((name, f"{name} is loaded {len(paths)} times: {', '.join(sorted(paths))}"))
        mine = own.get(name, set())
        wrong.extend(
            (name, f"{name} is loaded from `{path}`, not from the environment (`{min(mine)}`)")
            for path in sorted(paths)
            if mine and path not in mine
        )
    wrong.extend(linkage.mismatched(by_name, tf.sysconfig.get_build_info()))
    # Up to 2.1 that is not the folder of the module.
    home = os.path.realpath(tf.sysconfig.get_lib())
    wrong.extend(
        (name, f"{name} is loaded from `{path}`, which is not in `{home}`")
        for name, paths in sorted(by_name.items())
        for path in sorted(paths)
        if name.startswith("tensorflow") and not path.startswith(home + os.sep)
    )
    if wrong:
        code = "cudnn-mismatch" if wrong[0][0].startswith("cudnn") else "gpu-libs-foreign"
        raise Failed(code, "\n".join(text for _, text in wrong))
    prefix = os.path.realpath(sys.prefix) + os.sep
    return ", ".join(
        f"{name}: {path[len(prefix) :] if path.startswith(prefix) else path}"
        for name, paths in sorted(by_name.items())
        for path in sorted(paths)
    )
