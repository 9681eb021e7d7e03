"""Lines that look like faults and are none."""

from __future__ import annotations

from tfprov.diagnose.records import NOISE, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        name="tf-onednn",
        code=NOISE,
        reads="TensorFlow 2.9 and newer: oneDNN is on and says how to turn it off",
        needs=("onednn custom operations",),
        pattern=r"oneDNN custom operations are on",
        examples=(
            "I tensorflow/core/util/port.cc:153] oneDNN custom operations are on. You may see slightly different "
            "numerical results due to floating-point round-off errors from different computation orders.",
        ),
    ),
)
