"""Random and mutated replies against the protocol of Edge Impulse executables: an event or a ProtocolError, no more.

    python benchmarks/eim_protocol_fuzz.py [cases, default 200000] [seed]

Each case is one connection that waits for a reply, in either framing, and a byte string in place of it: noise, noise
of the characters that JSON is made of, or a reply of every kind with bytes, fields or whole frames changed; it comes
whole, byte by byte or in random pieces. What decodes is then read as arrays, where an InvalidMsgError is the only other
outcome. Every error is one line. A case that breaks the rule stops the run with what is needed to repeat it.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Any

from ai_runner.drivers.eim.protocol import NEED_DATA, Answer, Connection, Event, Framing, ProtocolError, request
from ai_runner.errors import InvalidMsgError
from ai_runner.impulse.hello import Hello, parse_hello
from ai_runner.impulse.result import ResultReader, output_tensors

ASK = request({"x": 1})
PLACE = {"label": "cup", "value": 0.75, "x": 8, "y": 16, "width": 24, "height": 8}
SHM = {"elements": 4, "name": "/shm-0123456789ab", "size_bytes": 16, "type": "float32"}
PARAMETERS = {
    "axis_count": 1,
    "frequency": 62.5,
    "has_anomaly": 4,
    "has_object_tracking": True,
    "image_resize_mode": "squash",
    "input_features_count": 4,
    "labels": ["cup", "pen"],
    "model_type": "object_detection",
    "sensor": 3,
    "slice_size": 1,
    "thresholds": [{"id": 6, "min_score": 0.5, "type": "object_detection"}],
}
REPLIES: list[dict[str, Any]] = [
    {"features_shm": SHM, "freeform_output_shm": [{**SHM, "index": 0}], "model_parameters": PARAMETERS},
    {"result": {"classification": {"cup": 0.25, "pen": None}, "anomaly": -1.5}, "timing": {"dsp": 1}},
    {"result": {"bounding_boxes": [PLACE, PLACE], "object_tracking": [{**PLACE, "object_id": 3}]}},
    {"result": {"visual_anomaly_grid": [PLACE], "visual_anomaly_max": 7.5, "visual_anomaly_mean": 2, "anomaly": 7}},
    {"result": {"visual_anomaly": {"visual_anomaly_grid": [PLACE], "visual_anomaly_max": 1}}},
    {"result": {"freeform": [[1, 2.5], [3, None, 4]]}, "timing": {}, "info": "cycles: 12"},
    {},
    {"success": False, "error": "Classifying failed, error code was -5"},
]
MODELS = [
    Hello(features=4, labels=("cup", "pen"), anomaly=1),
    Hello(features=4, labels=("cup", "pen"), model_type="object_detection", has_object_tracking=True),
    Hello(features=4, labels=("cup",), anomaly=3),
    Hello(features=4, model_type="freeform"),
]
READERS = [ResultReader(output_tensors(model, [2, 3])) for model in MODELS]
STRANGE: list[Any] = [None, True, -1, 0, 2**31, 2**63, 10**30, 1.5, 1e308, "", "a}{b\n", "é\0", [], {}, [[]], [{}]]
JSON_BYTES = b'{}[]",:\\/0123456789.eE+-truefalsn idsuc\n\0 '


def mutated_value(source: random.Random, value: Any) -> Any:
    """`value` with one thing changed somewhere inside."""
    if isinstance(value, dict) and value and source.random() < 0.8:
        key = source.choice(sorted(value))
        changed = dict(value)
        if source.random() < 0.2:
            del changed[key]
        else:
            changed[key] = mutated_value(source, value[key])
        return changed
    if isinstance(value, list) and value and source.random() < 0.8:
        place = source.randrange(len(value))
        return [*value[:place], mutated_value(source, value[place]), *value[place + 1 :]]
    return source.choice(STRANGE)


def mutated_bytes(source: random.Random, data: bytes) -> bytes:
    """`data` with some bytes changed, cut out, doubled or put in."""
    changed = bytearray(data)
    for _ in range(source.choice([1, 1, 2, 5, 20])):
        place = source.randrange(len(changed) + 1)
        length = source.choice([1, 1, 2, 8, 64])
        piece = changed[place : place + length]
        match source.randrange(4):
            case 0:
                changed[place : place + length] = source.randbytes(len(piece))
            case 1:
                del changed[place : place + length]
            case 2:
                changed[place:place] = piece
            case 3:
                changed[place:place] = bytes(source.choices(JSON_BYTES, k=length))
    return bytes(changed)


def frame(source: random.Random, framing: Framing) -> bytes:
    """A reply, sound or not, mostly with its terminator."""
    reply = {"id": source.choice([1, *[2] * 12, 3, None, "2"]), "success": True, **source.choice(REPLIES)}
    for _ in range(source.choice([0, 1, 1, 2, 4])):
        reply = mutated_value(source, reply)
        if not isinstance(reply, dict):
            break
    is_pretty = framing is Framing.NUL and source.random() < 0.2
    text = json.dumps(reply, ensure_ascii=source.random() < 0.5, indent=2 if is_pretty else None)
    end = b"\n\0" if framing is Framing.NUL else b"\n"
    return text.encode("utf-8") + (end if source.random() < 0.95 else source.choice([b"", b"\0", b"\n"]))


def case(source: random.Random, framing: Framing) -> bytes:
    """What comes in place of a reply."""
    match source.randrange(12):
        case 0:
            return source.randbytes(source.choice([0, 1, 5, 50, 500]))
        case 1:
            return bytes(source.choices(JSON_BYTES, k=source.choice([1, 5, 50, 500])))
        case 2:
            return mutated_bytes(source, frame(source, framing))
        case 3:
            return b"".join(
                mutated_bytes(source, frame(source, framing)) for _ in range(source.choice([1, 1, 1, 2, 3]))
            )
    return b"".join(frame(source, framing) for _ in range(source.choice([1, 1, 1, 2, 3])))


def pieces_of(source: random.Random, data: bytes) -> list[bytes]:
    """`data` whole, byte by byte or in random pieces."""
    if not data or source.random() < 0.4:
        return [data]
    if source.random() < 0.4:
        return [data[i : i + 1] for i in range(len(data))]
    cuts = sorted(source.choices(range(len(data) + 1), k=source.randrange(1, 9)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def outcome(source: random.Random, pieces: list[bytes], framing: Framing) -> str:
    """Feeds one connection; what came out first, in a word."""
    connection = Connection(framing, max_reply=1 << 12)
    connection.send(ASK)
    connection.give_up()
    connection.send(ASK)
    names = []
    try:
        for piece in pieces:
            connection.receive_data(piece)
            while (event := connection.next_event()) is not NEED_DATA:
                assert isinstance(event, Event), event
                names.append(type(event).__name__)
                if isinstance(event, Answer):
                    names[-1] += read(source, event.fields)
    except ProtocolError as error:
        return _named(error)
    return names[-1] if names else "nothing yet"


def read(source: random.Random, fields: dict[str, Any]) -> str:
    """Reads an answer as hello and as result; a word for what it was."""
    word = ""
    readings: list[Callable[[], object]] = [lambda: parse_hello(fields)]
    result = fields.get("result")
    if isinstance(result, dict):
        reader = source.choice(READERS)
        readings.append(lambda: reader.read(result, reader.empty(1), 0))
    for reading, name in zip(readings, (", a hello", ", a result"), strict=False):
        try:
            reading()
        except InvalidMsgError as error:
            _named(error)
            continue
        word += name
    return word


def _named(error: InvalidMsgError) -> str:
    if "\n" in error.message or len(error.message) > 1000:
        raise ValueError(f"not one line: {error.message!r}")
    return type(error).__name__


def main() -> None:
    """Runs the cases and prints how they came out."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    outcomes: Counter[str] = Counter()
    begin = perf_counter()
    for number in range(cases):
        source = random.Random(f"{seed}/{number}")
        framing = source.choice(list(Framing))
        pieces = pieces_of(source, case(source, framing))
        try:
            outcomes[outcome(source, pieces, framing)] += 1
        except Exception:
            print(f"seed {seed}, case {number}, {framing}: {pieces!r}"[:4000])
            raise
    print(f"{cases} cases of seed {seed} in {perf_counter() - begin:.0f} s: an event or a ProtocolError each")
    for name, count in outcomes.most_common():
        print(f"  {count:7}  {name}")


if __name__ == "__main__":
    main()
