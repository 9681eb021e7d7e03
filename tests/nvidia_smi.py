"""What nvidia-smi prints about a machine."""

from __future__ import annotations

SMI = (
    "0, NVIDIA H100 80GB HBM3, GPU-1, 00000000:1A:00.0, 550.144.03, 81559, 1023, "
    "Default, Disabled, Enabled, Enabled, 9.0\n"
    "1, NVIDIA GeForce GTX 980, GPU-2, 00000000:1B:00.0, 550.144.03, 4096, 0, "
    "Exclusive_Process, [N/A], [N/A], Disabled, 5.2\n"
)
