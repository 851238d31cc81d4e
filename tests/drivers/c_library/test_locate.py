"""From a descriptor's address to one library."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest

from ai_runner.drivers.c_library.locate import locate
from ai_runner.errors import InvalidModelError, InvalidParamError


@pytest.fixture
def network(build_twin) -> Path:
    return build_twin("stai")


@pytest.fixture
def bobby(build_twin) -> Path:
    return build_twin("stai", define=["NET=bobby"])


def put(source: Path, target: Path, age: int = 0) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    os.utime(target, (1_700_000_000 - age, 1_700_000_000 - age))
    return target


def test_a_file_and_the_same_without_extension(network: Path) -> None:
    assert locate(str(network)).path == network
    assert locate(str(network.with_suffix(""))).path == network
    assert locate(str(network)).content == network.read_bytes()


def test_a_file_of_any_name(tmp_path: Path, network: Path) -> None:
    path = put(network, tmp_path / "some model v1.2.bin")
    assert locate(str(path)).models[0].name == "network"


def test_a_relative_path_becomes_absolute(tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(network, tmp_path / "libai_network.so")
    monkeypatch.chdir(tmp_path)
    assert locate("libai_network").path == tmp_path / "libai_network.so"
    assert locate(".").path == tmp_path / "libai_network.so"


def test_dll_name_in_its_folder(network: Path) -> None:
    assert locate(str(network.parent), "libai_network.so").path == network
    assert locate(str(network.parent), "libai_network").path == network
    with pytest.raises(InvalidParamError, match="no such file"):
        locate(str(network.parent), "libai_other.so")


def test_a_folder_is_searched_for_libai_files_first(tmp_path: Path, network: Path, bobby: Path) -> None:
    wanted = put(network, tmp_path / "inspector" / "workspace" / "lib" / "libai_network.so")
    put(bobby, tmp_path / "bobby.so")
    for companion in ("libai_observer.so", "libai_inspector.so", "libai_helper_convert.so"):
        put(bobby, tmp_path / companion)
    (tmp_path / "libai_network.a").write_bytes(b"!<arch>\n")
    (tmp_path / "libai_network.txt").write_text("no library")
    assert locate(str(tmp_path)).path == wanted


def test_a_folder_without_libai_files_gives_another_library_with_a_model(tmp_path: Path, bobby: Path) -> None:
    wanted = put(bobby, tmp_path / "renamed.so")
    assert locate(str(tmp_path)).path == wanted


def test_the_newest_of_several_of_one_c_name_with_a_warning(
    tmp_path: Path, network: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(network, tmp_path / "a" / "libai_network.so", age=100)
    newest = put(network, tmp_path / "b" / "libai_network.so", age=50)
    put(network, tmp_path / "c" / "libai_network.so", age=200)
    with caplog.at_level(logging.WARNING):
        assert locate(str(tmp_path)).path == newest
    assert "3 libraries of the model network" in caplog.text
    assert str(newest) in caplog.text


def test_different_c_names_are_listed(tmp_path: Path, network: Path, bobby: Path) -> None:
    put(network, tmp_path / "libai_network.so")
    put(bobby, tmp_path / "x" / "libai_bobby.so")
    with pytest.raises(InvalidParamError) as caught:
        locate(str(tmp_path))
    assert "bobby: x" in caught.value.message
    assert "network: libai_network.so" in caught.value.message


def test_a_folder_of_what_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    (tmp_path / "libai_network.so").write_text("oops")
    with pytest.raises(InvalidModelError, match="not a shared library: it is text"):
        locate(str(tmp_path))
    (tmp_path / "libai_other.dll").write_bytes(b"MZ" + bytes(100))
    with pytest.raises(InvalidModelError, match="and 1 more"):
        locate(str(tmp_path))


def test_a_broken_library_does_not_hide_a_good_one(tmp_path: Path, network: Path) -> None:
    (tmp_path / "libai_a.so").write_text("oops")
    wanted = put(network, tmp_path / "libai_network.so")
    assert locate(str(tmp_path)).path == wanted


@pytest.mark.parametrize(
    "address", ["", "nowhere/libai_network.so", "nowhere", "~nobody_of_that_name/x", "bad\0name", "x" * 5000]
)
def test_what_does_not_exist_is_the_caller_s_fault(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidParamError):
        locate(address)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="holds no C-model library"):
        locate(str(tmp_path))


def test_a_folder_goes_before_a_file_with_an_extension(tmp_path: Path, network: Path, bobby: Path) -> None:
    put(bobby, tmp_path / "model.so")
    wanted = put(network, tmp_path / "model" / "libai_network.so")
    assert locate(str(tmp_path / "model")).path == wanted


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "libai_network.so")
    with pytest.raises(InvalidParamError, match="holds no C-model library"):
        locate(str(tmp_path))
    with pytest.raises(InvalidParamError, match="no such file"):
        locate(str(tmp_path / "libai_network.so"))
