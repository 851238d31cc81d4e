"""Scripts written for ST's stm_ai_runner run after one changed import line, on every host runtime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EVALUATE = '''
"""Top-1 of a model on random data, and what the profiler says."""
import sys
import numpy as np
from stm_ai_runner import AiRunner

runner = AiRunner()
runner.connect(sys.argv[1])
if not runner.is_connected:
    print("No c-model available, use the --desc/-d option to specify a valid path/descriptor", runner.get_error())
    sys.exit(1)

print(runner, flush=True)
runner.summary()

for name in runner.names:
    inputs = runner.generate_rnd_inputs(name, batch_size=4)
    assert isinstance(inputs, list)
    for desc, data in zip(runner.get_inputs(name), inputs):
        assert data.dtype == desc.dtype and data.shape[0] == 4
        print(desc.iotype, desc.name, desc.shape, desc.scale[0], desc.zero_point[0])
    mode = AiRunner.Mode.PER_LAYER
    print("{}: inference with {} data".format(name, inputs[0].shape))
    outputs, profile = runner.invoke(inputs, name=name, mode=mode)
    assert len(profile["c_durations"]) == 4
    print("duration per inference {:.3f}ms".format(np.mean(profile["c_durations"])))
    assert [np.argmax(o) for o in outputs[0].reshape(4, -1)]
    runner.print_profiling(inputs, profile, outputs)
runner.disconnect()
assert not runner.is_connected and str(runner) == "not connected"
'''

PROFILE = '''
"""Walks the dictionaries, with a session and a callback."""
import sys
import numpy as np
from stm_ai_runner import AiRunner, AiRunnerSession, AiRunnerCallback, Caps, Mode
from stm_ai_runner.ai_runner import HwIOError, AiRunnerError, InvalidParamError, AiTensorDesc, generate_rnd

class Recorder(AiRunnerCallback):
    def __init__(self):
        self.samples, self.nodes = [], []
    def on_sample_begin(self, idx):
        self.samples.append(idx)
    def on_sample_end(self, idx, data, logs=None):
        assert "dur" in logs
    def on_node_end(self, idx, data, logs=None):
        self.nodes.append((idx, logs["m_id"], logs["layer_type"], logs["shape"]))

runner = AiRunner(debug=False, verbosity=0)
assert runner.connect(sys.argv[1]), runner.get_error()
session = runner.session(runner.name)
assert isinstance(session, AiRunnerSession) and session.is_active
info = session.get_info()
for key in ("version", "name", "compile_datetime", "model_datetime", "hash", "n_nodes", "inputs", "outputs", "weights",
            "activations", "mempools", "macc", "runtime", "device"):
    assert key in info, key
assert info["version"] == (2, 0)
for key in ("protocol", "name", "version", "tools_version", "rt_lib_desc", "compiler", "capabilities"):
    assert key in info["runtime"], key
assert Caps.IO_ONLY in info["runtime"]["capabilities"]
assert info["device"]["dev_type"] == "HOST"
for tensor in info["inputs"] + info["outputs"]:
    for key in ("name", "shape", "type", "scale", "zero_point", "memory_pool", "size_bytes", "io_tensor"):
        assert key in tensor, key
    io = tensor["io_tensor"]
    print(io, io.is_quantized, io.get_c_size_in_bytes(), io.quant_params)

rng = np.random.RandomState(0)
real = [rng.uniform(0, 1, (3,) + tuple(t.shape[1:])).astype(np.float32) for t in session.get_inputs()]
outputs, profiler = session.invoke(real, io_mode="quantize+dequantize")
assert all(o.dtype == np.float32 and o.shape[0] == 3 for o in outputs)

recorder = Recorder()
inputs = session.generate_rnd_inputs(batch_size=3, rng=np.random.RandomState(7))
outputs, profiler = session.invoke(inputs, mode=Mode.PER_LAYER_WITH_DATA, callback=recorder)
assert profiler["mode"] & Mode.PER_LAYER_WITH_DATA and profiler["mode"] & Mode.PER_LAYER
assert recorder.samples == [0, 1, 2]
assert len(profiler["c_nodes"]) == info["n_nodes"] and len(recorder.nodes) == 3 * info["n_nodes"]
for node in profiler["c_nodes"]:
    for key in ("name", "m_id", "layer_type", "layer_desc", "type", "shape", "scale", "zero_point", "io_tensors",
                "data", "c_durations", "clks", "counters", "extra"):
        assert key in node, key
    for shape, kind, data in zip(node["shape"], node["type"], node["data"]):
        assert data.dtype == kind and data.shape[0] == 3
for key in ("exec_times", "host_duration", "counters", "stack_usage", "heap_usage"):
    assert key in profiler["debug"], key
last = profiler["c_nodes"][-1]["data"][-1]
assert (last.reshape(3, -1) == outputs[-1].reshape(3, -1)).all()

outputs, profiler = session.invoke(inputs, mode=Mode.PERF_ONLY, disable_pb=True)
assert outputs == [] and len(profiler["c_durations"]) == 3

try:
    session.invoke([data[..., :-1] for data in inputs])
    raise SystemExit("wrong shape accepted")
except InvalidParamError as error:
    assert error.code() == 804 and str(error).startswith("E804(InvalidParamError): ")
assert runner.invoke(inputs, name="nobody") == ([], {})
assert runner.extension(cmd="self-test") is False
session.disconnect()
assert not runner.is_connected and session.invoke(inputs) == ([], {})
'''

INTERPRET = '''
"""One face for a descriptor and an AiRunner; logging; a failing connect."""
import sys
from stm_ai_runner import AiRunner, AiRunnerInterpreter, get_logger, set_log_level, get_log_level, is_valid_exec_domain

logger = get_logger("script", level=30)
assert get_log_level(logger) == 30
runner = AiRunner(logger=logger)
assert is_valid_exec_domain(sys.argv[1])
assert runner.connect("file:nothing/here") is False
assert runner.get_error().startswith("E804(InvalidParamError): ") and runner.get_error() is None
runner.connect(sys.argv[1])
for model in (sys.argv[1], runner, runner.session()):
    interpreter = AiRunnerInterpreter(model)
    assert interpreter.is_valid
    shape = (2,) + tuple(interpreter.get_inputs()[0].shape[1:])
    outputs = interpreter.invoke(runner.generate_rnd_inputs(batch_size=2))
    assert outputs[0].shape[0] == 2
    interpreter.reset()
assert runner.is_connected
'''


@pytest.mark.parametrize("runtime", ["tflite", "st-ai", "legacy"])
@pytest.mark.parametrize("script", [EVALUATE, PROFILE, INTERPRET], ids=["evaluate", "profile", "interpret"])
def test_script(script: str, runtime: str, digits_descriptors: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(script.replace("from stm_ai_runner", "from ai_runner"))
    done = subprocess.run(
        [sys.executable, str(path), digits_descriptors[runtime]], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["script.py"], "a file was written to the user's folder"
