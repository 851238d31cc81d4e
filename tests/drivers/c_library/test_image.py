"""Loading and really unloading."""

from __future__ import annotations

import ctypes
import gc
import sys
import tempfile
from pathlib import Path

import pytest

from ai_runner.drivers.c_library.image import Image
from ai_runner.errors import HwIOError, InvalidModelError

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
def test_a_copy_is_mapped_and_nothing_stays(build_twin, temporary_folder: Path) -> None:
    path = build_twin("stai", file_name="libai_unloads.so")
    image = Image(path, path.read_bytes())
    assert mapped("libai_unloads_")
    assert not mapped(str(path))
    assert list(temporary_folder.iterdir()) == []  # a mapped file needs no name
    image.close()
    image.close()
    assert not mapped("libai_unloads")


@linux_only
def test_an_image_that_is_dropped_is_unloaded_too(build_twin) -> None:
    path = build_twin("stai", file_name="libai_dropped.so")
    image = Image(path, path.read_bytes())
    assert mapped("libai_dropped")
    del image
    gc.collect()
    assert not mapped("libai_dropped")


@linux_only
def test_without_a_copy_the_file_itself_is_mapped(build_twin) -> None:
    path = build_twin("stai", file_name="libai_direct.so")
    image = Image(path)
    assert mapped(str(path))
    image.close()
    assert not mapped(str(path))


def test_two_images_of_one_file_do_not_share_state(build_twin) -> None:
    path = build_twin("legacy")
    handles = []
    images = [Image(path, path.read_bytes()) for _ in range(2)]
    for image in images:
        handle = ctypes.c_void_p()
        image.function("ai_network_create", ctypes.c_uint32, (ctypes.c_void_p, ctypes.c_void_p))(
            ctypes.byref(handle), None
        )
        handles.append(handle.value)
    assert handles[0] != handles[1]
    for image in images:
        image.close()


def test_symbols(build_twin) -> None:
    path = build_twin("stai")
    image = Image(path, path.read_bytes())
    assert image.has("stai_network_run")
    assert image.address("g_network_details")
    assert not image.address("g_other_details")
    with pytest.raises(InvalidModelError, match="symbol stai_other_run is missing"):
        image.function("stai_other_run", None, ())
    image.close()


def test_what_the_loader_refuses_leaves_no_copy(tmp_path: Path, temporary_folder: Path) -> None:
    path = tmp_path / "libai_network.so"
    with pytest.raises(InvalidModelError, match="the loader refuses it") as caught:
        Image(path, b"\x7fELF but not really")
    assert str(temporary_folder) not in caught.value.message
    assert list(temporary_folder.iterdir()) == []


def test_a_temporary_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(HwIOError, match="no private copy") as caught:
        Image(tmp_path / "libai_network.so", b"x")
    assert "reload=False" in caught.value.hint


def test_an_unresolved_symbol_is_named(build_c, tmp_path: Path) -> None:
    path = build_c("int nowhere(void); int ai_network_run(void) { return nowhere(); }", tmp_path / "libai_network.so")
    with pytest.raises(InvalidModelError, match="undefined symbol: nowhere"):
        Image(path, path.read_bytes())


def test_a_library_that_is_not_installed_is_the_bench_s_fault(build_c, tmp_path: Path) -> None:
    needed = build_c("int helper(void) { return 1; }", tmp_path / "libhelper_of_a_test.so")
    path = build_c(
        "int helper(void); int ai_network_run(void) { return helper(); }",
        tmp_path / "libai_network.so",
        f"-L{tmp_path}",
        "-lhelper_of_a_test",
    )
    needed.unlink()
    with pytest.raises(HwIOError, match="libhelper_of_a_test"):
        Image(path, path.read_bytes())
