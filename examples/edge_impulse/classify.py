"""Classify raw features, as Studio's "Copy features" gives them: python classify.py MODEL.eim FEATURES.txt"""

import argparse
import sys
from pathlib import Path

from ai_runner import AiRunnerError
from ai_runner.edge_impulse import ImpulseRunner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="an .eim file")
    parser.add_argument(
        "features", help="a file of numbers between commas, or the numbers themselves; 0x is hexadecimal"
    )
    parser.add_argument("--timeout", type=float, default=30, help="seconds for an answer (default: %(default)g)")
    args = parser.parse_args()

    text = Path(args.features).read_text() if Path(args.features).is_file() else args.features
    words = text.replace(",", " ").split()
    features = [float(int(word, 16)) if word.startswith("0x") else float(word) for word in words]  # 0x: pixels
    with ImpulseRunner(args.model, timeout=args.timeout) as runner:
        project = runner.init()["project"]
        print(f"{project['owner']} / {project['name']}, {runner.sensor_type()}")
        reply = runner.classify(features)

    result, timing = reply["result"], reply["timing"]
    for label, score in result.get("classification", {}).items():
        print(f"{label}: {score:.4f}")
    for number, values in enumerate(result.get("freeform", [])):
        print(f"output {number}: {len(values)} values, {values[:8]}")
    if "anomaly" in result:
        print(f"anomaly: {result['anomaly']:.4f}")
    print(f"{timing['dsp']} ms DSP, {timing['classification']} ms classification (the engine's whole milliseconds)")


if __name__ == "__main__":
    try:
        main()
    except (AiRunnerError, ValueError) as error:
        sys.exit(f"{error}; {getattr(error, 'hint', '')}")
