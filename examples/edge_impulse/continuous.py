"""Classify audio slice by slice, the engine keeping what came before: python continuous.py MODEL.eim [FILE.wav]"""

import argparse
import sys

from ai_runner import AiRunnerError
from ai_runner.edge_impulse.audio import AudioImpulseRunner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="an .eim file of an audio model")
    parser.add_argument("file", nargs="?", help="a WAV file at the model's rate (default: a microphone)")
    parser.add_argument("--min-score", type=float, default=0.6, help="say what scores more (default: %(default)g)")
    args = parser.parse_args()

    with AudioImpulseRunner(args.model) as runner:
        slice_size = runner.parameters().slice_size
        slices_of_a_window = runner.window_size // slice_size
        for number, (reply, _) in enumerate(runner.classifier(args.file, continuous=True), 1):
            if number < slices_of_a_window:
                continue  # no whole window yet: zeros
            scores = reply["result"]["classification"]
            best = max(scores, key=scores.get)
            if scores[best] >= args.min_score:
                end = number * slice_size / runner.sampling_rate
                print(f"until {end:.3f} s: {best} {scores[best]:.3f}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except AiRunnerError as error:
        sys.exit(f"{error}; {error.hint}")
    except KeyboardInterrupt:
        pass
