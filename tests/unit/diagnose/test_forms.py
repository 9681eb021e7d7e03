"""One fault in the words of each tool: whoever says it, the code is the same."""

# ruff: noqa: RUF001  Windows says it in other scripts

from __future__ import annotations

import pytest

from tfprov.diagnose.diagnose import diagnose_text

ERRNOS = (
    (1, "Operation not permitted", "permission-denied"),
    (5, "Input/output error", "disk-io"),
    (12, "Cannot allocate memory", "oom-killed"),
    (13, "Permission denied", "permission-denied"),
    (16, "Device or resource busy", "file-in-use"),
    (23, "Too many open files in system", "limit-reached"),
    (24, "Too many open files", "limit-reached"),
    (26, "Text file busy", "file-in-use"),
    (28, "No space left on device", "disk-full"),
    (30, "Read-only file system", "read-only-fs"),
    (95, "Operation not supported", "filesystem-feature"),
    (116, "Stale file handle", "disk-io"),
    (122, "Disk quota exceeded", "disk-quota"),
)
TOOLS = {
    "Python": "OSError: [Errno {number}] {words}: '/data/x'",
    "Rust": "error: failed to write `/data/x`: {words} (os error {number})",
    "C": "cp: error writing '/data/x': {words}",
    "TensorFlow": "tensorflow.python.framework.errors_impl.UnknownError: /data/x; {words}",
    "Go": "Error: write /data/x: {words}",
    ".NET": "System.IO.IOException: {words} : '/data/x'",
}
CURL = (
    (5, "Could not resolve proxy: proxy.example.org", "net-proxy"),
    (6, "Could not resolve host: example.org", "net-dns"),
    (7, "Failed to connect to example.org port 443: Connection refused", "net-refused"),
    (18, "transfer closed with 61234 bytes remaining to read", "net-reset"),
    (28, "Operation timed out after 30000 milliseconds with 0 bytes received", "net-timeout"),
    (35, "OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to example.org:443", "net-reset"),
    (52, "Empty reply from server", "net-reset"),
    (56, "Recv failure: Connection reset by peer", "net-reset"),
    (56, "Received HTTP code 407 from proxy after CONNECT", "net-proxy"),
    (60, "SSL certificate problem: unable to get local issuer certificate", "net-tls-cert"),
    (77, "error setting certificate verify locations:  CAfile: /etc/ssl/certs/ca-certificates.crt", "net-tls-cert"),
)
USERS_OF_CURL = {
    "curl": "curl: ({number}) {words}",
    "TensorFlow": "Error executing an HTTP request: libcurl code {number} meaning 'x', error details: {words}",
    "git": "fatal: unable to access 'https://example.org/x.git/': {words}",
}
STATUSES = {
    "requests": "requests.exceptions.HTTPError: {status} Client Error: x for url: https://example.org/x",
    "urllib": "urllib.error.HTTPError: HTTP Error {status}: x",
    "Keras": "Exception: URL fetch failure on https://example.org/x.h5: {status} -- x",
    "datasets": "DownloadError: Failed to get url https://example.org/x.zip. HTTP code: {status}.",
    "TensorFlow": "Error executing an HTTP request: HTTP response code {status} with body 'x'",
    "PowerShell": "Invoke-WebRequest : The remote server returned an error: ({status}) x.",
    "uv": "  Caused by: HTTP status client error ({status} x) for url (https://example.org/simple/x/)",
    "curl": "curl: (22) The requested URL returned error: {status}",
}
NAMES_OF_PAGING_FILE = (
    "The paging file is too small for this operation to complete.",
    "Die Auslagerungsdatei ist zu klein, um diesen Vorgang durchzuführen.",
    "Le fichier de pagination est insuffisant pour terminer cette opération.",
    "El archivo de paginación es demasiado pequeño para completar la operación.",
    "O arquivo de paginação é muito pequeno para que esta operação seja concluída.",
    "File di paging troppo piccolo per completare l'operazione.",
    "Файл подкачки слишком мал для завершения операции.",
    "页面文件太小，无法完成操作。",
    "ページング ファイルが小さすぎるため、この操作を完了できません。",
    "이 작업을 완료하기 위한 페이징 파일이 너무 작습니다.",
)

STATUSES_OF_CUDA = {
    "NOT_INITIALIZED": "cudnn-init-failed",
    "INTERNAL_ERROR": "cudnn-init-failed",
    "EXECUTION_FAILED": "cudnn-init-failed",
    "ARCH_MISMATCH": "gpu-arch-unsupported",
}
ARCHIVES = (
    "gzip: stdin: not in gzip format",
    "tar: This does not look like a tar archive",
    "unzip:  End-of-central-directory signature not found.",
    "unzip:  cannot find zipfile directory in one of x.zip",
    "_lzma.LZMAError: Corrupt input data",
    "xz: x.tar.xz: Unexpected end of input",
    "bzip2: Compressed file ends unexpectedly; file ends unexpectedly",
    "ERROR: Unexpected end of archive",
    "EOFError: Compressed file ended before the end-of-stream marker was reached",
    "zipfile.BadZipFile: File is not a zip file",
    "tarfile.ReadError: not a gzip file",
)
HASHES = (
    "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
    "error: Hash mismatch for `tensorflow==2.15.0`",
    "ChecksumMismatchError: Conda detected a mismatch between the expected content and downloaded content",
    "Exception: Incomplete or corrupted file detected. The sha256 file hash does not match the provided value of 12ab.",
    "NonMatchingChecksumError: Artifact https://example.org/x, downloaded to /x, has wrong checksum",
    "java.io.IOException: Error downloading [https://example.org/x.tar.gz] to /x: Checksum was 12ab but wanted 34cd",
    "ValueError: MD5 hash of downloaded file (x) does not match the known hash: expected 12ab but got 34cd.",
    'RuntimeError: invalid hash value (expected "12ab", got "34cd")',
    "E: Failed to fetch https://example.org/x.deb  Hash Sum mismatch",
)


def code_of(text: str) -> str | None:
    root = diagnose_text(text).root
    return root and root.code


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(("number", "words", "code"), ERRNOS)
def test_an_error_of_the_system_is_the_same_in_every_tool(number: int, words: str, code: str, tool: str) -> None:
    assert code_of(TOOLS[tool].format(number=number, words=words)) == code


@pytest.mark.parametrize("tool", USERS_OF_CURL)
@pytest.mark.parametrize(("number", "words", "code"), CURL)
def test_an_error_of_libcurl_is_the_same_in_every_tool(number: int, words: str, code: str, tool: str) -> None:
    assert code_of(USERS_OF_CURL[tool].format(number=number, words=words)) == code


@pytest.mark.parametrize("status", [403, 404, 429, 503])
@pytest.mark.parametrize("tool", STATUSES)
def test_a_status_of_http_is_read_in_the_words_of_every_tool(tool: str, status: int) -> None:
    assert code_of(STATUSES[tool].format(status=status)) == "mirror-http-error"


@pytest.mark.parametrize("words", NAMES_OF_PAGING_FILE)
def test_a_small_paging_file_is_no_missing_library_in_any_language(words: str) -> None:
    assert code_of(f"ImportError: DLL load failed while importing _pywrap_tensorflow_internal: {words}") == "oom-killed"


@pytest.mark.parametrize(
    "said",
    [
        "bash: ulimit: open files: cannot modify limit: Operation not permitted",
        "nice: cannot set niceness: Operation not permitted",
        "mbind: Operation not permitted",
        "set_mempolicy: Operation not permitted",
    ],
)
def test_a_wish_that_the_system_does_not_grant_is_no_fault(said: str) -> None:
    assert code_of(said) is None


@pytest.mark.parametrize("words", ["Could not resolve host: metadata", "Timeout was reached", "Failed to connect"])
def test_a_token_that_only_machines_of_google_have_is_not_missed(words: str) -> None:
    said = (
        "W tensorflow/core/platform/cloud/google_auth_provider.cc:184] All attempts to get a Google authentication "
        'bearer token failed, returning an empty token. Retrieving token from GCE failed with "Aborted: All 10 retry '
        f'attempts failed. The last failure: Unavailable: Error executing an HTTP request: libcurl code 6, {words}".'
    )
    assert {one.role for one in diagnose_text(said).findings} <= {"noise"}


@pytest.mark.parametrize("name", ["pypi-dependencies", "tensorflow", "conda requirements"])
@pytest.mark.parametrize("quotes", ["`{0}`", "'{0}'", "{0}"])
def test_a_dependency_that_does_not_resolve_is_no_host(name: str, quotes: str) -> None:
    for verb in ("failed to resolve", "could not resolve"):
        assert code_of(f"error: {verb} {quotes.format(name)}, due to underlying error") != "net-dns"


@pytest.mark.parametrize("library", ["CUDNN", "CUBLAS", "CUSOLVER", "CUSPARSE"])
@pytest.mark.parametrize("status", STATUSES_OF_CUDA)
def test_a_status_means_the_same_in_each_library_of_cuda(library: str, status: str) -> None:
    assert code_of(f"InternalError: failed to run it: {library}_STATUS_{status}") == STATUSES_OF_CUDA[status]


def test_an_instruction_of_a_kernel_is_not_one_of_the_processor() -> None:
    assert code_of("CUDA_ERROR_ILLEGAL_INSTRUCTION: an illegal instruction was encountered") == "probe-crashed"
    assert code_of("Illegal instruction (core dumped)") == "cpu-no-avx"


@pytest.mark.parametrize("said", ARCHIVES)
def test_a_broken_archive_is_one_in_the_words_of_every_tool(said: str) -> None:
    assert code_of(said) == "cache-corrupt"


@pytest.mark.parametrize("said", HASHES)
def test_a_wrong_hash_is_one_in_the_words_of_every_tool(said: str) -> None:
    assert code_of(said) == "hash-mismatch"


@pytest.mark.parametrize("name", ["predict_classes", "predict_proba", "fit_generator", "evaluate_generator"])
@pytest.mark.parametrize("kind", ["Sequential", "Functional"])
def test_a_method_that_keras_took_away_is_a_fault_between_versions(kind: str, name: str) -> None:
    assert code_of(f"AttributeError: '{kind}' object has no attribute '{name}'") == "keras-mismatch"
    assert code_of(f"AttributeError: '{kind}' object has no attribute 'my_{name}'") != "keras-mismatch"


@pytest.mark.parametrize(
    "module", ["tensorflow", "tensorflow.compat.v1", "tensorflow_core.compat.v1", "tensorflow.compat.v2"]
)
def test_contrib_is_of_tensorflow_one_wherever_it_is_looked_for(module: str) -> None:
    assert code_of(f"AttributeError: module '{module}' has no attribute 'contrib'") == "tf1-code"
