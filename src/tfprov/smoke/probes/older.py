"""Today's names for what older releases of TensorFlow call otherwise, so that the legs are written once."""

import inspect

from tfprov_probe import Skipped


def renewed(tf):
    """The module with the names of today; of TensorFlow 1.15 its own preview of TensorFlow 2."""
    if tf.__version__.startswith("1."):
        tf = tf.compat.v2
        tf.enable_v2_behavior()
    config = tf.config
    early = config.experimental
    for name in ("list_physical_devices", "list_logical_devices", "get_visible_devices", "set_visible_devices"):
        _fill(config, name, lambda name=name: getattr(early, name))
    _fill(config, "LogicalDeviceConfiguration", lambda: early.VirtualDeviceConfiguration)
    _fill(config, "set_logical_device_configuration", lambda: early.set_virtual_device_configuration)
    # Before 2.4 nothing was ever computed in TF32.
    _fill(early, "enable_tensor_float_32_execution", lambda: lambda _enabled: None)
    _fill(tf.sysconfig, "get_build_info", lambda: dict)
    _fill(tf.data, "AUTOTUNE", lambda: tf.data.experimental.AUTOTUNE)
    known = inspect.signature(tf.function).parameters
    if "jit_compile" not in known:
        tf.function = _compiling(tf.function, "experimental_compile" in known)
    return tf


def _fill(module, name, find):
    if not hasattr(module, name):
        setattr(module, name, find())


def _compiling(function, can_compile):
    """`tf.function` that takes `jit_compile`."""

    def renamed(func=None, jit_compile=None, **options):
        if jit_compile and not can_compile:
            raise Skipped("this release compiles whole programs only")
        if jit_compile:
            options["experimental_compile"] = True
        return function(func, **options)

    return renamed
