"""Reading .tflite files without a runtime: tensors, operators with their options, constants, single-operator cuts."""

from __future__ import annotations

from ai_runner.tflite_model.labels import named_labels, output_labels
from ai_runner.tflite_model.model import TfliteModel, TfliteOperator, TfliteTensor

__all__ = ["TfliteModel", "TfliteOperator", "TfliteTensor", "named_labels", "output_labels"]
