"""ImpulseRunner: an impulse started, asked and stopped, with the names of Edge Impulse's Linux SDK.

What runs it is a driver (``eim:`` or ``ei:``), so that errors are those of `ai_runner.errors`, each also the builtin
that it resembles: TimeoutError, ConnectionError, ValueError, OSError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor, parse_descriptor
from ai_runner.driver import Driver
from ai_runner.edge_impulse import visual_anomaly
from ai_runner.errors import InvalidModelError, InvalidParamError, NotInitializedMsgError
from ai_runner.impulse.hello import Hello, parse_hello
from ai_runner.registry import create_driver

Reply = dict[str, Any]

_SCHEMES = ("eim:", "ei:", "replay:")
_A_DAY = 86400  # s


class ImpulseRunner:
    """One impulse. A context manager that starts and stops it; `init` and `stop` do the same by hand.

    Args:
        model_path: an ``.eim`` file, or a descriptor: ``eim:model.eim?mode=stdin``, ``ei:library.so``, ``replay:FILE``.
        timeout: s that a request may take, with and without shared memory; None is a day.
        allow_shm: False sends features as JSON.
        debug: the engine prints what it does, which goes to the log ``ai_runner`` at level DEBUG.
        shm: ``auto`` (shared memory where the engine has it), ``always``, ``never``; stronger than `allow_shm`.
        start_timeout: s until the engine has said hello; None is 10.
        first_timeout: s for the first classification; None is `timeout`, or an hour where a GPU or NPU is set up.

    All but the first and `debug` are about engines; a library or a recording ignores them.
    """

    def __init__(
        self,
        model_path: str | Path,
        timeout: float | None = 30,
        allow_shm: bool = True,
        *,
        debug: bool = False,
        shm: str | None = None,
        start_timeout: float | None = None,
        first_timeout: float | None = None,
    ) -> None:
        self._driver: Driver | None = None
        self._model_path = str(model_path)
        self._debug = debug
        of_engine = {
            "timeout": _A_DAY if timeout is None else timeout,
            "shm": shm or ("auto" if allow_shm else "never"),
            "start_timeout": start_timeout,
            "first_timeout": first_timeout,
        }
        self._descriptor = _descriptor(self._model_path, of_engine)

    # -- life ----------------------------------------------------------------------------------------------------------

    def init(self, debug: bool = False) -> Reply:
        """Starts the impulse, unless it runs already, and returns what it says of itself.

        Args:
            debug: as for the class; stays for what follows.

        Returns:
            the hello reply without `id` and `success`, a fresh dict: ``model_parameters``, ``project``, ... with the
            thresholds as they are now.

        Raises:
            InvalidParamError: there is no such file, or an argument of the class is not possible.
            InvalidModelError: it cannot be started here, or is no model for this class.
            HwIOError: it ended at once, or did not answer in time.
        """
        self._debug = self._debug or debug
        if self._driver is None:
            driver = create_driver(self._descriptor)
            try:
                driver.open(Deadline(None))
                self._driver = driver
                self._describe(parse_hello(self.hello()))
            except BaseException:
                self._driver = None
                driver.close()
                raise
        return self.hello()

    def stop(self) -> None:
        """Ends the impulse, waits for its process and removes what it left. May be called again, also before init."""
        driver, self._driver = getattr(self, "_driver", None), None
        if driver is not None:
            driver.close()

    def __enter__(self) -> Self:
        self.init()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __del__(self) -> None:
        self.stop()

    # -- requests ------------------------------------------------------------------------------------------------------

    def classify(self, data: Any, debug: bool | None = None) -> Reply:
        """Runs the impulse on one window of raw features.

        Args:
            data: ``input_features_count`` numbers, an array or a list; one packed pixel a feature for images, int16
                sample values for audio, the axes interleaved for sensors.
            debug: as for the class, for this request.

        Returns:
            ``{"result": ..., "timing": ...}``, and ``"info"`` where the engine has some. Freeform outputs are lists.

        Raises:
            InvalidParamError: a wrong number of features, or one that is no finite number; nothing was sent.
            InvalidModelError: the engine failed on them.
            LinkTimeoutError: no reply in time.
            LinkLostError, TargetCrashError: the engine went away.
        """
        return self._request("classify", features=data, debug=self._debug if debug is None else debug)

    def classify_continuous(self, data: Any, debug: bool | None = None) -> Reply:
        """Runs the impulse on a window that moves on by one slice.

        The engine keeps the slices before; until a window is full, the values of its replies are 0. Only models with
        an audio block can.

        Args:
            data: the next ``slice_size`` numbers.
            debug: as for `classify`.

        Returns:
            as `classify`.

        Raises:
            as `classify`.
        """
        return self._request("classify_continuous", features=data, debug=self._debug if debug is None else debug)

    def set_threshold(self, obj: Mapping[str, Any]) -> Reply:
        """Changes thresholds of one block: ``{"id": 6, "min_score": 0.3}``; ids and names are in the hello's
        ``model_parameters.thresholds``, which `init` and `hello` then show changed.

        Returns:
            ``{}``.

        Raises:
            InvalidParamError: there is no `id`, no such block, or no such name.
        """
        if "id" not in obj:
            raise InvalidParamError("set_threshold needs the id of a block", hint=self._known_thresholds())
        return self._request("set_threshold", threshold=dict(obj))

    def hello(self) -> Reply:
        """The kept hello reply, as `init` returns it. (The engine answers a hello once only.)

        Raises:
            NotInitializedMsgError: before init.
        """
        return self._request("hello")

    def send_msg(self, msg: Mapping[str, Any]) -> Reply:
        """Sends any request, without `id`, and returns the reply without `id` and `success`.

        Raises:
            InvalidParamError: the engine refused it; the message has its words.
        """
        reply = self._request("request", request={key: value for key, value in msg.items() if key != "id"})
        if reply.pop("success", False) is not True:
            raise InvalidParamError(f"{self._model_path}: {reply.get('error', 'the engine refused the request')}")
        reply.pop("id", None)
        return reply

    # -- what it says of itself ----------------------------------------------------------------------------------------

    def parameters(self) -> Hello:
        """The hello reply as an object: labels, sensor, sizes, thresholds, engine, project."""
        return parse_hello(self.hello())

    def get_model_parameters(self) -> Reply:
        """``model_parameters`` of the hello reply."""
        found: Reply = self.hello()["model_parameters"]
        return found

    def sensor_type(self) -> str:
        """``microphone``, ``accelerometer``, ``camera``, ``positional``, ``environmental``, ``fusion``, ``unknown``."""
        return self.parameters().sensor_name

    def get_input_frame_size(self) -> int:
        """Numbers of one classification."""
        return self.parameters().features

    def get_input_width(self) -> int:
        """Pixels across of the input picture; 0 when the input is none."""
        return self.parameters().image_width

    def get_input_height(self) -> int:
        """Pixels down of the input picture; 0 when the input is none."""
        return self.parameters().image_height

    def get_input_channels(self) -> int:
        """3 for RGB pictures, 1 for grey ones, 0 when the input is none."""
        return self.parameters().image_channels

    def get_sample_frequency(self) -> float:
        """Samples a second, Hz; 0 for images."""
        return self.parameters().frequency

    def get_sample_length_ms(self) -> float:
        """Length of one window, ms; 0 for images."""
        parameters = self.parameters()
        if parameters.frequency <= 0:
            return 0.0
        return 1000.0 * parameters.features / max(parameters.axis_count, 1) / parameters.frequency

    def normalize_visual_anomaly(
        self,
        anomaly: float | None,
        visual_anomaly_max: float | None,
        visual_anomaly_mean: float | None,
        regions: Iterable[Mapping[str, Any]],
        form: visual_anomaly.Form = "relative",
    ) -> visual_anomaly.Normalized:
        """The scores of a visual anomaly reply, relative to the model's own threshold; see
        `ai_runner.edge_impulse.visual_anomaly`."""
        threshold = visual_anomaly.min_anomaly_score(self.parameters().thresholds)
        return visual_anomaly.normalize_visual_anomaly(
            anomaly, visual_anomaly_max, visual_anomaly_mean, regions, min_anomaly_score=threshold, form=form
        )

    # -- for the classes of a sensor -----------------------------------------------------------------------------------

    def _describe(self, parameters: Hello) -> None:
        """Takes over what the class shows of a model that has just started; raises when it is none of its kind."""

    def _unsuitable(self, what: str) -> InvalidModelError:
        return InvalidModelError(
            f"{self._model_path}: is not suitable for {what}", hint="ImpulseRunner takes the raw features of any model"
        )

    def _request(self, command: str, **arguments: Any) -> Reply:
        if self._driver is None:
            raise NotInitializedMsgError(
                f"{self._model_path}: the runner is not initialized", hint="call init(), or use it in a with statement"
            )
        reply = self._driver.extension(None, cmd=command, **arguments)
        if reply is False:
            raise InvalidParamError(f"{self._model_path}: this runtime has no command {command!r}")
        found: Reply = reply
        return found

    def _known_thresholds(self) -> str:
        thresholds = self.parameters().thresholds if self._driver is not None else ()
        return "blocks: " + "; ".join(f"{t.id} {t.type}" for t in thresholds) if thresholds else ""


def _descriptor(model_path: str, of_engine: Mapping[str, Any]) -> Descriptor:
    """`model_path` as a descriptor; for an engine with `of_engine` as options, than which its own are stronger."""
    if model_path.lower().startswith(_SCHEMES):
        given = parse_descriptor(model_path)
    else:
        given = Descriptor("eim", model_path, text=f"eim:{model_path}")  # not parsed: a path may have a '?' in it
    if given.scheme != "eim":
        return given
    texts = {key: str(value) for key, value in of_engine.items() if value is not None}
    return replace(given, options={**texts, **given.options})
