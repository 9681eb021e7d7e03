"""The loader of Windows: DLLs that are not there, do not start, or are those of CUDA."""

from __future__ import annotations

from tfprov.diagnose.records import Case, Rule
from tfprov.diagnose.rules.statuses import exception_needs, exception_pattern

_NT_LOADER = (
    *("0xC000007B", "3221225595", "-1073741701"),
    *("0xC0000135", "3221225781", "-1073741515"),
    *("0xC0000142", "3221225794", "-1073741502"),
)
# Of a document only the message itself counts: with its reason, or alone in a line as in a title.
_FAILED = r"DLL load failed(?! while importing (?:_errors|defs|h5|_conv))(?: while importing [\w.]+)?"

RULES: tuple[Rule, ...] = (
    Rule(
        name="win32-application",
        code="python-32bit",
        reads="Windows ERROR_BAD_EXE_FORMAT 193: 32 and 64 bits mixed",
        needs=("winerror 193", "not a valid win32 application"),
        pattern=r"\[WinError 193\]|not a valid Win32 application",
        examples=("OSError: [WinError 193] %1 ist keine zulässige Win32-Anwendung",),
        rank=70,
    ),
    Rule(
        name="dll-load",
        code="windows-dll-load",
        reads="Windows: 126 and 127 (module or procedure not found), 1114 (initialisation failed), CPython `DLL load failed`",
        needs=(
            *exception_needs(*_NT_LOADER),
            "dll load failed",
            "winerror 126]",
            "winerror 127]",
            "winerror 1114]",
            "msvcp140",
            "vcruntime140",
            "os error 126",
            "(0xc000007b) application",
            "_pywrap_tensorflow_internal'",
            "was unable to start correctly",
        ),
        pattern=rf"{_FAILED}(?:: ?\S| with error code (?!3221225501|-1073741795))|^\W{{0,6}}(?:\w+Error: )*{_FAILED}\W{{0,4}}$"
        r"|\[WinError (?:126|127|1114)\]|(?:msvcp140|vcruntime140)\w*\.dll|os error 126\)|\(0xc000007b\) application|was unable to start correctly \(0xc0000(?:07b|135|142)\)|No module named '_pywrap_tensorflow_internal'|"
        + exception_pattern(*_NT_LOADER),
        examples=(
            "ImportError: DLL load failed while importing _pywrap_tensorflow_internal: 找不到指定的模块。",
            "ImportError: Could not find the DLL(s) 'msvcp140_1.dll'. TensorFlow requires that these DLLs be installed",
            "Process finished with exit code -1073741515 (0xC0000135)",
            'OSError: [WinError 1114] A dynamic link library (DLL) initialization routine failed. Error loading "C:\\\\x.dll"',
            "python.exe - Application Error: The application was unable to start correctly (0xc0000142)",
        ),
        rank=64,
        cases=(
            Case(when="unix and own-module-missing", code="import-failed", rank=46),
            Case(when="numpy-import", code="windows-dll-load", rank=40),
        ),
    ),
    Rule(
        name="dll-cuda",
        code="gpu-libs-missing",
        reads="TensorFlow on Windows up to 2.10: a CUDA or cuDNN DLL",
        needs=(
            "could not locate cu",
            "cudart64",
            "cudnn64",
            "cublas64",
            "cufft64",
            "curand64",
            "cusolver64",
            "cusparse64",
            "nvcuda.dll",
            "cublaslt64",
            "cudnn_",
            "zlibwapi",
        ),
        pattern=r"Could not (?:find|load dynamic library) '(?P<library>(?:cudart|cudnn|cublas(?:Lt)?|cufft|curand|cusolver|cusparse|cudnn_\w+)64_\d*\.dll)'|(?P<dll>(?:cudart|cudnn|cublas(?:Lt)?|cufft|curand|cusolver|cusparse)64_\d*\.dll) not found|Could not load library cudnn_\w+64_\d*\.dll|Could not locate (?P<dll__located>(?:cu\w+64_\d+|zlibwapi)\.dll)",
        examples=(
            "W tensorflow/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library 'cudnn64_8.dll'; dlerror: cudnn64_8.dll not found",
            "Could not locate zlibwapi.dll. Please make sure it is in your library path!",
            "ImportError: Could not find 'cudart64_100.dll'. TensorFlow requires that this DLL be installed in a directory that is named in your %PATH% environment variable.",
        ),
        rank=52,
        cases=(
            Case(when="gpu-not-wanted and warning-line", code="noise"),
            Case(when="no-gpu-here and warning-line", code="noise"),
            Case(when="goes-on and warning-line", code="noise"),
            Case(when="dies-otherwise and warning-line", code="noise"),
            Case(when="ends-at-import and warning-line", code="noise"),
            Case(when="only-cudart", code="noise"),
            Case(when="warning-line", code="gpu-libs-missing", rank=31),
        ),
    ),
    Rule(
        name="dll-driver",
        code="gpu-no-driver",
        reads="TensorFlow on Windows: nvcuda.dll comes with the driver",
        needs=("nvcuda.dll",),
        pattern=r"(?:Could not (?:find|load)|not found).{0,60}nvcuda\.dll|nvcuda\.dll.{0,40}not found",
        examples=("Could not load dynamic library 'nvcuda.dll'; dlerror: nvcuda.dll not found",),
        rank=53,
        cases=(
            Case(when="gpu-not-wanted", code="noise"),
            Case(when="no-gpu-here", code="noise"),
            Case(when="goes-on", code="noise"),
            Case(when="dies-otherwise", code="noise"),
            Case(when="ends-at-import", code="noise"),
            Case(when="other-faults", code="gpu-no-driver", rank=22),
        ),
    ),
)
