"""What servers and tools answer in place of a file: statuses, login pages, and tools that may not ask."""

from __future__ import annotations

from tfprov.diagnose.records import Case, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        name="http-status",
        code="mirror-http-error",
        reads="requests (`403 Client Error`), pip (`HTTP error 404 while getting`), reqwest (`HTTP status client error`), conda (`HTTP 403 FORBIDDEN for url`), curl 22",
        needs=(
            "client error",
            "server error",
            "http error",
            "error responses",
            "returned a",
            "(401 unauthorized)",
            "for url <",
            "for channel",
            "error code 4",
            "error code 5",
            "error 403",
            "error 404",
            "error 429",
            "error 50",
            "status code",
            "response 4",
            "response 5",
            "http 4",
            "http 5",
            "http/1.1 4",
            "http/1.1 5",
            "too many requests",
            "bad gateway",
            "service unavailable",
            "gateway time",
            "401 error",
            "403 forbidden",
            "http response code",
            "credentials not correct",
            "user for ",
        ),
        pattern=r"HTTP status (?:client|server) error \((?P<status>\d{3})|\b(?P<status__2>[45]\d\d) (?:Client|Server) Error|HTTP Error (?P<status__3>[45]\d\d)|too many (?P<status__4>[45]\d\d) error responses|returned a (?P<status__5>40[13]|429|5\d\d)[ :]|\((?P<status__6>401) Unauthorized\)"
        r"|CondaHTTPError: HTTP (?P<status__7>[45]\d\d)|HTTP (?P<status__8>[45]\d\d) [A-Z ]+ for (?:url|channel)|(?:HTTP )?status code:? (?P<status__9>40[134]|429|5\d\d)|response status:? (?P<status__10>[45]\d\d)|HTTP response code said error|\b(?P<status__12>40[13]) Error, Credentials not correct|^User for \S+:|\b(?P<status__11>429(?= Too Many Requests)|502(?= Bad Gateway)|503(?= Service (?:Temporarily )?Unavailable)|504(?= Gateway Time-?out)|403(?= Forbidden))\b",
        examples=(
            "pip._vendor.requests.exceptions.HTTPError: 403 Client Error: Forbidden for url: https://mirror.example/tensorflow.whl",
            "ERROR: HTTP error 404 while getting https://mirror.example/tensorflow.whl",
            "  Caused by: HTTP status server error (503 Service Unavailable) for url (https://index.example/simple/x/)",
            "UnavailableInvalidChannel: HTTP 404 NOT FOUND for channel anaconda/pkgs/free <https://mirror.example/anaconda/pkgs/free>",
            "urllib.error.HTTPError: HTTP Error 403: Forbidden",
            "ResponseError('too many 502 error responses')",
            "WARNING: 401 Error, Credentials not correct for https://index.example/simple/tensorflow/",
            "User for index.example: ERROR: Exception:",
            "hint: An index URL (https://index.example/simple) could not be queried due to a lack of valid authentication credentials (401 Unauthorized).",
        ),
        rank=77,
        cases=(
            Case(when="retry-line and succeeded", code="noise"),
            Case(when="retry-line", code="mirror-http-error", rank=29),
        ),
        follows=("net-proxy",),
    ),
    Rule(
        name="login-page",
        code="net-portal",
        reads="uv (`unexpected HTML`, content type), pip (content type of a page or an archive), a page of HTML in place of an index",
        needs=(
            "unexpected html",
            "content type",
            "content-type: text/html",
            "captive portal",
            "<title>",
            "expected a simple api",
        ),
        pattern=r"unexpected HTML|(?:unsupported|unexpected|invalid) content[- ]type:? [`']?text/html|got Content-Type: (?!Unknown)(?:text/html|image)|captive portal|<title>[^<]*(?:log ?in|sign ?in|portal|authenticat|hotspot|blocked|access denied)|downloaded.*(?:HTML page|text/html)",
        examples=(
            "error: Received some unexpected HTML from https://index.example/simple/tensorflow/",
            "<html><head><title>Guest WiFi Login</title></head>",
        ),
        rank=90,
    ),
    Rule(
        name="offline",
        code="net-refused",
        reads="uv and conda with their own offline switches",
        needs=("network connectivity is disabled", "offline", "in the cache"),
        pattern=r"network connectivity is disabled|--offline|CONDA_OFFLINE|EnforceUnusedAdapter|offline mode|packages were unavailable because the network was disabled|was not found in the cache",
        examples=(
            "  cause: Network connectivity is disabled, but the requested data wasn't found in the cache for: `https://index.example/simple/tensorflow/`",
        ),
        rank=79,
    ),
)
