"""``ai-runner eim``: an .eim-compatible executable out of a .tflite model."""

from __future__ import annotations

import argparse

from ai_runner.errors import ExitCode

HELP = "make an .eim-compatible executable that serves a .tflite model"

_SENSORS = ("microphone", "accelerometer", "camera", "positional", "environmental", "fusion", "unknown")
_MODEL_TYPES = ("classification", "regression", "constrained_object_detection", "freeform")
_SCALES = ("0..1", "-1..1", "0..255")
_SHOWN_LABELS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``MODEL.tflite --out FILE.eim`` and what a .tflite file does not say."""
    parser.add_argument("model", metavar="MODEL.tflite", help="a model with one input")
    parser.add_argument("--out", metavar="FILE.eim", required=True, help="file to write; an earlier one is replaced")
    parser.add_argument(
        "--labels", metavar="A,B,...|FILE", help="of the classes in the model's order, FILE has one a line"
    )
    parser.add_argument(
        "--model-type", choices=_MODEL_TYPES, help="what the outputs are (default: by their number and shapes)"
    )
    parser.add_argument("--threshold", metavar="T", type=float, help="smallest score of a box (default: 0.5)")
    window = parser.add_argument_group("what a window of features is")
    window.add_argument("--sensor", choices=_SENSORS, default="unknown", help="where it comes from (default: unknown)")
    window.add_argument(
        "--scale", choices=_SCALES, help="camera: what pixels 0..255 are to the model (default: by its quantization)"
    )
    window.add_argument(
        "--resize-mode",
        choices=("fit-shortest", "fit-longest", "squash", "none"),
        help="camera: how clients make images fit (default: fit-shortest)",
    )
    window.add_argument(
        "--frequency",
        metavar="HZ",
        type=float,
        help="of samples (default: 16000 for microphones, 62.5 for motion)",
    )
    window.add_argument("--interval-ms", metavar="MS", type=float, help="between samples (default: by the frequency)")
    window.add_argument("--axis-count", metavar="N", type=int, help="values a sample (default: 3 for accelerometers)")
    said = parser.add_argument_group("what clients are told")
    said.add_argument("--project-name", metavar="TEXT", help="(default: the name of the model's file)")
    said.add_argument("--project-owner", metavar="TEXT", default="ai-runner", help="(default: ai-runner)")
    said.add_argument("--project-id", metavar="N", type=int, default=0, help="(default: 0)")
    said.add_argument("--impulse-name", metavar="TEXT", default="Impulse #1", help="(default: Impulse #1)")
    said.add_argument("--deploy-version", metavar="N", type=int, default=1, help="(default: 1)")
    parser.add_argument(
        "--interpreter",
        metavar="PYTHON",
        help="absolute path of a Python that has numpy and a .tflite runtime (default: this one)",
    )


def run(args: argparse.Namespace) -> int:
    """Builds, and prints what the engine will say of itself."""
    from ai_runner.eim_engine import EngineOptions, build_engine
    from ai_runner.report.printable import printable
    from ai_runner.tflite_model import named_labels

    build = build_engine(
        args.model,
        args.out,
        EngineOptions(
            sensor=args.sensor,
            model_type=args.model_type,
            labels=named_labels(args.labels) if args.labels is not None else None,
            scale=args.scale,
            frequency=args.frequency,
            interval_ms=args.interval_ms,
            axis_count=args.axis_count,
            resize_mode=args.resize_mode,
            threshold=args.threshold,
            project_id=args.project_id,
            project_name=args.project_name,
            project_owner=args.project_owner,
            impulse_name=args.impulse_name,
            deploy_version=args.deploy_version,
            interpreter=args.interpreter,
        ),
    )
    parameters = build.impulse.model_parameters
    lines = [
        f"{build.path}: {parameters['model_type']}, {parameters['input_features_count']} features",
        f"interpreter  {build.interpreter}",
    ]
    descriptor = f"eim:{build.path}"
    if build.impulse.scale is not None:
        low, high = build.impulse.scale
        descriptor += f"?scale={low:g}..{high:g}"
        size = f"{parameters['image_input_width']} x {parameters['image_input_height']}"
        lines.append(f"image        {size} x {parameters['image_channel_count']}, pixels scaled to {low:g}..{high:g}")
    if parameters["labels"]:
        lines.append(f"labels       {_listed(parameters['labels'])}")
    if build.impulse.kind == "freeform":
        lines.append(f"outputs      {', '.join(map(str, build.impulse.outputs))} values")
    lines.append(f"descriptor   {descriptor}")
    for line in lines:
        print(printable(line))
    return ExitCode.PASS


def _listed(labels: list[str]) -> str:
    if len(labels) <= _SHOWN_LABELS:
        return ", ".join(labels)
    return f"{', '.join(labels[: _SHOWN_LABELS - 1])}, ... {labels[-1]} ({len(labels)})"
