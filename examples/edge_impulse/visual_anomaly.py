"""Show where a picture is out of the ordinary: python visual_anomaly.py MODEL.eim PICTURE..."""

import argparse
import sys

import cv2

from ai_runner import AiRunnerError
from ai_runner.edge_impulse.image import ImageImpulseRunner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="an .eim file of a visual anomaly model")
    parser.add_argument("pictures", nargs="+", help="files that OpenCV reads")
    parser.add_argument("--raw", action="store_true", help="the engine's scores, not relative to the model's threshold")
    args = parser.parse_args()

    with ImageImpulseRunner(args.model) as runner:
        for name in args.pictures:
            picture = cv2.imread(name)
            if picture is None:
                sys.exit(f"{name}: no picture that OpenCV can read")
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            features, _ = runner.get_features_from_image_auto_studio_settings(picture)
            result = runner.classify(features)["result"]
            if "visual_anomaly_grid" not in result:
                sys.exit(f"{args.model}: is no visual anomaly model, its replies have {', '.join(result)}")
            # max and mean are over all cells; the grid lists those from the threshold on, and may be empty
            _, highest, mean, cells = runner.normalize_visual_anomaly(
                result.get("anomaly"),
                result["visual_anomaly_max"],
                result["visual_anomaly_mean"],
                result["visual_anomaly_grid"],
                form="raw" if args.raw else "relative",
            )
            print(f"{name}: max {highest:.3f} mean {mean:.3f}, {len(cells)} cells over the threshold")
            for cell in runner.boxes_in_picture(cells, picture):
                print(f"  {cell['value']:.3f} at {cell['x']},{cell['y']} size {cell['width']}x{cell['height']}")


if __name__ == "__main__":
    try:
        main()
    except AiRunnerError as error:
        sys.exit(f"{error}; {error.hint}")
