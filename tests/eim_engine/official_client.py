"""Drives engine files with the official Python client, as its users do, and prints what it returned as one JSON object.

Run as a program: the client leaves processes unwaited for and keeps state in modules. Its package imports PyAudio,
which needs a sound card's libraries, and six, which nothing installs: stand-in modules take their places, that of
PyAudio plays the samples of the test.
"""

from __future__ import annotations

import json
import queue
import sys
import types
from typing import Any

import numpy as np


def stand_in_for_pyaudio(samples: np.ndarray) -> types.ModuleType:
    module: Any = types.ModuleType("pyaudio")
    module.paInt16, module.paContinue = 8, 0

    class Stream:
        def stop_stream(self) -> None: ...

        def close(self) -> None: ...

    class PyAudio:
        def is_format_supported(self, rate: int, **_: Any) -> bool:
            return rate == 16000

        def open(self, *, stream_callback: Any, **_: Any) -> Stream:
            for part in np.array_split(samples, 5):
                stream_callback(part.astype("<i2").tobytes(), len(part), None, 0)
            return Stream()

        def terminate(self) -> None: ...

    module.PyAudio = PyAudio
    return module


def plain(path: str, features: list[float]) -> dict[str, Any]:
    from edge_impulse_linux.runner import ImpulseRunner

    answers: dict[str, Any] = {}
    for name, options in (("shm", {}), ("json", {"allow_shm": False, "timeout": 30})):
        runner = ImpulseRunner(path, **options)
        try:
            hello = runner.init()
            answers[name] = {"hello": hello, "reply": runner.classify(features)}
            answers[name]["threshold"] = runner.set_threshold({"id": 1})
            answers[name]["sent"] = runner.send_msg({"classify": features})["result"]
            for wrong in ({"hello": 1}, {"set_threshold": {"id": 7}}, {"classify": [1]}, {"x": 1}):
                try:
                    runner.send_msg(wrong)
                except Exception as error:
                    answers.setdefault("errors", []).append(str(error))
        finally:
            runner.stop()
    return answers


def image(path: str, video: str) -> dict[str, Any]:
    from edge_impulse_linux.image import ImageImpulseRunner

    with ImageImpulseRunner(path) as runner:
        try:
            runner.init()
            frame = next(runner.get_frames(video))
            features, cropped = runner.get_features_from_image_auto_studio_settings(frame)
            old_features, _ = runner.get_features_from_image(frame)
            reply, shown = next(runner.classifier(video))
            return {
                "dim": runner.dim,
                "labels": runner.labels,
                "grayscale": runner.isGrayscale,
                "resize_mode": runner.resizeMode,
                "frame": frame.tolist(),
                "features": features,
                "cropped": list(cropped.shape),
                "reply": runner.classify(features),
                "old_features": old_features,
                "old_reply": runner.classify(old_features),
                "classifier": reply,
                "shown": list(shown.shape),
            }
        finally:
            runner.stop()


def boxes(path: str, picture: list[Any]) -> list[Any]:
    from edge_impulse_linux.image import ImageImpulseRunner

    with ImageImpulseRunner(path) as runner:
        try:
            runner.init()
            features, _ = runner.get_features_from_image_auto_studio_settings(np.array(picture, np.uint8))
            before = runner.classify(features)["result"]
            runner.set_threshold({"id": 1, "min_score": 0.2})
            return [before, runner.classify(features)["result"]]
        finally:
            runner.stop()


def audio(path: str) -> dict[str, Any]:
    from edge_impulse_linux.audio import AudioImpulseRunner

    with AudioImpulseRunner(path) as runner:
        try:
            runner.init()
            replies = runner.classifier(device_id=0)
            return {
                "window_size": runner.window_size,
                "sampling_rate": runner.sampling_rate,
                "labels": runner.labels,
                "replies": [next(replies)[0]["result"] for _ in range(3)],
            }
        finally:
            runner.stop()


def freeform(path: str, features: list[float]) -> dict[str, Any]:
    from edge_impulse_linux.runner import ImpulseRunner

    runner = ImpulseRunner(path)
    try:
        runner.init()
        return runner.classify(features)
    finally:
        runner.stop()


def main() -> None:
    task = json.loads(sys.stdin.read())
    sys.modules["pyaudio"] = stand_in_for_pyaudio(np.array(task["samples"]))
    moves: Any = types.ModuleType("six.moves")
    moves.queue = queue
    sys.modules["six"], sys.modules["six.moves"] = types.ModuleType("six"), moves
    answers = {
        "plain": plain(task["plain"], task["features"]),
        "image": image(task["camera"], task["video"]),
        "boxes": boxes(task["colours"], task["picture"]),
        "audio": audio(task["audio"]),
        "freeform": freeform(task["freeform"], task["features"]),
    }
    sys.stdout.write("\n" + json.dumps(answers))


if __name__ == "__main__":
    main()
