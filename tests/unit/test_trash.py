from __future__ import annotations

from pathlib import Path

from tfprov import trash


class TestTrash:
    def test_a_folder_loses_its_name_at_once_and_may_be_made_again(self, tmp_path: Path) -> None:
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "old").touch()
        first = trash.to_trash(tmp_path / "made")
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "new").touch()
        second = trash.to_trash(tmp_path / "made")
        assert [path.name for path in first.iterdir()] == ["old"]
        assert trash.trash_in(tmp_path) == sorted((first, second))

    def test_what_is_discarded_is_gone_and_what_was_never_there_is_no_failure(self, tmp_path: Path) -> None:
        (tmp_path / "made" / "inner").mkdir(parents=True)
        trash.discard(tmp_path / "made")
        trash.discard(tmp_path / "made")
        assert list(tmp_path.iterdir()) == []
