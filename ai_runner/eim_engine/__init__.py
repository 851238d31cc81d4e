"""Engine files: a .tflite model as an executable that clients of Edge Impulse's Linux runner start.

`build_engine` writes one. The program inside it is `engine`, which is packed into the file and runs there alone.
"""

from ai_runner.eim_engine.generator import EngineBuild, build_engine
from ai_runner.eim_engine.options import EngineOptions

__all__ = ["EngineBuild", "EngineOptions", "build_engine"]
