"""Apple's GPUs: what Metal says when the commands that a program gave it do not come to their end."""

from __future__ import annotations

from tfprov.diagnose.records import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        name="metal-commands",
        code="probe-crashed",
        reads="Metal and its Performance Shaders: commands that ended with an error (MTLCommandBufferError); the reason is some lines below, or behind a number",
        needs=(
            "command buffer exited with error status",
            "of the command buffer was aborted",
            "kiogpucommandbuffercallbackerror",
        ),
        pattern=r"command buffer exited with error status|Execution of the command buffer was aborted|kIOGPUCommandBufferCallbackError\w+",
        examples=(
            "Error: command buffer exited with error status.",
            "Execution of the command buffer was aborted due to an error during execution. Caused GPU Timeout Error (00000002:kIOGPUCommandBufferCallbackErrorTimeout)",
            "Internal Error (0000000e:kIOGPUCommandBufferCallbackErrorInternal)",
        ),
        rank=33,
        follows=("gpu-memory-in-use", "metal-plugin-mismatch"),
    ),
    Rule(
        name="metal-memory",
        code="gpu-memory-in-use",
        reads="Metal: the memory of the GPU, which is that of the machine, is used up",
        needs=("insufficient memory (", "callbackerroroutofmemory", "mps backend out of memory"),
        pattern=r"Insufficient Memory \((?:[0-9a-f]{8}\b|IOAF code)|CallbackErrorOutOfMemory|MPS backend out of memory",
        examples=(
            "Insufficient Memory (IOAF code 8)",
            "Error: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
            "RuntimeError: MPS backend out of memory (MPS allocated: 18.05 GB, other allocations: 1.2 MB, max allowed: 18.13 GB).",
        ),
        rank=57,
    ),
)
