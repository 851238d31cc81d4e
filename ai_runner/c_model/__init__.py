"""Reference C-model: a .tflite turned into plain C99 that answers bit for bit like LiteRT's reference kernels."""

from __future__ import annotations

from ai_runner.c_model.generator import APIS, CModelBuild, generate

__all__ = ["APIS", "CModelBuild", "generate"]
