"""Tells lines that mention a failure from those that report one: source code, data, comparisons, commit messages."""

from __future__ import annotations

import re

from tfprov.diagnose.quotes import any_quotes, plain
from tfprov.diagnose.records import Hit, LogLine
from tfprov.diagnose.view import COMMIT_DATED, View
from tfprov.errors import CODES, Group


def is_mentioned(view: View, hit: Hit, line: LogLine) -> bool:
    """The line only mentions the failure.

    Code counts only where the message itself would be on another line: rules about Python packages and rules that span
    lines read the code in tracebacks.
    """
    code = hit.rule.code
    reads_code = hit.rule.span > 1 or code not in CODES or CODES[code].group not in _SAID_BY_SYSTEMS
    text = line.text
    if (
        _ROW.fullmatch(text)
        or _BARS.fullmatch(text)
        or _CELLS.fullmatch(text)
        or _CODE_FOUND.match(text)
        or _ERRNO.match(text)
        or _COMPARED.search(text)
        or _COMMIT.match(text)
        or _OPTION.match(text)
        or _METRIC.fullmatch(text)
        or _PROBE.search(text)
    ):
        return True
    if code in CODES and CODES[code].group is Group.NETWORK and _OF_NCCL.search(text):
        return True
    if any(0 < line.number - dated.number <= _SUBJECT_BELOW for dated in view.clues.get(COMMIT_DATED, ())):
        return True
    if not reads_code and (_CODE.match(text) or _LOOKED_FOR.match(text) or _NO_KEY.match(text)):
        return True
    pattern = re.compile(any_quotes(hit.rule.pattern), re.IGNORECASE)
    found = _KEY.match(text)
    key = found and (found["key"] or found["key__bare"])
    if key and pattern.search(plain(key)):
        return True
    message = pattern.search(plain(text))
    under = _UNDER.search(text[: message.start()]) if message else None
    return under is not None and not _SAYING.fullmatch(under["key"] or under["key__bare"])


_SAID_BY_SYSTEMS = frozenset({Group.NETWORK, Group.ARTIFACT, Group.MACHINE, Group.GPU, Group.INTERRUPTED})
_ROW = re.compile(r"[\w /-]{1,60}?(?:(?: {2,}[\d.]+%?){2,}| {4,}\d+)")
"""A row of a table of numbers, as of how well failures of these names are told apart, or of how often each occurred."""
_CELLS = re.compile(r"\d{1,7}(?: {2,}\S+(?: \S+)*){3,}|\d{1,7}(?:\t[^\t]+)+|(?=\d*,|.*,\d+$)[^,]*(?:,(?! )[^,]*){3,}")
"""A row of a table of pandas, or of one with commas between its cells, with numbers in some of them."""
_UNDER = re.compile(r"(?:\"(?P<key>[\w. -]{1,40})\"|^(?:- )?(?P<key__bare>[a-z][\w-]{1,40})): ?\"[^\"]*$")
_SAYING = re.compile(
    r"(?:error|message|msg|log|event|detail|reason|stderr|stdout|output|exception|description|status|text_payload|caused|cause|trace)\w*"
    r"|\w*(?:error|message|reason|output|exception)",
    re.IGNORECASE,
)
"""Keys of JSON, and those under which stands what a program says; what stands under others is data."""
_BARS = re.compile(r"\|(?:[^|]{1,200}\|){2,}")
"""A row of a table in Markdown, or of one that a database prints."""
_ERRNO = re.compile(r"\d{1,3}(?: E[A-Z\d]{2,12} \w| {3,}[A-Z].*[a-z]\.? )")
"""A row of a list of all errors that a system has, or of all statuses of a program."""
_COMPARED = re.compile(
    r"(?:AssertionError: (?:assert )?|\bassert )(?P<quote>['\"])[^'\"]*(?P=quote) (?:[=!]=|(?:not )?in|is(?: not)?) "
    r"|^E {3,}[-+?] |^(?:Expected|Received|want|got): "
    r"|\bexpect\(.{1,200}\)\.(?:not\.)?to\w+\(|_test\.go:\d+: .*\bwant\b"
)
"""What pytest, unittest, Jest and Go's tests say of two texts that a test compares, and lines in which they differ."""
_STATEMENT = (
    r"(?:raise \w[\w.]*\(|(?:print|log(?:g(?:er|ing))?\.\w+)\(f?[\"']|assert \S"
    r"|(?:return|yield) [\"'({\[]|(?:async )?def \w+\(.*:|(?:el)?if .*:$|except\b.*:"
    r"|(?:\w+\.)*[A-Za-z_]\w* = (?:\w+\()?[\"'({\[])"
)
_CODE = re.compile(rf"(?:\d{{1,6}}\s+)?{_STATEMENT}")
"""Statements of Python, as in tracebacks, in the source that pytest shows, and in what grep finds."""
_CODE_FOUND = re.compile(rf"(?:[\w./-]{{1,200}}\.\w{{1,4}}[:-]\d+[:-]\s*|\d{{1,6}}(?::\s*|\t\s*)|[-+]\s*){_STATEMENT}")
"""A statement behind what grep, `cat -n` and `git diff` put before a line; no traceback has that."""
_LOOKED_FOR = re.compile(r"(?:- )?['\"]?(?:match|pattern|regex|contains|expect)(?:ed|es)?['\"]?: ?['\"]")
"""A key for a text that a program looks for in others."""
_NO_KEY = re.compile(r"KeyError: '[\w .-]{1,30}'$")
"""A key of the program's own that a mapping does not have."""
_KEY = re.compile(
    r"[-{,\s]*(?:(?P<quote>['\"])(?P<key>[^'\"]+)(?P=quote)\s*(?::|[-=]>)|(?P<key__bare>[^:'\"]{1,60}?) [-=]>) ?\S"
)
"""A text that is mapped to another, as in a configuration, a program or a table."""
_OPTION = re.compile(r"(?:-\w, {1,3})?--[\w-]+(?:[ =][\[<]?[\w|-]+[\]>]?)? {2,}\S")
"""An option with what it is for, as in the help of a command."""
_COMMIT = re.compile(
    r"HEAD is now at [0-9a-f]{7,40} "
    r"|(?:[*|/\\ ]{1,20})?(?=\w{0,9}\d)(?=\w{0,9}[a-f])[0-9a-f]{7,10} (?:\([\w/, >.:-]+\) )?[A-Z]"
)
"""A commit with its subject in one line, as git prints it."""
_METRIC = re.compile(r"\w+\{.{1,300}\} [-+.\dea-zA-Z]+")
"""How often something occurred, as a program shows it to Prometheus."""
_PROBE = re.compile(r"\b(?:Readiness|Liveness|Startup) probe (?:failed|errored)\b")
"""What Kubernetes got when it asked a container whether it is ready, or runs: why it does not, the container says."""
_OF_NCCL = re.compile(r"\bNCCL (?:WARN|INFO)\b")
"""Why ranks do not reach each other; no server of files is meant."""
_SUBJECT_BELOW = 2
"""How far below its date the subject of a commit stands, in lines."""
