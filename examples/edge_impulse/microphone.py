"""Classify what a microphone hears: python microphone.py MODEL.eim [--device NUMBER]"""

import argparse
import sys

from ai_runner import AiRunnerError
from ai_runner.edge_impulse.audio import AudioImpulseRunner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="an .eim file of an audio model")
    parser.add_argument("--device", help="number or name of the microphone (default: asks at a terminal)")
    parser.add_argument("--windows", type=int, help="stop after so many windows (default: Ctrl-C stops)")
    args = parser.parse_args()
    device = int(args.device) if args.device and args.device.isdecimal() else args.device

    with AudioImpulseRunner(args.model) as runner:
        for number, (reply, _) in enumerate(runner.classifier(device), 1):
            scores = reply["result"]["classification"]
            print(" ".join(f"{label}={scores[label]:.3f}" for label in runner.labels), flush=True)
            if number == args.windows:
                break


if __name__ == "__main__":
    try:
        main()
    except AiRunnerError as error:
        sys.exit(f"{error}; {error.hint}")
    except KeyboardInterrupt:
        pass
