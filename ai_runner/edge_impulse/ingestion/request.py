"""A request that uploads samples: its headers, and its body as a stream of small blocks."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from ai_runner.edge_impulse.ingestion.label_files import LabelFile
from ai_runner.edge_impulse.ingestion.media import content_type
from ai_runner.edge_impulse.ingestion.sample import NO_LABEL, Category, Sample, sample_of_bytes, sample_of_file
from ai_runner.errors import InvalidParamError

MAX_FILES = 1000
_MAX_HEADER_BYTES = 8 << 10
_URI_COMPONENT = "!'()*"  # what encodeURIComponent leaves as it is, beside letters, digits and -_.~


@dataclass(frozen=True)
class Batch:
    """Samples of one request: they share category, label and metadata, and no two of them a name.

    `extras` go with them: files of labels and attachments.
    """

    samples: Sequence[Sample]
    extras: Sequence[Sample] = field(default_factory=tuple)

    @property
    def category(self) -> Category:
        """Of all its samples."""
        return self.samples[0].category

    @property
    def parts(self) -> list[Sample]:
        """What the body holds, the samples first."""
        return [*self.samples, *self.extras]


class Body:
    """The multipart body of a batch; to be read once an attempt.

    Attributes:
        length: bytes, known before.
        content_type: with the boundary.
        is_complete: set when the other end may have all of it; before, it cannot have taken the request for whole.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._boundary = secrets.token_hex(16)
        self._heads = [self._head(part) for part in batch.parts]
        self._end = f"--{self._boundary}--\r\n".encode()
        self.length = sum(len(h) + part.size + 2 for h, part in zip(self._heads, batch.parts, strict=True))
        self.length += len(self._end)
        self.content_type = f"multipart/form-data; boundary={self._boundary}"
        self.is_complete = False

    def __iter__(self) -> Iterator[bytes]:
        """Blocks; raises InvalidParamError when a file is not what it was."""
        for head, part in zip(self._heads, self._batch.parts, strict=True):
            yield head
            yield from part.blocks()
            yield b"\r\n"
        self.is_complete = True
        yield self._end

    def _head(self, part: Sample) -> bytes:
        return (
            f"--{self._boundary}\r\n"
            f'Content-Disposition: form-data; name="data"; filename="{_escaped(part.name)}"\r\n'
            f"Content-Type: {'application/json' if part.name.endswith('.labels') else content_type(part.name)}\r\n\r\n"
        ).encode()


def headers(
    sample: Sample, *, source: str, disallow_duplicates: bool = True, add_date_id: bool = False
) -> dict[str, str]:
    """The headers that say what a request's samples are, but for the key.

    Raises:
        InvalidParamError: a label or metadata that no header can carry.
    """
    found = {"x-upload-source": source}
    if sample.label == NO_LABEL:
        found |= {"x-label": "", "x-no-label": "1"}
    elif sample.label is not None:
        found["x-label"] = uri_component(sample.label, "label")
    if sample.metadata:
        found["x-metadata"] = json.dumps(dict(sample.metadata))
    if disallow_duplicates:
        found["x-disallow-duplicates"] = "1"
    if add_date_id:
        found["x-add-date-id"] = "1"
    for name, value in found.items():
        if len(value) > _MAX_HEADER_BYTES:
            what = name.removeprefix("x-")
            raise InvalidParamError(f"the {what} of {sample.name!r} takes {len(value)} bytes, too many for a header")
    return found


def uri_component(text: str, what: str) -> str:
    """`text` percent-encoded as ECMAScript's encodeURIComponent does; raises InvalidParamError for lone surrogates."""
    try:
        return quote(text, safe=_URI_COMPONENT)
    except UnicodeEncodeError:
        raise InvalidParamError(f"the {what} {text!r} is no Unicode text") from None


def batches(samples: Sequence[Sample], label_files: Sequence[LabelFile], max_bytes: int) -> list[Batch]:
    """`samples` in requests, in their order where they may go together.

    Args:
        samples: of any category, label and metadata.
        label_files: go with the samples of their folder.
        max_bytes: of the files of a request that holds more than one.
    """
    open_groups: dict[object, _Group] = {}
    done: list[_Group] = []
    for sample in samples:
        about = [file for file in label_files if file.path.parent == sample.folder and sample.name in file.entries]
        # Only a file of labels makes it matter where a sample comes from.
        folder = sample.folder if about else None
        key = (sample.category, sample.label, json.dumps(dict(sample.metadata), sort_keys=True), folder)
        parts = 1 + sum(len(file.attachments(sample.name)) for file in about)
        group = open_groups.setdefault(key, _Group())
        if not group.takes(sample, parts, max_bytes, MAX_FILES - len(label_files if about else ())):
            done.append(group)
            group = open_groups[key] = _Group()
        group.add(sample, parts)
    return [_with_extras(group.samples, label_files) for group in [*done, *open_groups.values()]]


class _Group:
    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._names: set[str] = set()
        self._parts = 0
        self._bytes = 0

    def takes(self, sample: Sample, parts: int, max_bytes: int, max_parts: int) -> bool:
        if not self.samples:
            return True
        if sample.name in self._names or self._parts + parts > max_parts:
            return False
        return self._bytes + sample.size <= max_bytes

    def add(self, sample: Sample, parts: int) -> None:
        self.samples.append(sample)
        self._names.add(sample.name)
        self._parts += parts
        self._bytes += sample.size


def _with_extras(group: Sequence[Sample], label_files: Sequence[LabelFile]) -> Batch:
    extras: dict[str, Sample] = {}
    names = [sample.name for sample in group]
    for file in label_files:
        part = file.part_for(names) if file.path.parent == group[0].folder else None
        if part is None:
            continue
        extras[file.kind.file_name] = sample_of_bytes(file.kind.file_name, part)
        for path in (path for name in names for path in file.attachments(name)):
            if path.name in names:
                raise InvalidParamError(f"{file.path}: attachment {path.name!r} is a sample of the same name too")
            if path.name not in extras:
                extras[path.name] = sample_of_file(path, check=False, own_tables=False)
    return Batch(tuple(group), tuple(extras.values()))


def _escaped(name: str) -> str:
    """A file name for a quoted parameter of a form's part, as browsers write it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidParamError(f"{name!r}: the file name is no UTF-8", hint="rename the file") from None
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A").replace("\0", "%00")


def checked_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """`metadata` as a plain dict; raises InvalidParamError for anything but text by a name."""
    for name, value in metadata.items():
        if not isinstance(name, str) or not isinstance(value, str) or not name:
            raise InvalidParamError(f"metadata {name!r}: {value!r}, expected text by a name")
    return dict(metadata)
