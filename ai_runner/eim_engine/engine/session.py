"""Requests to replies: everything the engine says, without a socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ai_runner.eim_engine.engine.impulse import FREEFORM, Impulse
from ai_runner.eim_engine.engine.message import encode_reply, is_int32, is_number, parse_message
from ai_runner.eim_engine.engine.shared_memory import SharedMemory

if TYPE_CHECKING:
    from ai_runner.eim_engine.engine.classifier import Classification, Classifier
    from ai_runner.eim_engine.engine.features import Features

Reply = dict[str, Any]

# EI_IMPULSE_TFLITE_ERROR, EI_IMPULSE_DSP_ERROR of the SDK, and what setting an unknown parameter gives.
_TFLITE_ERROR = -3
_DSP_ERROR = -5
_UNKNOWN_PARAMETER = -34


_NO_ID = {"success": False, "error": "Missing 'id' field in message"}


class Refusal(ValueError):
    """The error text of a reply."""


class NoJson(ValueError):
    """What arrived is no JSON after all: its id is not known."""


class _Timing(NamedTuple):
    """Milliseconds that passed before a message was handled, and when its handling began."""

    receive_ms: float
    parse_ms: float
    began: float


class Session:
    """One engine from its first message to its last.

    Args:
        impulse: what is served.
        load: makes the classifier; called after hello was answered.
        say: prints to the engine's standard output.

    Attributes:
        initialized: hello was answered.
    """

    def __init__(self, impulse: Impulse, load: Callable[[], Classifier], say: Callable[[str], None]) -> None:
        self._impulse = impulse
        self._load = load
        self._say = say
        self._classifier: Classifier | None = None
        self._thresholds = [dict(entry) for entry in impulse.model_parameters["thresholds"]]
        self._shared: list[SharedMemory] = []
        self.initialized = False

    def handle(self, raw: bytes, receive_ms: float = 0.0) -> bytes:
        """The reply to one message, JSON and a line feed; `receive_ms` is what it took to arrive."""
        start = perf_counter()
        message = parse_message(raw)
        began = perf_counter()
        identifier = message.get("id")
        if not is_int32(identifier):
            return encode_reply(_NO_ID)
        timing = _Timing(receive_ms, (began - start) * 1e3, began)
        try:
            reply = self._answer(message, timing)
        except NoJson:
            return encode_reply(_NO_ID)
        except Refusal as refusal:
            return encode_reply({"id": identifier, "success": False, "error": str(refusal)})
        return encode_reply({**reply, "id": identifier, "success": True})

    def prepare(self) -> None:
        """Loads the model once hello was answered, so that no request has to wait for it.

        Raises:
            NoRuntime: no installed runtime loads it.
        """
        if self.initialized:
            self._ready()

    def close(self) -> None:
        """Removes the shared memory; idempotent."""
        for shared in self._shared:
            shared.unlink()

    def _answer(self, message: Mapping[str, Any], timing: _Timing) -> Reply:
        if is_int32(message.get("hello")):
            return self._hello(message["hello"])
        if not self.initialized:
            raise Refusal("Invalid message, should initialize first")
        for key, kind, answer in (
            ("classify", list, self._classify),
            ("classify_shm", dict, self._classify_shared),
            ("classify_continuous", list, self._classify),
            ("classify_continuous_shm", dict, self._classify_shared),
        ):
            if isinstance(message.get(key), kind):
                return answer(key, message, timing)
        if isinstance(message.get("set_threshold"), dict):
            return self._set_threshold(message["set_threshold"])
        raise Refusal("Failed to handle message")

    def _hello(self, version: int) -> Reply:
        if self.initialized:
            raise Refusal("Invalid message 'hello', already initialized")
        if version != 1:
            raise Refusal("Invalid value for 'hello', only 1 supported")
        reply: Reply = {
            "project": self._impulse.project,
            "model_parameters": {**self._impulse.model_parameters, "thresholds": self._thresholds},
            "inferencing_engine": {"engine_type": self._impulse.engine_type, "properties": []},
        }
        outputs = self._impulse.outputs if self._impulse.kind == FREEFORM else ()
        try:
            for elements in (self._impulse.features_count, *outputs):
                self._shared.append(SharedMemory(elements))
                self._shared[-1].create()
        except OSError as error:
            self.close()
            self._shared.clear()
            reply["features_shm_error"] = str(error)
        else:
            reply["features_shm"] = self._shared[0].describe()
            if outputs:
                described = [{**shared.describe(), "index": k} for k, shared in enumerate(self._shared[1:])]
                reply["freeform_output_shm"] = described
        self.initialized = True
        return reply

    def _classify(self, key: str, message: Mapping[str, Any], timing: _Timing) -> Reply:
        from ai_runner.eim_engine.engine.features import NoNumbers, from_numbers

        numbers = message[key]
        if not set(map(type, numbers)) <= {int, float}:
            raise Refusal("Failed to parse classify array, should contain all numbers")
        expected = self._expected(key)
        try:
            features = from_numbers(numbers)
        except NoNumbers:
            raise NoJson from None
        if len(numbers) != expected:
            raise Refusal(f"Invalid number of features in '{key}', expected {expected} but got {len(numbers)}")
        return self._run(key, features, message, timing, shared=False)

    def _classify_shared(self, key: str, message: Mapping[str, Any], timing: _Timing) -> Reply:
        from ai_runner.eim_engine.engine.features import shared_features

        name = key.replace("classify_", "classify_data_")
        if not self._shared:
            raise Refusal(f"Cannot use '{name}', cannot find shm input tensor with ix=0")
        elements = message[key].get("elements")
        if not is_number(elements):
            raise Refusal(f"Missing 'elements' in '{name}'")
        expected = self._expected(key)
        if elements != expected:
            raise Refusal(f"Invalid value for '{name}.elements', expected {expected}, but got {int(elements)}")
        return self._run(key, shared_features(self._shared[0].buffer, expected), message, timing, shared=True)

    def _expected(self, key: str) -> int:
        return self._impulse.slice_size if "continuous" in key else self._impulse.features_count

    def _run(self, key: str, features: Features, message: Mapping[str, Any], timing: _Timing, *, shared: bool) -> Reply:
        continuous = "continuous" in key
        if continuous and not self._impulse.model_parameters["use_continuous_mode"]:
            self._say("ERR: continuous classification is for audio only\n")
            raise Refusal(f"Classifying failed, error code was {_DSP_ERROR}")
        classifier = self._ready()
        classify = classifier.classify_slice if continuous else classifier.classify
        try:
            done = classify(features, self._min_score())
        except (RuntimeError, ValueError) as error:
            self._say(f"ERR: {error}\n")
            raise Refusal(f"Classifying failed, error code was {_TFLITE_ERROR}") from error
        if message.get("debug") is True and done.inputs is not None:
            values = " ".join(f"{value:f}" for value in done.inputs.tolist())
            self._say(f"Features ({int(done.dsp_ms)} ms.): {values} \nRunning impulse...\n")
        return {"result": self._shared_result(done) if shared else done.result, "timing": _milliseconds(timing, done)}

    def _ready(self) -> Classifier:
        if self._classifier is None:
            self._classifier = self._load()
        return self._classifier

    def _shared_result(self, done: Classification) -> dict[str, Any]:
        if self._impulse.kind != FREEFORM:
            return done.result
        for values, shared in zip(done.outputs, self._shared[1:], strict=True):
            shared.buffer[:] = values.astype("<f4", copy=False).tobytes()
        return {"freeform": "shm"}

    def _min_score(self) -> float:
        scores = [float(entry["min_score"]) for entry in self._thresholds if "min_score" in entry]
        return scores[0] if scores else 0.0

    def _set_threshold(self, request: Mapping[str, Any]) -> Reply:
        block = request.get("id")
        if not is_int32(block):
            raise Refusal("set_threshold should have a numeric field 'id'")
        if block != self._impulse.block_id:
            raise Refusal(f"set_threshold: cannot find learn block with id {block}")
        entry = next((entry for entry in self._thresholds if entry["id"] == block), {})
        for key, value in request.items():
            if key in ("id", "type"):
                continue
            if not is_number(value):
                raise Refusal(f"set_threshold, value for '{key}' should be numeric")
            if key not in entry:
                raise Refusal(f"set_threshold, setting key '{key}' failed with error {_UNKNOWN_PARAMETER}")
            entry[key] = float(value)
        return {}


def _milliseconds(timing: _Timing, done: Classification) -> dict[str, int]:
    return {
        "dsp": int(done.dsp_ms),
        "classification": int(done.classification_ms),
        "anomaly": 0,
        "json": int(timing.parse_ms),
        "stdin": int(timing.receive_ms),
        "msg_handler": int((perf_counter() - timing.began) * 1e3),
    }
