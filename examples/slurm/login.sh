#!/bin/sh
# On the login node, which has no GPU and often the only network: the lock, and the wheels for the nodes.
# `gpu = "later"` below `[smoke]` lets an environment for CUDA be made where none is; each node proves it before a job.
export TFPROV_STORE="${TFPROV_SHARED:-$HOME/tfprov-store}"
profile="${TFPROV_PROFILE:-train.toml}"
tfprov lock "$profile" && tfprov up "$profile" --locked && sbatch array.sbatch
