"""Loading and really unloading."""

from __future__ import annotations

import ctypes
import gc
import sys
import tempfile
from pathlib import Path

import pytest

from ai_runner.errors import HwIOError, InvalidModelError
from ai_runner.shared_library.image import Image

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/maps")


def mapped(name: str) -> list[str]:
    return [line for line in Path("/proc/self/maps").read_text().splitlines() if name in line]


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@linux_only
def test_a_copy_is_mapped_and_nothing_stays(counter: Path, temporary_folder: Path) -> None:
    path = counter
    image = Image(path, path.read_bytes())
    assert mapped(f"{path.stem}_")
    assert not mapped(str(path))
    assert list(temporary_folder.iterdir()) == []  # a mapped file needs no name
    image.close()
    image.close()
    assert not mapped(path.stem)


@linux_only
def test_an_image_that_is_dropped_is_unloaded_too(counter: Path) -> None:
    image = Image(counter, counter.read_bytes())
    assert mapped(counter.stem)
    del image
    gc.collect()
    assert not mapped(counter.stem)


@linux_only
def test_without_a_copy_the_file_itself_is_mapped(counter: Path) -> None:
    image = Image(counter)
    assert mapped(str(counter))
    image.close()
    assert not mapped(str(counter))


def test_two_images_of_one_file_do_not_share_state(counter: Path) -> None:
    images = [Image(counter, counter.read_bytes()) for _ in range(2)]
    count = [image.function("counter_next", ctypes.c_int, ()) for image in images]
    assert [count[0](), count[0](), count[1]()] == [1, 2, 1]
    for image in images:
        image.close()


def test_symbols(counter: Path) -> None:
    image = Image(counter, counter.read_bytes())
    assert image.has("counter_next")
    assert (ctypes.c_int * 3).from_address(image.address("table"))[2] == 3
    assert not image.address("other_table")
    with pytest.raises(InvalidModelError, match="symbol counter_reset is missing"):
        image.function("counter_reset", None, ())
    image.close()


def test_what_the_loader_refuses_leaves_no_copy(tmp_path: Path, temporary_folder: Path) -> None:
    path = tmp_path / "libmodel.so"
    with pytest.raises(InvalidModelError, match="the loader refuses it") as caught:
        Image(path, b"\x7fELF but not really")
    assert str(temporary_folder) not in caught.value.message
    assert list(temporary_folder.iterdir()) == []


def test_a_temporary_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(HwIOError, match="no private copy") as caught:
        Image(tmp_path / "libmodel.so", b"x")
    assert "reload=False" in caught.value.hint


def test_an_unresolved_symbol_is_named(build_c, tmp_path: Path) -> None:
    path = build_c("int nowhere(void); int model_run(void) { return nowhere(); }", tmp_path / "libmodel.so")
    with pytest.raises(InvalidModelError, match="undefined symbol: nowhere"):
        Image(path, path.read_bytes())


def test_a_library_that_is_not_installed_is_the_bench_s_fault(build_c, tmp_path: Path) -> None:
    needed = build_c("int helper(void) { return 1; }", tmp_path / "libhelper_of_a_test.so")
    path = build_c(
        "int helper(void); int model_run(void) { return helper(); }",
        tmp_path / "libmodel.so",
        f"-L{tmp_path}",
        "-lhelper_of_a_test",
    )
    needed.unlink()
    with pytest.raises(HwIOError, match="libhelper_of_a_test"):
        Image(path, path.read_bytes())
