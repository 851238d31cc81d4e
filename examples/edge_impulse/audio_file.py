"""Classify a WAV file window by window: python audio_file.py MODEL.eim FILE.wav"""

import argparse
import sys
from pathlib import Path

from ai_runner import AiRunnerError
from ai_runner.edge_impulse.audio import OVERLAP, AudioImpulseRunner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="an .eim file of an audio model")
    parser.add_argument("file", type=Path, help="a WAV file at the model's rate")
    parser.add_argument("--step", type=float, default=OVERLAP, help="of a window, to the next (default: %(default)g)")
    args = parser.parse_args()

    with AudioImpulseRunner(args.model) as runner:
        begin = 0.0
        for reply, _ in runner.classifier(args.file, step=args.step):
            scores = reply["result"]["classification"]
            print(f"{begin:8.3f} s " + " ".join(f"{label}={scores[label]:.3f}" for label in runner.labels))
            begin += int(runner.window_size * args.step) / runner.sampling_rate


if __name__ == "__main__":
    try:
        main()
    except AiRunnerError as error:
        sys.exit(f"{error}; {error.hint}")
