"""What a report holds; how it is written is tried in tests/unit/cli/test_diagnose.py."""

import os
from pathlib import Path
from typing import cast

from tfprov.pipeline import support_report


def test_a_file_that_cannot_be_read_is_a_part_that_says_why(tmp_path: Path) -> None:
    hide = cast("support_report.Anonymiser", str)
    folder = "PermissionError" if os.name == "nt" else "IsADirectoryError"
    for path, why in ((tmp_path, folder), (tmp_path / "gone", "FileNotFoundError")):
        found = support_report._part("journals/1.jsonl", "the journal", path, hide)
        assert (found.name, found.text.partition(":")[0]) == ("journals/1.jsonl", why)
