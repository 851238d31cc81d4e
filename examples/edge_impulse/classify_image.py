"""Classify pictures: python classify_image.py MODEL.eim PICTURE..."""

import argparse
import sys
from pathlib import Path

import cv2

from ai_runner import AiRunnerError
from ai_runner.edge_impulse.image import ImageImpulseRunner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="an .eim file")
    parser.add_argument("pictures", nargs="+", help="files that OpenCV reads")
    parser.add_argument("--debug", metavar="FOLDER", type=Path, help="write what the model sees into this folder")
    args = parser.parse_args()

    with ImageImpulseRunner(args.model) as runner:
        for name in args.pictures:
            picture = cv2.imread(name)
            if picture is None:
                sys.exit(f"{name}: no picture that OpenCV can read")
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            features, seen = runner.get_features_from_image_auto_studio_settings(picture)
            scores = runner.classify(features)["result"].get("classification")
            if not scores:
                sys.exit(
                    f"{args.model}: is no classifier; object_detection.py and visual_anomaly.py show other replies"
                )
            best = max(scores, key=scores.get)
            print(f"{name}: {best} " + " ".join(f"{label}={scores[label]:.3f}" for label in runner.labels))
            if args.debug:
                shown = seen if runner.isGrayscale else cv2.cvtColor(seen, cv2.COLOR_RGB2BGR)
                cv2.imwrite(str(args.debug / f"{Path(name).stem}_seen.png"), shown)


if __name__ == "__main__":
    try:
        main()
    except AiRunnerError as error:
        sys.exit(f"{error}; {error.hint}")
