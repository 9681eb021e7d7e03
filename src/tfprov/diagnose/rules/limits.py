"""Limits that the system sets on a process or a user: open files, processes, threads."""

from __future__ import annotations

from tfprov.diagnose.records import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        name="too-many-files",
        code="limit-reached",
        reads="EMFILE 24, ENFILE 23, Windows 4; fork of shells",
        needs=(
            "inotify",
            "errno 11] resource temporarily",
            "errno 24]",
            "errno 23]",
            "os error 24)",
            "os error 23)",
            "winerror 4]",
            "too many open files",
            "fork: retry",
            "fork: resource temporarily",
        ),
        pattern=r"\[Errno 2[34]\]|os error 2[34]\)|\[WinError 4\]|\[Errno 28\] inotify|inotify watch(?:es)? limit|\[Errno 11\] Resource temporarily unavailable(?![^\s.,'\")])|Too many open files|fork: (?:retry: )?Resource temporarily",
        examples=(
            "OSError: [Errno 24] Too many open files: '/x'",
            "BlockingIOError: [Errno 11] Resource temporarily unavailable",
            "OSError: [Errno 28] inotify watch limit reached",
        ),
        rank=83,
    ),
    Rule(
        name="file-too-large",
        code="limit-reached",
        reads="EFBIG 27, SIGXFSZ: a file larger than `ulimit -f` or the file system allows",
        needs=("errno 27]", "os error 27)", "file size limit exceeded", "sigxfsz"),
        pattern=r"\[Errno 27\]|os error 27\)|File size limit exceeded|SIGXFSZ",
        examples=("ERROR: Could not install packages due to an OSError: [Errno 27] File too large",),
        rank=83,
    ),
    Rule(
        name="no-more-threads",
        code="limit-reached",
        reads="pthread_create, EAGAIN 11: CPython, OpenMP, OpenBLAS, C++, Rust, Go and TensorFlow cannot start a thread",
        needs=(
            "start new thread",
            "pthread_create failed",
            "pthread_create() failed",
            "thread creation failed",
            "failed to spawn thread",
            "failed to create new os thread",
            "unable to create native thread",
            "what():  resource temporarily",
        ),
        pattern=r"(?P<threads>can't start new thread|pthread_create(?:\(\))? failed|Thread creation failed: |failed to spawn thread: |failed to create new OS thread|unable to create native thread|what\(\):  Resource temporarily unavailable)",
        examples=(
            "RuntimeError: can't start new thread",
            "OpenBLAS blas_thread_init: pthread_create failed for thread 31 of 64: Resource temporarily unavailable",
            "libgomp: Thread creation failed: Resource temporarily unavailable",
            "F tensorflow/core/platform/default/env.cc:74] Check failed: ret == 0 (11 vs. 0)Thread tf_numa creation via pthread_create() failed.",
            "runtime: failed to create new OS thread (have 10 already; errno=11)",
            "  what():  Resource temporarily unavailable",
        ),
        rank=83,
        follows=("oom-killed",),
    ),
)
