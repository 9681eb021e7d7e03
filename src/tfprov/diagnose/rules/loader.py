"""The dynamic loaders of Linux and macOS."""

from __future__ import annotations

from tfprov.diagnose.records import NOTHING, Case, Rule

_CUDA = r"lib(?:cuda(?:rt|nn)?|cudart|cudnn\w*|cublas(?:Lt)?|cufft|cufftw|curand|cusolver\w*|cusparse|cupti|nccl|nvrtc[\w-]*|nvinfer\w*|nvJitLink|cudadevrt|nvToolsExt)"

OF_WHEELS = r"lib(?:arrow|parquet|torch|c10|caffe2|onnxruntime|xgboost|_lightgbm|mkl_)\w*|[\w.+-]{1,60}-[0-9a-f]{8}"
"""Libraries that only a wheel brings: those of pyarrow, torch and the like, and what auditwheel has renamed."""
_OWN_RULES = (
    r"libcu|libnv|libhdf5(?!_serial)|libnccl|libamd|libroc|libmcwamp|libhc_am|libhip|libr?ccl|libMIOpen|libpython|libtensorflow|libtpu"
    rf"|(?:{OF_WHEELS})\.so"
)
"""How libraries begin that have a rule of their own."""
_CANNOT = ("failed to", "unable to", "cannot", "could not", "can't")
_VERBS = ("import", "load", "find", "open", "locate")

RULES: tuple[Rule, ...] = (
    Rule(
        name="glibc-symbol",
        code="glibc-too-old",
        reads="ld.so: a version of GLIBC, GLIBCXX or CXXABI that the library asks for and the system lacks",
        needs=(
            "requires glibc",
            "glibc_",
            "glibcxx_",
            "cxxabi_",
            "glibc ",
            "glibc<",
            "libstdc++",
            "fatal: kernel too old",
        ),
        pattern=r"(?P<symbol>\b(?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)['\"]? not found|requires glibc ?>?=? ?[\d.]+|glibc [\d.]+ (?:is )?(?:too old|or (?:newer|later) is required)|libstdc\+\+\.so\.6: version"
        r"|FATAL: kernel too old",
        examples=(
            "ImportError: /lib64/libm.so.6: version `GLIBC_2.27' not found (required by /x/_pywrap_tensorflow_internal.so)",
            "ImportError: /usr/lib/x86_64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.29' not found (required by /x.so)",
            "FATAL: kernel too old",
        ),
        rank=68,
    ),
    Rule(
        name="musl-loader",
        code="musl-libc",
        reads="musl's loader given a glibc library: missing loader, missing symbols",
        needs=("ld-linux", "error relocating", "ld-musl", "libc.musl"),
        pattern=r"ld-linux-(?:x86-64|aarch64)\.so\.\d: (?:No such file|cannot open)|Error loading shared library ld-linux|Error relocating \S+: \S+: symbol not found|ld-musl|libc\.musl",
        examples=(
            "Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by /usr/lib/python3.11/site-packages/x.so)",
            "Error relocating /usr/lib/libfoo.so: __memcpy_chk: symbol not found",
        ),
        rank=85,
    ),
    Rule(
        name="cuda-library-missing",
        code="gpu-libs-missing",
        reads="ld.so and musl: a CUDA or cuDNN library that nothing brings",
        needs=("cannot open shared object file",),
        pattern=rf"(?<!dlerror: )\b(?P<library>{_CUDA}\.so[.\d]*): cannot open shared object file"
        rf"|could not dlopen DSO: (?P<library__fatal>{_CUDA}\.so[.\d]*); dlerror: .{{0,200}}cannot open shared object file",
        examples=(
            "F tensorflow/stream_executor/lib/statusor.cc:34] Attempting to fetch value instead of handling error Failed precondition: could not dlopen DSO: libcublas.so.10.0; dlerror: libcublas.so.10.0: cannot open shared object file: No such file or directory",
            "ImportError: libcublas.so.10.0: cannot open shared object file: No such file or directory",
            "OSError: libcudnn.so.8: cannot open shared object file: No such file or directory",
        ),
        rank=58,
        cases=(
            Case(when="driver-library and wsl", code="wsl-libcuda"),
            Case(when="driver-library and container", code="docker-no-gpu"),
            Case(when="driver-library", code="gpu-no-driver"),
        ),
    ),
    Rule(
        name="rocm-library-missing",
        code="rocm",
        reads="ld.so: a ROCm library that nothing brings",
        needs=(
            "libroc",
            "libamdhip",
            "librocblas",
            "libmiopen",
            "libhip",
            "librocm",
            "librocrand",
            "librccl",
            "libhsa",
            "librocfft",
            "librocsolver",
            "librocsparse",
            "libhsa-runtime",
            *("libmcwamp", "libhc_am", "libamd_comgr"),
        ),
        pattern=r"(?P<library>lib(?:amdhip64|rocblas|MIOpen|hip\w+|rocm\w*|rocrand|rccl|hsa-runtime64|roc\w+|mcwamp\w*|hc_am|amd_comgr)\.so[.\d]*)(?:: cannot open shared object| => not found| (?:is |was )?(?:missing|not found))",
        examples=(
            "ImportError: librccl.so.1: cannot open shared object file: No such file or directory",
            "ImportError: libmcwamp.so.3: cannot open shared object file: No such file or directory",
        ),
        rank=66,
    ),
    Rule(
        name="hdf5-library-missing",
        code="h5py-mismatch",
        reads="ld.so, Windows, macOS: HDF5 of h5py",
        needs=(
            "undefined symbol",
            "libhdf5",
            "hdf5",
            "named 'h5py",
            "named h5py",
            "requires h5py.",
            "h5py is running",
            "while importing _errors",
            "while importing defs",
            "while importing h5",
            "while importing _conv",
            "undefined symbol: h5",
        ),
        pattern=r"Unable to load dependency HDF5|libhdf5(?!_serial)\S*: cannot open shared|libhdf5(?!_serial)\S*.{0,60}(?:not found|not loaded|undefined symbol)|h5py\S* undefined symbol|undefined symbol: H5\w+|HDF5 library version mismatch|DLL load failed while importing (?:_errors|defs|h5\w*|_conv)\b|No module named '?h5py|requires h5py\.|h5py is running against HDF5|version of HDF5 .{0,80}(?:do not match|does not match)",
        examples=(
            "ImportError: libhdf5.so.103: cannot open shared object file: No such file or directory",
            "Warning! ***HDF5 library version mismatched error***",
            "ImportError: DLL load failed while importing _errors: Das angegebene Modul wurde nicht gefunden.",
            "UserWarning: h5py is running against HDF5 1.14.6 when it was built against 1.14.5, this may cause problems",
        ),
        cases=(
            Case(when="failed-build", code="sdist-build-failed"),
            Case(when="linked-in-build", code="sdist-build-failed"),
        ),
        rank=67,
    ),
    Rule(
        name="python-library-missing",
        code="python-broken",
        reads="ld.so and dyld: the library of the interpreter itself, which was moved, upgraded or removed",
        needs=("libpython", "library not loaded"),
        pattern=r"(?P<library>libpython\d[\w.]*\.so[.\d]*): cannot open shared object file"
        r"|(?<!\): )Library not loaded: (?P<library__dyld>\S*(?:libpython\d[\w.]*\.dylib|Python\.framework/Versions/[\d.]+/Python|/\.Python|@executable_path/\.\./Python3?)\b)",
        examples=(
            "python: error while loading shared libraries: libpython3.9.so.1.0: cannot open shared object file: No such file or directory",
            "dyld: Library not loaded: @executable_path/../.Python",
            "dyld[4711]: Library not loaded: /opt/homebrew/Cellar/python@3.9/3.9.1/Frameworks/Python.framework/Versions/3.9/Python",
        ),
        rank=66,
    ),
    Rule(
        name="system-library-missing",
        code="system-library-missing",
        reads="ld.so: any other library, which a package of the system brings",
        needs=(
            "cannot open shared object file",
            "error loading shared library",
            "no qt platform plugin",
            "load the qt platform plugin",
            "library not found",
            *(f"{cannot} {verb}" for cannot in _CANNOT for verb in _VERBS),
        ),
        pattern=rf"OSError: (?P<library__called>sndfile) library not found|(?:Could not load the|no) Qt platform plugin|(?:^'?|(?:Import|OS)Error\S*:? ?|error while loading shared libraries: |cannot load library '[^']+': |(?<!dlerror:)(?<!load error:)(?<!\.so:)\s'?)(?P<library>(?!{_OWN_RULES})lib[\w+.-]+\.so[.\d]*): cannot open shared object file(?!.{{0,40}}\bignored\b)|(?:{'|'.join(_CANNOT)}) (?:{'|'.join(_VERBS)})\b.{{0,60}}?\b(?P<library__named>(?!{_OWN_RULES})lib[\w+-]+\.so(?:\.\d+)+)(?!.{{0,100}}\bignored\b)|Error loading shared library (?P<library__musl>(?!ld-)\S+):",
        examples=(
            "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
            "python3: error while loading shared libraries: libcrypt.so.1: cannot open shared object file: No such file or directory",
            "OSError: cannot load library 'libsndfile.so': libsndfile.so: cannot open shared object file: No such file or directory",
            "Third party libraries failed to import: libhdf5_serial.so.103",
            'qt.qpa.plugin: Could not load the Qt platform plugin "xcb" in "" even though it was found.',
        ),
        rank=57,
        follows=("musl-libc",),
    ),
    Rule(
        name="dyld-library-missing",
        code="system-library-missing",
        reads="dyld: a library that lies neither beside what asks for it nor where the system has its own",
        needs=("library not loaded",),
        pattern=r"Library not loaded: (?!\S*(?:libcu|libtensorflow|libmetal|libhdf5|libpython|Python\.framework))\S*?(?P<library>lib[\w+.-]+\.dylib)",
        examples=(
            "ImportError: dlopen(/x/_pywrap_tensorflow_internal.so, 6): Library not loaded: @rpath/libomp.dylib",
        ),
        rank=48,
        follows=("metal-plugin-mismatch", "h5py-mismatch", "rosetta-qemu", "companion-mismatch", "file-damaged"),
    ),
    Rule(
        name="elf-class",
        code="python-32bit",
        reads="ld.so: a 64-bit library in a 32-bit process, or the other way round",
        needs=("wrong elf class", "wrong elf"),
        pattern=r"wrong ELF class: ELFCLASS64",
        examples=("ImportError: /x/_pywrap_tensorflow_internal.so: wrong ELF class: ELFCLASS64",),
        rank=84,
    ),
    Rule(
        name="elf-class-stray",
        code="path-leak",
        reads="ld.so: a 32-bit library found by a 64-bit process through a search path",
        needs=("wrong elf class",),
        pattern=r"wrong ELF class: ELFCLASS32",
        examples=("ImportError: /opt/lib32/libfoo.so: wrong ELF class: ELFCLASS32",),
        rank=60,
    ),
    Rule(
        name="elf-damaged",
        code="file-damaged",
        reads="ld.so: a library that is cut or no library at all",
        needs=("file too short", "invalid elf header", "elf load command past end"),
        pattern=r"file too short|invalid ELF header|ELF load command past end of file",
        examples=("ImportError: /x/libtensorflow_framework.so.2: file too short",),
        rank=66,
    ),
    Rule(
        name="bytecode-cut",
        code="file-damaged",
        reads="Python: a compiled module that is cut, as a full disk leaves it before Python 3.14",
        needs=("marshal data", "eof read where"),
        pattern=r"marshal data too short|EOF read where \w+ expected|bad marshal data",
        examples=("EOFError: marshal data too short", "ValueError: bad marshal data (unknown type code)"),
        rank=66,
        # A function in a saved model is compiled code, which another Python cannot read: no file is damaged.
        cases=(Case(when="model-is-read", code=NOTHING),),
    ),
    Rule(
        name="static-tls",
        code="import-failed",
        reads="ld.so: a library loaded too late for its thread-local storage (arm64, scikit-learn, OpenMP), or that asks for an executable stack",
        needs=(
            "cannot allocate memory in static tls block",
            "enable executable stack",
        ),
        pattern=r"cannot allocate memory in static TLS block"
        r"|cannot enable executable stack as shared object requires",
        examples=(
            "ImportError: /x/libgomp-d22c30c5.so.1.0.0: cannot allocate memory in static TLS block",
            "ImportError: libfoo_cpu.so: cannot enable executable stack as shared object requires: Invalid argument",
        ),
        rank=90,
    ),
    Rule(
        name="two-openmp",
        code="import-failed",
        reads="Intel's and LLVM's OpenMP: two copies of it in one process, often those of conda and of a wheel",
        needs=("already initialized",),
        pattern=r"Error #15: Initializing (?P<library>\S+), but found .{1,80} already initialized",
        examples=("OMP: Error #15: Initializing libiomp5md.dll, but found libiomp5md.dll already initialized.",),
        rank=57,
        cases=(Case(when="conda-seen", code="conda-pip-mix"),),
    ),
    Rule(
        name="library-of-a-package",
        code="import-failed",
        reads="XGBoost and others: their own library was not loaded; the loader's words beside it say why",
        needs=("could not be loaded",),
        pattern=r"Library \((?P<library>[^)\s]+)\) could not be loaded",
        examples=("XGBoost Library (libxgboost.so) could not be loaded.",),
        rank=44,
        follows=("platform", "gpu", "python-deps", "interpreter", "machine"),
    ),
    Rule(
        name="cuda-symbol",
        code="gpu-libs-foreign",
        reads="ld.so: two releases of one CUDA library in one process",
        needs=("undefined symbol", "not defined in file", "symbol lookup error"),
        pattern=rf"undefined symbol: _{{0,2}}(?:cublas|cufft|cusparse|cusolver|curand|nvJitLink|nccl|cupti|nvrtc)\w*|symbol (?:cu|nv)\S+,? version \S+ not defined in file {_CUDA}|not defined in file {_CUDA}",
        examples=(
            "ImportError: /x/libcusparse.so.12: undefined symbol: __nvJitLinkAddData_12_1, version libnvJitLink.so.12",
            "symbol cublasLtGetStatusString version libcublasLt.so.11 not defined in file libcublasLt.so.11 with link time reference",
        ),
        rank=62,
    ),
    Rule(
        name="cudnn-symbol",
        code="cudnn-mismatch",
        reads="ld.so: a cuDNN of another release",
        needs=(
            "undefined symbol",
            "libcudnn",
            "symbol cudnn",
        ),
        pattern=r"undefined symbol: _{0,2}(?:\w*cudnn)\w*|symbol cudnn\w+.{0,60}not defined|Could not load library libcudnn\w+\.so[.\d]*\. Error:(?!.*cannot open shared object file).*(?:undefined symbol|cudnn)|Unable to load any of \{?libcudnn",
        examples=(
            "Could not load library libcudnn_cnn_infer.so.8. Error: /usr/lib/libcudnn_cnn_infer.so.8: undefined symbol: _ZN5cudnn3opsE",
        ),
        rank=63,
    ),
    Rule(
        name="standard-library-symbol",
        code="glibc-too-old",
        reads="ld.so: a symbol of a newer libstdc++",
        needs=("undefined symbol",),
        pattern=r"undefined symbol: (?P<symbol>_?Z(?:NK?)?St\w+|_?ZT[ISV]N?St\w+|__cxa_\w+)",
        examples=(
            "ImportError: /x/_foo.so: undefined symbol: _ZSt28__throw_bad_array_new_lengthv",
            "ImportError: /x/_foo.so: undefined symbol: ZTINSt6thread6_StateE",
        ),
        rank=58,
    ),
    Rule(
        name="numpy-extensions",
        code="import-failed",
        reads="NumPy: its own compiled part is not found or not loaded; the words after `Original error was` say why",
        needs=("importing the numpy c-extensions failed", "error importing numpy"),
        pattern=r"Importing the numpy C-extensions failed|Error importing numpy: you should not try",
        examples=(
            "Importing the numpy C-extensions failed. This error can happen for",
            "ImportError: Error importing numpy: you should not try to import numpy from",
        ),
        rank=24,
        follows=("python-deps", "gpu", "platform", "machine", "interpreter"),
    ),
    Rule(
        name="python-symbol",
        code="import-failed",
        reads="ld.so and dyld: an extension built for another Python",
        needs=("undefined symbol", "symbol not found"),
        pattern=r"(?:undefined symbol|[Ss]ymbol not found): '?_?(?:_?Py[A-Z_]\w+)",
        examples=("ImportError: /x/_foo.cpython-39-x86_64-linux-gnu.so: undefined symbol: _PyGen_Send",),
        rank=46,
    ),
    Rule(
        name="any-symbol",
        code="import-failed",
        reads="ld.so: a symbol that no library has; its name tells whose",
        needs=("undefined symbol",),
        pattern=r"undefined symbol: (?P<symbol>\w+)",
        examples=("ImportError: /x/_foo.so: undefined symbol: somebody_else_v2",),
        rank=22,
        follows=("gpu", "python-deps", "platform"),
    ),
    Rule(
        name="metal-plugin",
        code="metal-plugin-mismatch",
        reads="dyld and TensorFlow: the plug-in of tensorflow-metal was built for another release",
        needs=(
            "libmetal_plugin",
            "tensorflow-metal",
            "tensorflow-plugins",
            "metal_plugin",
            "platform metal",
            "mps",
            "registered platform with id",
        ),
        pattern=r"(?:Symbol not found|dlopen\(|Library not loaded|NotFoundError|Referenced from).{0,300}(?:libmetal_plugin|tensorflow-plugins)|libmetal_plugin\.dylib|could not find registered platform with id|Platform METAL.{0,80}(?:not|fail)",
        examples=(
            "tensorflow.python.framework.errors_impl.NotFoundError: dlopen(/x/site-packages/tensorflow-plugins/libmetal_plugin.dylib, 0x0006): Symbol not found: __ZN10tensorflow8internal10LogMessageC1EPKcii",
        ),
        rank=67,
    ),
    Rule(
        name="metal-platform-id",
        code="metal-plugin-mismatch",
        reads="TensorFlow with tensorflow-metal: an op that the plug-in registers for a platform that is gone",
        needs=("could not find registered platform",),
        pattern=r"could not find registered platform with id",
        examples=(
            "tensorflow.python.framework.errors_impl.NotFoundError: could not find registered platform with id: 0x1098f9a60",
        ),
        rank=66,
    ),
    Rule(
        name="macho-architecture",
        code="rosetta-qemu",
        reads="dyld: a library for the other architecture of a Mac",
        needs=("incompatible architecture", "no matching architecture", "wrong architecture"),
        pattern=r"incompatible architecture \(have \(?['\"]?(?P<has>\w+)|no matching architecture|but wrong architecture",
        examples=(
            "ImportError: dlopen(/x.so, 0x0002): tried: '/x.so' (mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64'))",
        ),
        rank=84,
    ),
    Rule(
        name="macos-too-old",
        code="platform-no-wheel",
        reads="dyld: a symbol of a newer macOS",
        needs=(
            "expected in: /system/",
            "symbol not found",
            "built for macos",
            "which was built for mac os x",
            "newer than running os",
            "macos 1",
            "built for newer macos",
            "expected in: /usr/lib/",
        ),
        pattern=r"which was built for (?:Mac OS X|macOS) [\d.]+|which is newer than running OS|built for newer macOS|Expected in: (?:/usr/lib/|/System/)",
        examples=(
            "  Expected in: /usr/lib/libSystem.B.dylib (which was built for Mac OS X 11.0)  Symbol not found: ____chkstk_darwin",
        ),
        rank=62,
    ),
)
