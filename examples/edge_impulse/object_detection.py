"""Find objects in a picture, a video or a camera's picture: python object_detection.py MODEL.eim SOURCE"""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import cv2

from ai_runner import AiRunnerError
from ai_runner.edge_impulse.image import ImageImpulseRunner


def pictures(runner: ImageImpulseRunner, source: str) -> Iterator[Any]:
    """RGB pictures: of a camera when `source` is a number, else of a file, a picture or a video."""
    picture = None if source.isdecimal() else cv2.imread(source)
    if picture is None:
        yield from runner.get_frames(int(source) if source.isdecimal() else source)
    else:
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def set_min_score(runner: ImageImpulseRunner, min_score: float) -> None:
    """Sets the threshold of each detecting block."""
    for threshold in runner.parameters().thresholds:
        if "min_score" in threshold.values:
            runner.set_threshold({"id": threshold.id, "min_score": min_score})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="an .eim file")
    parser.add_argument("source", help="a picture, a video file, or the number of a camera")
    parser.add_argument("--min-score", type=float, help="show objects from this score on, 0..1")
    parser.add_argument("--frames", type=int, help="stop after so many pictures")
    parser.add_argument("--out", metavar="FILE", help="write the last picture with its boxes")
    args = parser.parse_args()

    with ImageImpulseRunner(args.model) as runner:
        if args.min_score is not None:
            set_min_score(runner, args.min_score)
        for number, picture in enumerate(pictures(runner, args.source)):
            if number == args.frames:
                break
            features, _ = runner.get_features_from_image_auto_studio_settings(picture)
            result = runner.classify(features)["result"]
            if "bounding_boxes" not in result:
                sys.exit(f"{args.model}: finds no objects, its replies have {', '.join(result)}")
            boxes = runner.boxes_in_picture(result.get("object_tracking") or result["bounding_boxes"], picture)
            print(f"picture {number}: {len(boxes)} objects")
            for box in boxes:
                name = f"{box['label']} #{box['object_id']}" if "object_id" in box else box["label"]
                print(f"  {name} {box['value']:.2f} at {box['x']},{box['y']} size {box['width']}x{box['height']}")
            if args.out:
                drawn = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
                for box in boxes:
                    corner = (box["x"] + box["width"], box["y"] + box["height"])
                    cv2.rectangle(drawn, (box["x"], box["y"]), corner, (0, 0, 255), 2)
                cv2.imwrite(args.out, drawn)


if __name__ == "__main__":
    try:
        main()
    except AiRunnerError as error:
        sys.exit(f"{error}; {error.hint}")
