"""The data acquisition format: a recording of sensors as a JSON or CBOR document, signed or not.

::

    protected  ver "v1", alg "HS256" | "none", iat s since 1970 (optional)
    signature  64 hexadecimal digits
    payload    device_name (optional), device_type, interval_ms, sensors [{name, units}], values [[one a sensor]]

It is signed as the format says: HMAC-SHA256 over the encoded document with 64 zeros in place of the signature; the
key is the characters of the project's HMAC key as they are shown. The digits replace the zeros in the encoded bytes,
so that nothing else can change. Without a key alg is "none" and the zeros stay.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ai_runner.edge_impulse.ingestion.json_value import is_finite, is_whole, shown
from ai_runner.edge_impulse.secret import Secret
from ai_runner.errors import InvalidParamError, MissingRuntimeError

Encoding = Literal["json", "cbor"]

ZEROS = "0" * 64
_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Sensor:
    """A column of the values; `units` is free text, for instance ``m/s2``."""

    name: str
    units: str = ""


@dataclass(frozen=True)
class Recording:
    """What a document says.

    Attributes:
        values: numbers, ``(samples, sensors)``.
        sensors: names and units of the columns.
        interval_ms: ms from one sample to the next, 1000 / frequency.
        device_type: what recorded it.
        device_name: unique in the world, such as a MAC address; a device of that name then appears in the project.
    """

    values: npt.NDArray[Any]
    sensors: Sequence[Sensor]
    interval_ms: float
    device_type: str = "AI_RUNNER"
    device_name: str | None = None

    def payload(self) -> dict[str, Any]:
        """The document's payload.

        A float32 is written with the fewest digits that give it back, not with the digits of its float64 twin.

        Raises:
            InvalidParamError: no numbers, not finite, or as many columns as there are no sensors.
        """
        values = np.asarray(self.values)
        if values.ndim != 2 or values.dtype.kind not in "iuf" or values.size == 0:
            raise InvalidParamError(
                f"values {values.dtype.name}{list(values.shape)}, expected numbers of shape [samples, sensors]"
            )
        if values.dtype in (np.float16, np.float32):
            finite = bool(np.isfinite(values).all())
            values = values.astype("U").astype(np.float64) if finite else values
        payload: dict[str, Any] = {} if self.device_name is None else {"device_name": self.device_name}
        payload |= {
            "device_type": self.device_type,
            "interval_ms": self.interval_ms,
            "sensors": [{"name": sensor.name, "units": sensor.units} for sensor in self.sensors],
            "values": values.tolist(),
        }
        return check_payload(payload, "recording")


def signed(
    payload: Mapping[str, Any], key: Secret | str | None = None, *, encoding: Encoding = "json", iat: int | None = None
) -> bytes:
    """A document around `payload`, encoded and signed.

    Args:
        payload: as `Recording.payload` gives it; another one is not checked.
        key: the project's HMAC key; None leaves the document unsigned.
        encoding: of the bytes.
        iat: when it was made, whole s since 1970; None leaves it out.

    Raises:
        InvalidParamError: `iat` is no whole number from 0, or there is something that the encoding cannot hold.
        MissingRuntimeError: CBOR without the package cbor2.
    """
    if iat is not None and not is_whole(iat):
        raise InvalidParamError(f"iat is {iat!r}, expected whole seconds since 1970")
    protected: dict[str, Any] = {"ver": "v1", "alg": "none" if key is None else "HS256"}
    if iat is not None:
        protected["iat"] = iat
    zeroed = encoded({"protected": protected, "signature": ZEROS, "payload": payload}, encoding)
    if key is None:
        return zeroed
    # The first zeros are the signature: what stands before it is written above.
    return zeroed.replace(ZEROS.encode(), signature_of(zeroed, key).encode(), 1)


def signature_of(zeroed: bytes, key: Secret | str) -> str:
    """64 hexadecimal digits for an encoded document whose signature is 64 zeros."""
    text = key.reveal() if isinstance(key, Secret) else key
    return hmac.new(text.encode(), zeroed, hashlib.sha256).hexdigest()


def is_signed_by(document: bytes, key: Secret | str, *, encoding: Encoding = "json") -> bool:
    """Whether the signature in an encoded document is that of `key`; raises InvalidParamError if it is none."""
    message = decoded(document, encoding, "document")
    check_document(message, "document")
    signature: str = message["signature"]
    if message["protected"]["alg"] != "HS256":
        return False
    digits = signature.encode()
    found = document.find(digits)
    while found >= 0:  # the same digits may stand elsewhere
        zeroed = document[:found] + ZEROS.encode() + document[found + len(digits) :]
        if hmac.compare_digest(signature_of(zeroed, key), signature):
            return True
        found = document.find(digits, found + 1)
    return False


def encoded(message: Mapping[str, Any], encoding: Encoding) -> bytes:
    """Compact JSON, or CBOR with definite lengths and floats of 64 bit."""
    try:
        if encoding == "cbor":
            content: bytes = _cbor2().dumps(message)
            return content
        return json.dumps(message, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
    except MissingRuntimeError:
        raise
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidParamError(f"the document cannot be written as {encoding.upper()}: {error}") from None
    except Exception as error:  # cbor2 has errors of its own
        raise InvalidParamError(f"the document cannot be written as {encoding.upper()}: {error}") from error


def decoded(content: bytes, encoding: Encoding, where: str) -> Any:
    """What is in `content`; NaN and infinities come as floats. Raises InvalidParamError that names `where`."""
    try:
        if encoding == "cbor":
            return _cbor2().loads(content)
        return json.loads(content)
    except MissingRuntimeError:
        raise
    except UnicodeDecodeError as error:
        raise InvalidParamError(f"{where}: is no JSON: byte {error.start} is no UTF-8") from None
    except json.JSONDecodeError as error:
        raise InvalidParamError(
            f"{where}: is no JSON: {error.msg}, line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise InvalidParamError(f"{where}: is nested too deeply") from None
    except Exception as error:  # cbor2 hands on whatever its tags raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InvalidParamError(f"{where}: is no {encoding.upper()}: {reason}") from None


def check_document(message: Any, where: str) -> dict[str, Any]:
    """The payload of a decoded document, checked as the format asks; raises InvalidParamError that names the place."""
    if not isinstance(message, dict):
        raise InvalidParamError(f"{where}: is no data acquisition document: not an object")
    protected, signature = message.get("protected"), message.get("signature")
    if not isinstance(protected, dict) or protected.get("ver") != "v1":
        raise InvalidParamError(f"{where}: protected.ver is not 'v1'", hint="is it a data acquisition document?")
    if protected.get("alg") not in ("HS256", "none"):
        raise InvalidParamError(f"{where}: protected.alg is {shown(protected.get('alg'))}, expected 'HS256' or 'none'")
    iat = protected.get("iat", 0)
    if not is_whole(iat):
        raise InvalidParamError(f"{where}: protected.iat is {shown(iat)}, expected whole seconds")
    if not isinstance(signature, str) or len(signature) != len(ZEROS) or not _DIGITS.issuperset(signature.lower()):
        raise InvalidParamError(f"{where}: signature is {shown(signature)}, expected 64 hexadecimal digits")
    return check_payload(message.get("payload"), where)


def check_payload(payload: Any, where: str) -> dict[str, Any]:
    """`payload`, once every field has its type, every row a number a sensor, and every number is finite."""
    if not isinstance(payload, dict):
        raise InvalidParamError(f"{where}: payload is {shown(payload)}, expected an object")
    for name, optional in (("device_type", False), ("device_name", True)):
        if not isinstance(payload.get(name), str) and not (optional and name not in payload):
            raise InvalidParamError(f"{where}: payload.{name} is {shown(payload.get(name))}, expected text")
    interval = payload.get("interval_ms")
    if not is_finite(interval) or interval < 0:
        raise InvalidParamError(f"{where}: payload.interval_ms is {shown(interval)}, expected milliseconds")
    sensors = payload.get("sensors")
    if not isinstance(sensors, list) or not sensors:
        raise InvalidParamError(f"{where}: payload.sensors is {shown(sensors)}, expected a list of sensors")
    for i, sensor in enumerate(sensors):
        if not isinstance(sensor, dict) or not all(isinstance(sensor.get(name), str) for name in ("name", "units")):
            raise InvalidParamError(f"{where}: payload.sensors[{i}] is {shown(sensor)}, expected name and units")
    _check_values(payload.get("values"), len(sensors), where)
    return payload


def _check_values(values: Any, sensors: int, where: str) -> None:
    if not isinstance(values, list) or not values:
        raise InvalidParamError(f"{where}: payload.values is {shown(values)}, expected a list of rows")
    for i, row in enumerate(values):
        if not isinstance(row, list) or len(row) != sensors:
            what = f"{len(row)} values" if isinstance(row, list) else shown(row)
            raise InvalidParamError(
                f"{where}: payload.values[{i}] is {what}, expected a list of {sensors}, one a sensor"
            )
        for k, value in enumerate(row):
            if not is_finite(value):
                raise InvalidParamError(
                    f"{where}: payload.values[{i}][{k}] is {shown(value)}, expected a finite number"
                )


def _cbor2() -> Any:
    try:
        import cbor2
    except ImportError as error:
        raise MissingRuntimeError("CBOR needs the package cbor2", hint="pip install 'ai-runner[ingestion]'") from error
    return cbor2
