"""Where things are, for every test: the repository, the bundled model and its data, material that may be absent."""

from __future__ import annotations

import gc
import importlib.util
import os
import pprint
import shutil
import signal
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]

# A deadline would make the verdict depend on how busy the machine is; a build must not depend on luck.
settings.register_profile("ai-runner", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("ai-runner")


def pytest_configure() -> None:
    """Gives Ctrl-C back to the tests of it, and to what they start: a shell ignores it for jobs in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of specifications, captures and models beside the checkout; skips where it is absent."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no folder ../shared beside the checkout")
    return folder


@pytest.fixture(scope="session")
def shared_models(shared: Path) -> Path:
    """The folder of the MLPerf Tiny models."""
    return shared / "models"


@pytest.fixture(scope="session")
def abi_probe(shared: Path) -> Path:
    """The C sources of the toy libraries that export ST's two APIs."""
    return shared / "abi_probe"


@pytest.fixture(scope="session")
def digits_int8() -> Path:
    """The bundled int8 model: input int8 (1, 8, 8, 1), output int8 (1, 10), seven operators."""
    return REPOSITORY / "examples" / "models" / "digits_int8.tflite"


@pytest.fixture(scope="session")
def digits_float() -> Path:
    """The float32 twin of `digits_int8`."""
    return REPOSITORY / "examples" / "models" / "digits_float.tflite"


@pytest.fixture(scope="session")
def digits_test() -> Path:
    """400 held-out digits: m_inputs_1 float32 (400, 8, 8, 1) in 0..1, labels int64 (400,)."""
    return REPOSITORY / "examples" / "data" / "digits_test.npz"


@pytest.fixture(scope="session")
def compiler() -> str:
    """The C compiler: $CC, else cc; skips where there is none."""
    command = os.environ.get("CC") or "cc"
    if shutil.which(command.split()[0]) is None:
        pytest.skip(f"no C compiler ({command})")
    return command


@pytest.fixture(scope="session")
def digits_descriptors(digits_int8: Path, compiler: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """`digits_int8` on every host runtime: ``tflite`` (reference kernels), ``st-ai`` and ``legacy`` C-models."""
    from ai_runner.c_model import generate

    folder = tmp_path_factory.mktemp("digits")
    for api in ("st-ai", "legacy"):
        generate(digits_int8, folder / api, api=api)
    return {
        "tflite": f"tflite:{digits_int8}?kernels=reference",
        "st-ai": f"file:{folder / 'st-ai'}",
        "legacy": f"file:{folder / 'legacy'}",
    }


@pytest.fixture(scope="session")
def write_engine() -> Callable[[Path, dict[str, Any]], Path]:
    """Writes an Edge Impulse engine that plays a scenario, an executable file; see tests/engines/scripted.py."""
    if sys.platform == "win32":
        pytest.skip("Edge Impulse executables are for Linux and macOS")
    template = (REPOSITORY / "tests" / "engines" / "scripted.py").read_text(encoding="utf-8")
    assert "\nSCENARIO = {}\n" in template

    def write(path: Path, scenario: dict[str, Any]) -> Path:
        script = template.replace("\nSCENARIO = {}\n", f"\nSCENARIO = {pprint.pformat(scenario)}\n")
        path.write_text(f"#!{sys.executable} -IS\n{script}", encoding="utf-8")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def scripted_engine(tmp_path: Path, write_engine: Callable[[Path, dict[str, Any]], Path]) -> Callable[..., Path]:
    """Makes an engine in the test's folder: ``scripted_engine({"shm": False}, "other.eim")``."""

    def make(scenario: dict[str, Any] | None = None, file_name: str = "scripted.eim") -> Path:
        return write_engine(tmp_path / file_name, scenario or {})

    return make


@pytest.fixture
def ei_service() -> Iterator[Any]:
    """Edge Impulse's ingestion service and Studio on this machine; see tests/services/edge_impulse.py."""
    path = REPOSITORY / "tests" / "services" / "edge_impulse.py"
    spec = importlib.util.spec_from_file_location("ei_service_for_tests", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    service = module.Service()
    yield service
    service.close()
    assert service.broken == []


@pytest.fixture(scope="session")
def stub_export(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a folder with the shape of an Edge Impulse C++ library export, on a stand-in for the SDK.

    ``stub_export("fomo", sdk=2024)``: a file of tests/drivers/ei_library/kinds, and the year whose shape the SDK has.
    """
    room = REPOSITORY / "tests" / "drivers" / "ei_library"

    def make(kind: str = "classifier", sdk: int = 2026) -> Path:
        folder = tmp_path_factory.mktemp("export") / "export"
        shutil.copytree(room / "stub_sdk", folder)
        text = (room / "kinds" / f"{kind}.h").read_text("utf-8")
        (folder / "model-parameters" / "model_kind.h").write_text(f"{text}#define STUB_SDK {sdk}\n", "utf-8")
        postprocessing = folder / "edge-impulse-sdk" / "classifier" / "postprocessing"
        if sdk < 2026:
            (postprocessing / "ei_postprocessing_thresholds.h").unlink()
        if sdk < 2024:
            shutil.rmtree(postprocessing)
        return folder

    return make


@pytest.fixture(scope="session")
def stub_library(stub_export: Callable[..., Path], compiler: str) -> Callable[..., Path]:
    """Compiles a `stub_export`, once a kind and year."""
    from ai_runner.edge_impulse.export_library import compile_export

    built: dict[tuple[Any, ...], Path] = {}

    def build(kind: str = "classifier", sdk: int = 2026) -> Path:
        if (kind, sdk) not in built:
            export = stub_export(kind, sdk)
            built[kind, sdk] = compile_export(export, export.parent / f"{kind}.so", cxxflags="-O0").library
        return built[kind, sdk]

    return build


@pytest.fixture(scope="session")
def peak_memory() -> Callable[[Callable[[], object]], int]:
    """Measures the bytes of Python's and numpy's memory at the worst moment of a call: ``peak_memory(lambda: f(9))``.

    The call is made three times and the least counts. What a process does once in a while comes on top of some call: an
    import, or the table of interned strings, which is made anew, 3.8 MB in a long run of tests, after some ten thousand
    names of files. What earlier tests left is hidden from the garbage collector: it looks less often the more it knows.
    """

    def measure(call: Callable[[], object]) -> int:
        peaks = []
        gc.collect()
        gc.freeze()
        try:
            for _ in range(3):
                gc.collect()
                tracemalloc.start()
                call()
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.stop()
        finally:
            tracemalloc.stop()
            gc.unfreeze()
        return min(peaks)

    return measure


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives a file to one worker, and everything that opens pseudo-terminals to one as well.

    The system gives the name of a pseudo-terminal away again once it is free: a test that opens a line which has just
    gone would meet another worker's. xdist's own groups have no effect from pytest 9 on.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _scope(nodeid)

    return Scheduling(config, log)


_LINES = ("tests/transport/", "tests/drivers/stm32/", "tests/firmware/", "tests/firmware_proto/")
_WITHOUT_LINES = "tests/drivers/stm32/protocol/"


def _scope(nodeid: str) -> str:
    """The tests that one worker runs one after the other."""
    if "serial" in nodeid or (nodeid.startswith(_LINES) and not nodeid.startswith(_WITHOUT_LINES)):
        return "pseudo-terminals"
    file, _, test = nodeid.partition("::")
    if file.startswith("tests/conformance/"):  # one long file: a specimen is opened once a worker
        return f"{file}{test[test.find('[') :]}"
    return file
