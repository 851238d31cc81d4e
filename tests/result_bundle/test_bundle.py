"""Bundles: what was written is read back, and whatever was done to one is a single line."""

from __future__ import annotations

import io
import json
import pickle
import stat
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.result_bundle.arrays import read_header
from ai_runner.result_bundle.bundle import Bundle
from ai_runner.result_bundle.digests import sample_digests
from ai_runner.schemas import check

EXPECTED = np.arange(15, dtype=np.float32).reshape(5, 3) * 2


def packed(folder: Path, path: Path, change: Callable[[zipfile.ZipFile], None] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())
        if change is not None:
            change(archive)
    return path


def read(path: Path) -> None:
    with Bundle(path) as bundle:
        bundle.verify()
        bundle.report()


def refusal(path: Path) -> str:
    """The one line that a bundle is refused with."""
    with pytest.raises(InvalidModelError) as caught:
        read(path)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 600
    assert caught.value.EXIT_CODE == 4
    return caught.value.message


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_what_was_written_is_read_back(make_bundle: Any, tmp_path: Path, name: str) -> None:
    path = make_bundle(tmp_path / "out" / name) if (tmp_path / "out").mkdir() is None else None
    assert path is not None
    assert [entry.name for entry in path.parent.iterdir()] == [name]
    with Bundle(path) as bundle:
        bundle.verify()
        check(bundle.manifest, "bundle")
        assert bundle.manifest["samples"] == 5
        np.testing.assert_array_equal(bundle.array("reference/output-0.npy"), EXPECTED)
        np.testing.assert_array_equal(bundle.array("target-0/output-0.npy"), EXPECTED + np.float32(0.25))
        assert bundle.array("target-0/durations.npy").tolist() == [1.0] * 5
        digests = sample_digests([EXPECTED / 2])
        np.testing.assert_array_equal(bundle.array("target-0/digests.npy"), digests)
        assert bundle.report()["targets"][0]["verdict"] == "fail"
        worst = [one["sample"] for one in bundle.manifest["worst"]]
        assert worst == [0, 1, 2, 3, 4]
        tensors = bundle.tensors(bundle.manifest["worst"][1]["path"])
        np.testing.assert_array_equal(tensors["target.output.0"], EXPECTED[1] + np.float32(0.25))
        np.testing.assert_array_equal(tensors["reference.input.0"], EXPECTED[1] / 2)
    array = bundle.array("reference/output-0.npy") if path.is_dir() else None
    assert array is None or not array.flags.writeable


def test_nothing_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none", "a\0b"):
        with pytest.raises(InvalidParamError, match="cannot open the bundle"):
            Bundle(path)
    (tmp_path / "empty").mkdir()
    assert "'manifest.json' is missing" in refusal(tmp_path / "empty")
    (tmp_path / "text").write_text("hello")
    assert "is no result bundle" in refusal(tmp_path / "text")


def test_a_changed_file(folder: Path, tmp_path: Path) -> None:
    output = folder / "target-0" / "output-0.npy"
    content = bytearray(output.read_bytes())
    content[-1] ^= 1
    output.write_bytes(content)
    for path in (folder, packed(folder, tmp_path / "b.zip")):
        assert "'target-0/output-0.npy' is not what the manifest says" in refusal(path)
        with Bundle(path) as bundle, pytest.raises(InvalidModelError, match="is not what the manifest says"):
            bundle.array("target-0/output-0.npy")
    output.write_bytes(content + b"x")
    assert "bytes, the manifest says" in refusal(folder)
    output.unlink()
    assert "'target-0/output-0.npy' is missing" in refusal(folder)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../b", "C:\\x", ".hidden", "a//b", "a/./b", "é", ""])
def test_paths_that_lead_out(folder: Path, tmp_path: Path, name: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0]["path"] = name
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "manifest.json': files[0].path" in refusal(folder)
    if name:
        path = packed(folder, tmp_path / "b.zip", lambda archive: archive.writestr(name, b"x"))
        assert "no name of a file in a bundle" in refusal(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["b.zip", "bundle"][not name :]


def test_links(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes((folder / "report.json").read_bytes())
    (folder / "report.json").unlink()
    (folder / "report.json").symlink_to(secret)
    assert "'report.json' is a link" in refusal(folder)
    (folder / "report.json").unlink()
    (folder / "target-0").rename(tmp_path / "elsewhere")
    (folder / "target-0").symlink_to(tmp_path / "elsewhere")
    assert "is a link" in refusal(folder) or "missing" in refusal(folder)


def test_links_in_a_zip(folder: Path, tmp_path: Path) -> None:
    def link(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")

    assert "'link' is a link" in refusal(packed(folder, tmp_path / "b.zip", link))


def test_a_name_twice(folder: Path, tmp_path: Path) -> None:
    def again(archive: zipfile.ZipFile) -> None:
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("report.json", b"{}")

    assert "holds 'report.json' twice" in refusal(packed(folder, tmp_path / "b.zip", again))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"].append(manifest["files"][0])
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "twice, or itself" in refusal(folder)


def test_a_zip_bomb(folder: Path, tmp_path: Path) -> None:
    """A member that claims little and holds much, and one that claims more than deflate can hold."""
    plain = packed(folder, tmp_path / "b.zip", lambda archive: archive.writestr("bomb.npy", bytes(50_000_000)))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"].append({"path": "bomb.npy", "size": 100, "sha256": "0" * 64})
    (folder / "manifest.json").write_text(json.dumps(manifest))
    claimed = packed(folder, tmp_path / "c.zip", lambda archive: archive.writestr("bomb.npy", bytes(50_000_000)))
    assert "'bomb.npy' has 50000000 bytes, the manifest says 100" in refusal(claimed)
    read(plain)  # what the manifest does not name is never looked at
    content = bytearray(claimed.read_bytes())
    start = content.rindex(b"PK\x01\x02")
    struct.pack_into("<I", content, start + 24, 0xFFFF0000)
    claimed.write_bytes(content)
    assert "claims 4294901760 bytes" in refusal(claimed)
    struct.pack_into("<I", content, start + 24, 100)
    claimed.write_bytes(content)
    assert "'bomb.npy'" in refusal(claimed)


def test_a_large_zip_is_not_of_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones may be: what a dead model puts out is packed to nothing."""
    path = packed(folder, tmp_path / "b.zip", lambda archive: archive.writestr("zeros.npy", bytes(50_000_000)))
    read(path)
    monkeypatch.setattr("ai_runner.result_bundle.archive.MAX_UNPACKED", 10_000_000)
    assert "bytes claim to hold 500" in refusal(path)
    monkeypatch.setattr("ai_runner.result_bundle.bundle.MAX_LOADED", 100)
    with Bundle(packed(folder, tmp_path / "c.zip")) as bundle, pytest.raises(InvalidModelError) as caught:
        bundle.array("target-0/output-0.npy")
    assert caught.value.hint == "unpack it"


def test_encrypted_or_compressed_in_another_way(folder: Path, tmp_path: Path) -> None:
    path = packed(folder, tmp_path / "b.zip")
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\x01\x02")
    for offset, value in ((8, 1), (10, 99)):
        changed = bytearray(content)
        struct.pack_into("<H", changed, start + offset, value)
        path.write_bytes(changed)
        assert "encrypted" in refusal(path)


class Evil:
    """Leaves a trace when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_pickles_are_not_opened(folder: Path, tmp_path: Path, relisted: Any) -> None:
    trace = tmp_path / "trace"
    target = folder / "target-0" / "output-0.npy"
    before = target.read_bytes()
    np.save(target, np.array([Evil(trace)], object), allow_pickle=True)
    relisted(folder)
    assert "'target-0/output-0.npy' cannot be read" in refusal(folder)
    target.write_bytes(before)
    (worst,) = list(folder.rglob("sample-000000.npz"))
    np.savez(worst, x=np.array([Evil(trace)], object))
    relisted(folder)
    assert "sample-000000.npz' cannot be read: dtype |O is no number" in refusal(folder)
    worst.write_bytes(pickle.dumps(Evil(trace)))
    relisted(folder)
    assert "sample-000000.npz' cannot be read" in refusal(folder)
    assert not trace.exists()


def npy(header: str | bytes, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header if isinstance(header, bytes) else header.encode()
    length = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + version + length + text + body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000000)}"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"),
        npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}", bytes(16)),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", bytes(7)),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", bytes(9)),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", bytes(8)),
        npy("{'descr': '|V8', 'fortran_order': False, 'shape': (1,)}", bytes(8)),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1," * 60000 + ")}", version=b"\x02\x00"),
        npy("[" * 3000),
        npy(b"\xff" * 60000),
        npy("__import__('os').system('true')"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}", bytes(4)),
        npy("{}", version=b"\x09\x00"),
    ],
)
def test_headers_that_lie(folder: Path, tmp_path: Path, relisted: Any, content: bytes) -> None:
    (folder / "target-0" / "output-0.npy").write_bytes(content)
    relisted(folder)
    for path in (folder, packed(folder, tmp_path / "b.zip")):
        assert "'target-0/output-0.npy' cannot be read" in refusal(path)
        with Bundle(path) as bundle, pytest.raises(InvalidModelError):
            bundle.array("target-0/output-0.npy")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is no JSON"),
        (b"{}", "the key 'schema' is missing"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"schema": "ai-runner/bundle/2"}', "is missing"),
        (b"1" * 10_000, "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
    ],
)
def test_manifests_that_are_none(folder: Path, content: bytes, what: str) -> None:
    (folder / "manifest.json").write_bytes(content)
    assert what in refusal(folder)


def test_a_report_that_is_none(folder: Path, relisted: Any) -> None:
    report = json.loads((folder / "report.json").read_text())
    for change, what in (
        ({"targets": 3}, "targets: 3 is not a list"),
        ({"verdict": "fine"}, "verdict: 'fine' is not one of pass, fail"),
        ({"reference": None}, "reference: None is not a table"),
    ):
        (folder / "report.json").write_text(json.dumps({**report, **change}))
        relisted(folder)
        assert what in refusal(folder)
    (folder / "report.json").write_text('{"schema": NaN}')
    relisted(folder)
    assert "is no JSON: NaN is no number" in refusal(folder)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 1 << 20), value=st.integers(0, 255), cut=st.booleans())
def test_a_zip_with_any_byte_changed_is_read_or_refused(
    folder: Path, tmp_path: Path, place: int, value: int, cut: bool
) -> None:
    path = tmp_path / "b.zip"
    if not path.exists():
        packed(folder, path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    changed = tmp_path / "changed.zip"
    changed.write_bytes(content[: place % len(content)] if cut else content)
    with suppress(InvalidModelError):
        read(changed)


@settings(max_examples=60)
@given(st.binary(max_size=300))
def test_random_bytes_are_no_bundle(content: bytes) -> None:
    with pytest.raises((ValueError, EOFError)):
        read_header(io.BytesIO(content), len(content) + 1)
