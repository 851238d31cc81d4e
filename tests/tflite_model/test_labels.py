from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import flatbuffers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner import AiRunner
from ai_runner.errors import InvalidParamError
from ai_runner.tflite_model import TfliteModel, named_labels, output_labels

DIGITS = [f"class {k}" for k in range(10)]
Add = Callable[[flatbuffers.Builder], int]


def metadata(file_name: str = "labels.txt", kind: int = 2) -> bytes:
    """A ModelMetadata with one sub-graph, one output and its one associated file; slots as in the metadata schema."""
    builder = flatbuffers.Builder(256)

    def table(slots: int, fields: dict[int, int], bytes_: dict[int, int] | None = None) -> int:
        builder.StartObject(slots)
        for slot, offset in fields.items():
            builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        for slot, value in (bytes_ or {}).items():
            builder.PrependInt8Slot(slot, value, 0)
        return int(builder.EndObject())

    def vector(*offsets: int) -> int:
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    file = table(5, {0: builder.CreateString(file_name)}, {2: kind})
    output = table(7, {6: vector(file)})
    root = table(8, {3: vector(table(7, {3: vector(output)}))})
    builder.Finish(root, b"M001")
    return bytes(builder.Output())


def with_labels(model: Path, described: bytes | None = None, lines: str = "\n".join(DIGITS)) -> bytes:
    """The model with a TFLITE_METADATA entry and a zip of labels.txt behind it."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="LiteRT writes the model of this test")
    root = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model.read_bytes(), 0))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = list(metadata() if described is None else described)
    root.buffers.append(buffer)
    entry.name, entry.buffer = "TFLITE_METADATA", len(root.buffers) - 1
    root.metadata = [entry]
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(root.Pack(builder), b"TFL3")
    file = io.BytesIO(bytes(builder.Output()))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("labels.txt", lines)
    return file.getvalue()


def test_the_label_file_of_an_output(digits_int8: Path) -> None:
    model = TfliteModel.parse(with_labels(digits_int8))
    assert output_labels(model) == (tuple(DIGITS),)


def test_a_model_without_metadata_has_none(digits_int8: Path) -> None:
    assert output_labels(TfliteModel.read(digits_int8)) == ((),)


@pytest.mark.parametrize(
    "described", [metadata("other.txt"), metadata(kind=1), b"", b"nonsense", metadata()[:40], b"\xff" * 64]
)
def test_metadata_that_names_no_labels_gives_none(described: bytes, digits_int8: Path) -> None:
    assert output_labels(TfliteModel.parse(with_labels(digits_int8, described))) == ((),)


def test_an_endless_label_file_is_left_alone(digits_int8: Path) -> None:
    assert output_labels(TfliteModel.parse(with_labels(digits_int8, lines="x\n" * (1 << 20)))) == ((),)


@given(st.binary(max_size=120))
def test_random_metadata_is_labels_or_none(digits_int8: Path, described: bytes) -> None:
    model = TfliteModel.parse(with_labels(digits_int8, b"\x10\0\0\0M001" + described))
    assert output_labels(model) in (((),), (tuple(DIGITS),))


def test_labels_reach_the_description(digits_int8: Path, tmp_path: Path) -> None:
    path = tmp_path / "digits.tflite"
    path.write_bytes(with_labels(digits_int8))
    with AiRunner.open(f"tflite:{path}") as runner:
        assert runner.model_info().outputs[0].labels == tuple(DIGITS)
    with AiRunner.open(f"tflite:{path}?labels=0,1,2,3,4,5,6,7,8,9") as runner:
        assert runner.model_info().outputs[0].labels == tuple("0123456789")
    with pytest.raises(InvalidParamError, match=r"2 labels for an output of shape \[1, 10\]"):
        AiRunner.open(f"tflite:{path}?labels=a,b")


def test_named_labels(tmp_path: Path) -> None:
    assert named_labels("a, b,c") == ("a", "b", "c")
    assert named_labels("only") == ("only",)
    path = tmp_path / "labels.txt"
    path.write_text("a\n\n b c \n", encoding="utf-8")
    assert named_labels(str(path)) == ("a", "b c")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidParamError, match="cannot read the labels"):
        named_labels(str(path))
