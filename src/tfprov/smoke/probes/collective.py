"""Do several devices add up to the right sum?

NCCL between GPUs; between logical processors when there is no second GPU.
"""

import time

import numpy as np
from tfprov_probe import ENVIRONMENT, Failed, Skipped

STANDARD = (256, 1 << 22)
DEEP = (256, 1 << 14, 1 << 18, 1 << 22, 1 << 26)


def run(probe):
    """One leg: `all-reduce`."""
    tf = probe.tensorflow()
    tf.config.set_soft_device_placement(True)
    usable = probe.usable()
    gpus = [pair for pair in usable if pair[0].startswith("GPU")]
    # The largest takes a gigabyte for each device: GPUs have it, a small machine's memory does not.
    sizes = DEEP if probe.request["level"] == "deep" and len(gpus) > 1 else STANDARD
    together = gpus if len(gpus) > 1 else [pair for pair in usable if pair[0].startswith("CPU")]
    if len(together) > 1:
        probe.facts(all_reduce=[ours for ours, _ in together])
        probe.leg(ENVIRONMENT, "all-reduce", all_reduce, tf, [theirs for _, theirs in together], sizes)


def all_reduce(tf, devices, sizes):
    """Whole numbers summed over all devices come out exact, at several sizes.

    Raises:
        Failed: `wrong-number`; of a device, when the sums are wrong on that one alone.
    """
    gpu = devices[0].startswith("GPU")
    operations = tf.distribute.NcclAllReduce() if gpu else tf.distribute.ReductionToOneDevice()
    strategy = tf.distribute.MirroredStrategy(["/" + name for name in devices], cross_device_ops=operations)
    if not hasattr(strategy, "experimental_distribute_values_from_function"):
        raise Skipped("before TensorFlow 2.4, values cannot be passed to devices one by one")

    def summed_on_replica(value):
        # What comes into a function carries no device, and NCCL wants to know it: the copy is made on the replica's.
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))

    @tf.function
    def summed(values):
        return strategy.run(summed_on_replica, args=(values,))

    report = []
    for count in sizes:
        generator = np.random.RandomState()
        # Sums of these stay below 2^24, where float32 still counts one by one.
        parts = [generator.randint(0, 1 << 16, count).astype(np.float32) for _ in devices]
        distributed = strategy.experimental_distribute_values_from_function(
            lambda context, parts=parts: on_device(tf, devices, parts, context.replica_id_in_sync_group)
        )
        summed(distributed)
        started = time.perf_counter()
        results = [one.numpy() for one in strategy.experimental_local_results(summed(distributed))]
        seconds = time.perf_counter() - started
        expected = np.sum(parts, axis=0, dtype=np.float64)
        wrong = {
            name: int(np.count_nonzero(result.astype(np.float64) != expected))
            for name, result in zip(devices, results)
            if not np.array_equal(result.astype(np.float64), expected)
        }
        if wrong:
            listed = ", ".join(f"{number} on {name}" for name, number in wrong.items())
            culprit = min(wrong) if len(wrong) == 1 else None
            raise Failed("wrong-number", f"of {count} sums over {', '.join(devices)} are wrong: {listed}", culprit)
        report.append(f"{4 * count} bytes in {seconds * 1000:.1f} ms")
    return f"{', '.join(devices)}: {', '.join(report)}"


def on_device(tf, devices, parts, number):
    """The part of one device, put there: without that all of them would lie on the first GPU until the sum."""
    with tf.device("/" + devices[number]):
        return tf.constant(parts[number])
