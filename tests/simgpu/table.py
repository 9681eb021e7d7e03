"""Write the table of kernels that a CUDA build of TensorFlow has for GPUs and a CPU build of the same release lacks.

    python table.py CUDA_ENVIRONMENT/bin/python CPU_ENVIRONMENT/bin/python > kernels-2.21.txt

Needs no GPU. A line is one operation with the arguments that stay in host memory and, for each of its type attributes,
the types for which there is a kernel: `Fill dims|T=float32,float64|index_type=int32,int64`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict

DUMP = """
import json
from tensorflow.python.framework import dtypes, kernels

rows = [
    [one.op, sorted(one.host_memory_arg), sorted(
        [each.name, sorted(dtypes.as_dtype(number).name for number in each.allowed_values.list.type)]
        for each in one.constraint
    )]
    for one in kernels.get_all_registered_kernels().kernel
    if one.device_type == "GPU" and not one.label
]
print(json.dumps(rows))
"""

Constraint = tuple[str, tuple[str, ...]]
Kernel = tuple[str, tuple[str, ...], tuple[Constraint, ...]]


def kernels(python: str) -> set[Kernel]:
    """Kernels for GPUs that the TensorFlow of that interpreter registers."""
    done = subprocess.run([python, "-c", DUMP], check=True, stdout=subprocess.PIPE)
    return {
        (name, tuple(host), tuple((attribute, tuple(types)) for attribute, types in constraints))
        for name, host, constraints in json.loads(done.stdout.splitlines()[-1])
    }


def merged(found: set[Kernel]) -> list[Kernel]:
    """The same kernels in fewer lines: those that differ in the types of one attribute become one."""
    for position in range(max(len(constraints) for _, _, constraints in found)):
        groups: dict[tuple[object, ...], set[str]] = defaultdict(set)
        for name, host, constraints in found:
            others = tuple(each for number, each in enumerate(constraints) if number != position)
            mine = constraints[position] if position < len(constraints) else ("", ())
            groups[name, host, others, mine[0]].update(mine[1])
        found = {
            (
                name,
                host,
                others[:position] + (((attribute, tuple(sorted(types))),) if attribute else ()) + others[position:],
            )
            for (name, host, others, attribute), types in groups.items()
        }
    return sorted(found)


for name, host, constraints in merged(kernels(sys.argv[1]) - kernels(sys.argv[2])):
    print("|".join([" ".join([name, *host]), *(f"{attribute}={','.join(types)}" for attribute, types in constraints)]))
