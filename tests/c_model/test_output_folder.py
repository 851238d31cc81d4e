from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ai_runner.c_model.output_folder import MANIFEST, staged
from ai_runner.errors import InvalidParamError


def write(folder: Path, *files: str, text: str = "new") -> None:
    with staged(folder, {"name": "n"}) as stage:
        for file in files:
            (stage / file).parent.mkdir(parents=True, exist_ok=True)
            (stage / file).write_text(text)


def fail_half_way(folder: Path) -> None:
    with staged(folder, {}) as stage:
        (stage / "x.c").write_text("half")
        raise ZeroDivisionError


def content(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_a_new_folder_with_new_parents(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "out"
    write(folder, "x.c", "sub/y.c")
    assert content(tmp_path) == [f"a/b/out/{file}" for file in (MANIFEST, "sub/y.c", "x.c")]
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest == {"schema": "ai-runner/c-model/1", "name": "n", "files": ["sub/y.c", "x.c", MANIFEST]}


def test_an_empty_folder(tmp_path: Path) -> None:
    write(tmp_path, "x.c")
    assert content(tmp_path) == [MANIFEST, "x.c"]


def test_an_earlier_output_is_replaced_and_other_files_stay(tmp_path: Path) -> None:
    write(tmp_path, "x.c", "sub/old.c", text="old")
    (tmp_path / "sub" / "mine.npz").write_text("mine")
    write(tmp_path, "x.c", "y.c")
    assert content(tmp_path) == [MANIFEST, "sub/mine.npz", "x.c", "y.c"]
    assert (tmp_path / "x.c").read_text() == "new"


def test_a_failure_leaves_everything_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "out", "x.c", text="old")
    for folder in (tmp_path / "out", tmp_path / "new" / "out"):
        with pytest.raises(ZeroDivisionError):
            fail_half_way(folder)
    assert content(tmp_path) == [f"out/{MANIFEST}", "out/x.c"]
    assert (tmp_path / "out" / "x.c").read_text() == "old"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "manifest",
    [
        None,
        "no json",
        "[]",
        '{"schema": "other", "files": []}',
        '{"schema": "ai-runner/c-model/1"}',
        '{"schema": "ai-runner/c-model/1", "files": "x.c"}',
        '{"schema": "ai-runner/c-model/1", "files": ["../outside"]}',
        '{"schema": "ai-runner/c-model/1", "files": ["/etc/passwd"]}',
        '{"schema": "ai-runner/c-model/1", "files": ["C:\\\\x"]}',
        '{"schema": "ai-runner/c-model/1", "files": [1]}',
    ],
)
def test_a_folder_of_somebody_else(tmp_path: Path, manifest: str | None) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "outside").write_text("outside")
    (folder / "thesis.txt").write_text("mine")
    if manifest is not None:
        (folder / MANIFEST).write_text(manifest)
    before = content(tmp_path)
    with pytest.raises(InvalidParamError, match="no earlier output") as raised:
        write(folder, "x.c")
    assert "--out" in raised.value.hint
    assert content(tmp_path) == before


def test_a_file_of_somebody_else_with_a_name_that_is_needed(tmp_path: Path) -> None:
    write(tmp_path, "x.c")
    (tmp_path / "y.c").write_text("mine")
    with pytest.raises(InvalidParamError, match=r"y\.c: would be overwritten"):
        write(tmp_path, "x.c", "y.c")
    assert (tmp_path / "y.c").read_text() == "mine"
    assert content(tmp_path) == [MANIFEST, "x.c", "y.c"]


def test_a_path_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("file")
    with pytest.raises(InvalidParamError, match="is not a folder"):
        write(tmp_path / "out", "x.c")
    with pytest.raises(InvalidParamError, match="cannot write there"):
        write(tmp_path / "out" / "below", "x.c")
    assert content(tmp_path) == ["out"]


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(InvalidParamError, match="cannot write there: Permission denied"):
        write(tmp_path / "out", "x.c")


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="needs a user whom permissions bind")
def test_permissions(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(InvalidParamError, match="Permission denied"):
        write(tmp_path / "out", "x.c")
