"""AudioImpulseRunner on engines that play scenarios, with WAV files and a stand-in for a microphone."""

from __future__ import annotations

import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np
import pytest

from ai_runner.edge_impulse import audio
from ai_runner.edge_impulse.audio import AudioImpulseRunner
from ai_runner.errors import InvalidModelError, InvalidParamError, NotInitializedMsgError

Engine = Callable[..., Path]
Model = dict[str, Any]


class FakeMicrophone:
    """Gives a ramp of samples in chunks of 64."""

    samples = 300

    def __init__(self, rate: float, chunk_size: int, device_id: object = None, channels: int = 1) -> None:
        self.asked_for = (rate, chunk_size, device_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def generator(self) -> Iterator[bytes]:
        ramp = np.arange(self.samples, dtype=np.int16)
        for start in range(0, self.samples, 64):
            yield ramp[start : start + 64].tobytes()


def engine_of(make: Engine, parameters: Model, **scenario: Any) -> Path:
    return make({"hello": {"model_parameters": parameters}, **scenario})


def write(path: Path, samples: int, rate: int = 1000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", "not compressed"))
        file.writeframes(np.arange(samples, dtype="<i2").tobytes())
    return path


def first_of(reply: dict[str, Any]) -> float:
    """The first feature that the engine saw."""
    return float(reply["result"]["classification"]["low"])


def test_attributes_as_the_official_client(scripted_engine: Engine, audio_model: Model, official: ModuleType) -> None:
    engine = str(engine_of(scripted_engine, audio_model))
    official.audio.pyaudio = ModuleType("pyaudio")
    theirs = official.audio.AudioImpulseRunner(engine)
    ours = AudioImpulseRunner(engine)
    names = ("window_size", "sampling_rate", "labels", "closed")
    assert [getattr(ours, name) for name in names] == [getattr(theirs, name) for name in names]
    theirs.init()
    with ours:
        assert [getattr(ours, name) for name in names[:-1]] == [getattr(theirs, name) for name in names[:-1]]
        assert (ours.window_size, ours.sampling_rate, ours.closed) == (100, 1000, False)
        assert ours.classify(np.arange(100, dtype=np.int16)) == theirs.classify(list(range(100)))
    assert ours.closed
    process = theirs._runner
    theirs.stop()
    process.wait(10)


def test_windows_and_chunks_as_the_official_client(
    scripted_engine: Engine, audio_model: Model, official: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = str(engine_of(scripted_engine, audio_model))
    monkeypatch.setattr(audio, "Microphone", FakeMicrophone)
    monkeypatch.setattr(official.audio, "Microphone", FakeMicrophone)
    theirs = official.audio.AudioImpulseRunner(engine)
    theirs.init()
    expected = []
    with theirs:
        for found in theirs.classifier(device_id=0):
            expected.append(found)
            if len(expected) == 9:  # it would go round for ever at the end
                theirs.closed = True
    with AudioImpulseRunner(engine) as ours:
        assert list(ours.classifier(device_id=0)) == expected
    assert [first_of(reply) for reply, _ in expected] == [25 * k for k in range(9)]
    process = theirs._runner
    theirs.stop()
    process.wait(10)


@pytest.mark.parametrize(
    ("step", "begins"), [(0.25, range(0, 201, 25)), (0.5, range(0, 201, 50)), (1, range(0, 201, 100))]
)
def test_windows_of_a_file(
    step: float, begins: range, scripted_engine: Engine, audio_model: Model, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.wav", 300)
    with AudioImpulseRunner(engine_of(scripted_engine, audio_model)) as runner:
        found = list(runner.classifier(path, step=step))
    assert [first_of(reply) for reply, _ in found] == list(begins)
    assert all(chunk == np.arange(300, dtype=np.int16).tobytes() for _, chunk in found)


def test_a_file_of_exactly_one_window(scripted_engine: Engine, audio_model: Model, tmp_path: Path) -> None:
    with AudioImpulseRunner(engine_of(scripted_engine, audio_model)) as runner:
        assert len(list(runner.classifier(str(write(tmp_path / "a.WAV", 100))))) == 1


def test_slices_of_a_file_come_once_and_in_order(scripted_engine: Engine, audio_model: Model, tmp_path: Path) -> None:
    with AudioImpulseRunner(engine_of(scripted_engine, audio_model)) as runner:
        found = list(runner.classifier(write(tmp_path / "a.wav", 110), continuous=True))
    assert [first_of(reply) for reply, _ in found] == [0, 25, 50, 75]


def test_a_file_that_does_not_fit(scripted_engine: Engine, audio_model: Model, tmp_path: Path) -> None:
    with AudioImpulseRunner(engine_of(scripted_engine, audio_model)) as runner:
        with pytest.raises(InvalidParamError, match="99 samples are less than one window of 100") as caught:
            next(runner.classifier(write(tmp_path / "short.wav", 99)))
        assert "100 ms" in caught.value.hint
        with pytest.raises(InvalidParamError, match="8000 samples a second, the model takes 1000"):
            next(runner.classifier(write(tmp_path / "fast.wav", 300, rate=8000)))
        with pytest.raises(InvalidParamError, match="no such file"):
            next(runner.classifier(tmp_path / "none.wav"))


@pytest.mark.parametrize("step", [0, -1, 1.5])
def test_impossible_steps(step: float, scripted_engine: Engine, audio_model: Model) -> None:
    with (
        AudioImpulseRunner(engine_of(scripted_engine, audio_model)) as runner,
        pytest.raises(InvalidParamError, match="share of the window"),
    ):
        next(runner.classifier(step=step))


def test_models_that_do_not_hear(scripted_engine: Engine, image_model: Model, audio_model: Model) -> None:
    with pytest.raises(InvalidModelError, match="not suitable for audio"):
        AudioImpulseRunner(engine_of(scripted_engine, image_model)).init()
    with (
        AudioImpulseRunner(engine_of(scripted_engine, {**audio_model, "slice_size": None})) as runner,
        pytest.raises(InvalidModelError, match="no continuous mode"),
    ):
        next(runner.classifier("a.wav", continuous=True))
    with pytest.raises(NotInitializedMsgError):
        next(AudioImpulseRunner(engine_of(scripted_engine, audio_model)).classifier("a.wav"))


def test_closed_ends_the_windows(scripted_engine: Engine, audio_model: Model, tmp_path: Path) -> None:
    before = threading.active_count()
    with AudioImpulseRunner(engine_of(scripted_engine, audio_model)) as runner:
        windows = runner.classifier(write(tmp_path / "a.wav", 300))
        next(windows)
        runner.closed = True
        assert list(windows) == []
    assert threading.active_count() == before
