"""The microphone on a stand-in for sounddevice."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ai_runner.edge_impulse import microphone
from ai_runner.edge_impulse.microphone import Microphone
from ai_runner.errors import HwIOError, InvalidParamError, LinkTimeoutError, MissingRuntimeError

DEVICES = [
    {"name": "Speakers", "max_input_channels": 0},
    {"name": "Webcam", "max_input_channels": 1},
    {"name": "Headset", "max_input_channels": 2},
]


class PortAudioError(Exception):
    pass


class SoundDevice(ModuleType):
    """As much of sounddevice as a microphone needs; `play` is called with the stream when it starts."""

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.PortAudioError = PortAudioError
        self.devices = DEVICES
        self.compatible = {1, 2, "Headset"}
        self.default = SimpleNamespace(device=[2, 0])
        self.open_streams = 0
        self.play: Callable[[Any], None] = lambda stream: None
        self.fails = False

    def query_devices(self) -> list[dict[str, Any]]:
        return self.devices

    def check_input_settings(self, device: Any, channels: int, dtype: str, samplerate: float) -> None:
        if device not in self.compatible:
            raise PortAudioError("Invalid sample rate")

    def RawInputStream(self, **settings: Any) -> Any:
        if self.fails:
            raise PortAudioError("Device unavailable")
        self.settings = settings
        self.open_streams += 1
        stream = SimpleNamespace(callback=settings["callback"], close=self.closed)
        stream.start = lambda: self.play(stream)
        return stream

    def closed(self) -> None:
        self.open_streams -= 1


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> SoundDevice:
    """The stand-in, in a program without a terminal."""
    found = SoundDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", found)
    monkeypatch.setattr(microphone, "_interactive", lambda: False)
    return found


def chunks_of(stream: Any, *chunks: bytes) -> None:
    for chunk in chunks:
        stream.callback(chunk, len(chunk) // 2, None, None)


def test_what_was_recorded_comes_in_order(sound: SoundDevice) -> None:
    sound.play = lambda stream: chunks_of(stream, b"\1\0\2\0", b"\3\0\4\0")
    with Microphone(16000, 2, 1) as mic:
        recorded = mic.generator()
        assert next(recorded) == b"\1\0\2\0\3\0\4\0"
        assert sound.open_streams == 1
        assert not mic.closed
    assert sound.open_streams == 0
    assert mic.closed
    assert list(recorded) == []
    assert sound.settings["samplerate"] == 16000
    assert (sound.settings["blocksize"], sound.settings["device"], sound.settings["channels"]) == (2, 1, 1)
    assert sound.settings["dtype"] == "int16"


def test_closing_from_another_thread_ends_a_wait(sound: SoundDevice) -> None:
    mic = Microphone(16000, 2, 1)
    found: list[bytes] = []
    with mic:
        waiting = threading.Thread(target=lambda: found.extend(mic.generator()))
        waiting.start()
    waiting.join(10)
    assert not waiting.is_alive()
    assert found == []


def test_the_default_device_is_taken_where_nobody_can_be_asked(sound: SoundDevice) -> None:
    assert Microphone(16000, 1024).device_id == 2
    sound.compatible = {1}
    assert Microphone(16000, 1024).device_id == 1
    sound.default.device = [-1, -1]
    assert Microphone(16000, 1024).device_id == 1
    sound.compatible = set()
    with pytest.raises(HwIOError, match="no microphone records int16 mono at 16000 Hz") as caught:
        Microphone(16000, 1024)
    assert "1 Webcam, 2 Headset" in caught.value.hint


def test_a_device_by_number_or_name(sound: SoundDevice) -> None:
    assert Microphone(16000, 1024, 1).device_id == 1
    assert Microphone(16000, 1024, device_id="Headset").device_id == "Headset"
    with pytest.raises(InvalidParamError, match="microphone 0: does not record") as caught:
        Microphone(16000, 1024, 0, channels=2)
    assert "1 Webcam" in caught.value.hint


def test_a_person_is_asked_until_the_device_can(sound: SoundDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "_interactive", lambda: True)
    sound.compatible = {1}
    answers = ["", "x", "0", "2", "1"]
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return answers[len(asked) - 1]

    monkeypatch.setattr("builtins.input", answer)
    assert Microphone(16000, 1024).device_id == 1
    assert "1 --> Webcam\n2 --> Headset" in asked[0]
    assert len(asked) == 5
    asked.clear()
    assert Microphone(16000, 1024, 2).device_id == 1
    assert Microphone(16000, 1024, 1).device_id == 1
    assert len(asked) == 5


def test_a_person_who_goes_away(sound: SoundDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(question: str) -> str:
        raise EOFError

    monkeypatch.setattr(microphone, "_interactive", lambda: True)
    monkeypatch.setattr("builtins.input", gone)
    with pytest.raises(InvalidParamError, match="no audio device was chosen"):
        Microphone(16000, 1024)


def test_no_device(sound: SoundDevice) -> None:
    sound.devices = DEVICES[:1]
    with pytest.raises(HwIOError, match="no audio input device"):
        Microphone(16000, 1024)


def test_a_device_that_cannot_be_opened(sound: SoundDevice) -> None:
    sound.fails = True
    with pytest.raises(HwIOError, match="cannot be opened: Device unavailable"), Microphone(16000, 1024, 1):
        pass
    assert sound.open_streams == 0


def test_zeros_for_a_second_are_an_error(sound: SoundDevice) -> None:
    sound.play = lambda stream: chunks_of(stream, *[bytes(2000)] * 18)
    with Microphone(16000, 1000, 1) as mic, pytest.raises(HwIOError, match="nothing but zeros"):
        list(mic.generator())
    sound.play = lambda stream: chunks_of(stream, *[bytes(2000)] * 16, b"\1\0", *[bytes(2000)] * 16)
    with Microphone(16000, 1000, 1) as mic:
        assert len(next(mic.generator())) == 64002


def test_no_audio_at_all_is_a_timeout(sound: SoundDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "_PATIENCE", 0.01)
    with Microphone(16000, 1000, 1) as mic, pytest.raises(LinkTimeoutError, match="no audio"):
        next(mic.generator())


def test_a_slow_reader_loses_the_oldest(sound: SoundDevice, caplog: pytest.LogCaptureFixture) -> None:
    def play(stream: Any) -> None:
        chunks_of(stream, *[number.to_bytes(2, "little") for number in range(1, 101)])

    sound.play = play
    with Microphone(10, 10, 1) as mic:
        assert next(mic.generator()) == b"".join(number.to_bytes(2, "little") for number in range(41, 101))
    assert "the oldest are dropped" in caplog.text


def test_without_sounddevice_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingRuntimeError) as caught:
        Microphone(16000, 1024)
    assert "ai-runner[audio]" in caught.value.hint


def test_without_portaudio_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingRuntimeError, match="PortAudio") as caught:
        Microphone(16000, 1024)
    assert "libportaudio2" in caught.value.hint


def test_the_queue_is_bounded(sound: SoundDevice) -> None:
    assert isinstance(Microphone(16000, 1024, 1).buff, queue.Queue)
    assert Microphone(16000, 1024, 1).buff.maxsize == 937
