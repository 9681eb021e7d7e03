from __future__ import annotations

from tfprov.bundle.index import IndexedWheel, pages


def test_the_name_of_a_file_is_text_on_a_page() -> None:
    wheel = IndexedWheel(
        name="a",
        filename='a-1-py3-none-any"><script>.whl',
        sha256="0" * 64,
        size=1,
        metadata=b'Requires-Python: "><script>\n',
    )
    found = pages([wheel])
    assert not [path for path, page in found.items() if path.endswith(".html") and b"<script" in page]
