"""What a recorder is told, and what it can be judged by later."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ai_runner.compare.noise_floor.noise_band import NoiseBand
from ai_runner.compare.recorder import DataDigest, sample_errors
from ai_runner.compare.validation import validate

N = 300


class Notes:
    """A recorder that keeps everything."""

    def __init__(self) -> None:
        self.runs: list[tuple[int | None, Any, Any]] = []
        self.errors: list[tuple[int, Any]] = []

    def ran(self, place: int | None, inputs: Any, result: Any) -> None:
        self.runs.append((place, inputs, result))

    def differed(self, place: int, errors: Any) -> None:
        self.errors.append((place, errors))

    def joined(self, place: int | None, what: Any) -> Any:
        return np.concatenate([what(inputs, result) for who, inputs, result in self.runs if who == place])


@pytest.fixture
def values() -> Any:
    return np.random.default_rng(3).normal(size=(N, 4)).astype(np.float32)


def test_every_run_and_every_error(tensors: Any, fake_session: Any, array_source: Any, values: Any) -> None:
    def runtime(offset: float) -> Any:
        return fake_session([tensors.f32("x", 4)], [tensors.f32("y", 4)], lambda x: [x[0] + np.float32(offset)])

    notes = Notes()
    found = validate(runtime(0), [runtime(0), runtime(1)], array_source(values), recorder=notes)
    assert [place for place, _, _ in notes.runs] == [None, 0, 1] * 3
    for place, offset in ((None, 0), (0, 0), (1, 1)):
        np.testing.assert_array_equal(notes.joined(place, lambda inputs, result: inputs[0]), values)
        outputs = notes.joined(place, lambda inputs, result: result.outputs[0])
        np.testing.assert_array_equal(outputs, values + np.float32(offset))
    same, off = (np.concatenate([e for place, e in notes.errors if place == k]) for k in (0, 1))
    assert not same.any()
    np.testing.assert_allclose(off, 2 / np.linalg.norm(values, axis=1), rtol=1e-5)
    assert found.judged_by == "tolerance"
    assert len(found.data_sha256) == 64


def test_what_a_recorder_raises_is_blamed_on_nobody(tensors: Any, fake_session: Any, array_source: Any) -> None:
    class Full(Notes):
        def ran(self, place: int | None, inputs: Any, result: Any) -> None:
            if place == 0:
                raise OSError(28, "No space left on device")

    runtime = fake_session([tensors.f32("x", 1)], [tensors.f32("y", 1)], lambda x: x)
    with pytest.raises(OSError, match="No space left"):
        validate(runtime, [runtime], array_source(np.ones((3, 1), np.float32)), recorder=Full())


def test_what_is_no_number_is_infinitely_wrong() -> None:
    reference = [np.array([[1.0, 2], [np.nan, 1], [0, 0], [0, 0], [3, 4]])]
    target = [np.array([[1.0, 2], [np.nan, 1], [0, 0], [1, 0], [3, np.inf]])]
    assert sample_errors(reference, target).tolist() == [0, np.inf, 0, np.inf, np.inf]
    other = [np.zeros((2, 1)), np.full((2, 1), 4.0)], [np.zeros((2, 1)), np.array([[4.0], [5.0]])]
    assert sample_errors(*other).tolist() == [0, 0.25]


def test_the_digest_of_data_knows_no_chunks(values: Any) -> None:
    labels = np.arange(N, dtype=np.int32)

    def digest(*cuts: int, labels: Any = labels, data: Any = values) -> str:
        found = DataDigest()
        for start, stop in zip((0, *cuts), (*cuts, N), strict=True):
            found.update([data[start:stop], data[start:stop, :1]], None if labels is None else labels[start:stop])
        return found.result()

    assert DataDigest().result() == ""
    assert digest() == digest(1, 2, 50) == digest(labels=labels.astype(np.int64))
    different = {
        digest(),
        digest(labels=None),
        digest(labels=labels + 1),
        digest(data=values.reshape(N, 2, 2)[:, ::-1]),
    }
    assert len(different) == 4


def test_equality_is_counted_beside_the_noise_floor(tensors: Any) -> None:
    tensor = tensors.i8("y", 4)
    target = np.array([[1, 2, 3, 4]], np.int8)
    trusted = {"one": target.copy(), "two": target + 1}
    for thorough, exact, unequal in ((False, False, None), (True, False, {"one": 0, "two": 4}), (False, True, "same")):
        band = NoiseBand(tensor, tensor, thorough=thorough, exact=exact)
        band.update(target, trusted, 1)
        found = band.result()
        assert found.unequal == ({"one": 0, "two": 4} if unequal == "same" else unequal)
        assert (found.reason, found.beyond_noise) == ("", "")
    trusted["one"] += np.int8(1)
    for exact in (False, True):
        band = NoiseBand(tensor, tensor, thorough=True, exact=exact)
        band.update(target, trusted, 1)
        found = band.result()
        assert found.diverges == exact
        assert found.beyond_noise == ""
        assert found.unequal == {"one": 4, "two": 4}
