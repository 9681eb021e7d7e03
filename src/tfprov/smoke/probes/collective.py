"""Do several devices add up to the right sum?

NCCL between GPUs; between logical processors when there is no second GPU.
"""

from __future__ import annotations

import time

import numpy as np
from tfprov_probe import ENVIRONMENT, Failed

STANDARD = (256, 1 << 22)
DEEP = (256, 1 << 14, 1 << 18, 1 << 22, 1 << 26)


def run(probe):
    """One leg: `all-reduce`."""
    tf = probe.tensorflow()
    tf.config.set_soft_device_placement(True)
    names = [device for _, device in probe.devices()]
    gpus = [name for name in names if name.startswith("GPU")]
    # The largest takes a gigabyte for each device: GPUs have it, a small machine's memory does not.
    sizes = DEEP if probe.request["level"] == "deep" and len(gpus) > 1 else STANDARD
    together = gpus if len(gpus) > 1 else [name for name in names if name.startswith("CPU")]
    if len(together) > 1:
        probe.leg(ENVIRONMENT, "all-reduce", all_reduce, tf, together, sizes)


def all_reduce(tf, devices, sizes):
    """Whole numbers summed over all devices come out exact, at several sizes."""
    gpu = devices[0].startswith("GPU")
    operations = tf.distribute.NcclAllReduce() if gpu else tf.distribute.ReductionToOneDevice()
    strategy = tf.distribute.MirroredStrategy(["/" + name for name in devices], cross_device_ops=operations)
    report = []
    for count in sizes:
        generator = np.random.default_rng()
        # Sums of these stay below 2^24, where float32 still counts one by one.
        parts = [generator.integers(0, 1 << 16, count).astype(np.float32) for _ in devices]

        stacked = [tf.constant(part) for part in parts]
        distributed = strategy.experimental_distribute_values_from_function(
            lambda context, stacked=stacked: stacked[context.replica_id_in_sync_group]
        )

        @tf.function
        def summed(values):
            return strategy.run(
                lambda value: tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value),
                args=(values,),
            )

        summed(distributed)
        started = time.perf_counter()
        results = [one.numpy() for one in strategy.experimental_local_results(summed(distributed))]
        seconds = time.perf_counter() - started
        expected = np.sum(parts, axis=0, dtype=np.float64)
        for name, result in zip(devices, results):
            if not np.array_equal(result.astype(np.float64), expected):
                wrong = int(np.count_nonzero(result != expected))
                raise Failed("wrong-number", f"on {name} {wrong} of {count} sums are wrong")
        report.append(f"{4 * count} bytes in {seconds * 1000:.1f} ms")
    return f"{len(devices)} devices: {', '.join(report)}"
