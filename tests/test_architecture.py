"""The rules of docs/architecture.md, read off the imports of every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
ROOTS = {"ai_runner": "ai_runner", "drivers": "ai_runner.drivers", "firmware_proto": "ai_runner.firmware_proto"}

# From the ground up. A new package gets its floor here and in docs/architecture.md; a single file that is not named
# stands on the runner's floor, so that the ground and the drivers cannot build on it unnoticed.
GROUND = 0
TRANSPORT = 1
DRIVERS = 2
RUNNER = 3
JUDGES = 4
IMAGES = 5
REPORT = 6
FACE = 7
FLOORS = {
    GROUND: {
        *(
            "canary",
            "compat_dict",
            "deadline",
            "descriptor",
            "driver",
            "errors",
            "exclusive_use",
            "host",
            "firmware_proto",
            "impulse",
            "input_source",
            "in_process",
            "io_tensor",
            "model",
        ),
        *(
            "memory_image",
            "model_hash",
            "packed_pixels",
            "profile",
            "quantization",
            "rerun",
            "result_bundle",
            "schemas",
            "shared_library",
            "st_node_types",
            "tensor_format",
        ),
        "tflite_model",
    },
    TRANSPORT: {"transport"},
    DRIVERS: {"drivers"},
    RUNNER: {"isolation", "registry", "runner"},
    JUDGES: {"bench", "c_model", "compare", "data", "edge_impulse", "eim_engine", "journal", "policy"},
    IMAGES: {"bundle", "firmware", "raw_features"},
    REPORT: {"report"},
    FACE: {"cli", "pytest_plugin"},
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
# Rooms of these floors build on one another; on the others, neighbours do not know each other.
OPEN_FLOORS = {GROUND, TRANSPORT, RUNNER}

# What a room may import, inside functions, besides numpy and the standard library. Floors above the runner are free.
LIBRARIES = {
    "tflite_model": {"flatbuffers"},
    "firmware_proto": {"google"},
    "memory_image": {"intelhex"},
    "transport": {"serial"},
    "drivers.bundle": set[str](),
    "drivers.c_library": set[str](),
    "drivers.stm32": {"google"},
    "drivers.tflite": {"ai_edge_litert", "tflite_runtime", "tensorflow"},
    "drivers.onnx": {"google", "onnxruntime"},
    "drivers.eim": set[str](),
    "drivers.ei_library": set[str](),
}
AT_MODULE_LEVEL = {*sys.stdlib_module_names, "numpy"}
POSIX_ONLY = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")
OUTSIDE_OF_A_PROTOCOL = {"asyncio", "select", "selectors", "serial", "socket", "subprocess", "threading", "time"}

MAX_LINES = 450


@dataclass(frozen=True)
class Import:
    """One imported module: where, and in which function ('' at module level)."""

    target: str
    names: tuple[str, ...]
    line: int
    function: str
    only_for_types: bool


def modules() -> dict[str, Path]:
    """Dotted name -> file, of every module, each at its real place."""
    found = {}
    for folder, package in ROOTS.items():
        root = REPOSITORY / folder
        for path in root.rglob("*.py"):
            relative = path.relative_to(root)
            # The symlinks of a checkout: these files are listed under their own root.
            if folder == "ai_runner" and relative.parts[0] in ROOTS:
                continue
            parts = [package, *relative.with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports_of(tree: ast.AST, function: str = "", only_for_types: bool = False) -> Iterator[Import]:
    """Every import below `tree`, `from package import module` resolved to the module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), node.lineno, function, only_for_types)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            rest = []
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                if inner in MODULES or (base == "ai_runner" and alias.name in FLOOR_OF):
                    yield Import(inner, (), node.lineno, function, only_for_types)
                else:
                    rest.append(alias.name)
            if rest:
                yield Import(base, tuple(rest), node.lineno, function, only_for_types)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports_of(node, node.name, only_for_types)
        else:
            typing_block = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
            yield from imports_of(node, function, only_for_types or typing_block)


def room_of(module: str) -> str:
    """'ai_runner.compare.metrics' -> 'compare', 'ai_runner.drivers.eim.driver' -> 'drivers.eim', 'ai_runner' -> ''."""
    parts = module.split(".")[1:]
    return ".".join(parts[: 2 if parts[:1] == ["drivers"] else 1])


def floor_of(room: str) -> int:
    """The floor of a room; the runner's for a single file and for the package itself, which only names things."""
    return FLOOR_OF.get(room.partition(".")[0], RUNNER)


def is_package_without_floor(module: str) -> bool:
    """Whether a module lies in a package of ai_runner that FLOORS does not name."""
    parts = module.split(".")
    is_package = len(parts) > 2 or (module in MODULES and MODULES[module].name == "__init__.py")
    return is_package and len(parts) > 1 and parts[1] not in FLOOR_OF


def inside(room: str, item: Import) -> str:
    """What is wrong with an import of a module of this project, or ''."""
    target = room_of(item.target)
    if target == room:
        return ""
    if target == "cli":
        return "nothing imports the command line"
    if target.startswith("drivers") and room != "registry":
        return "only the registry knows that drivers exist"
    if not target and all(name.startswith("__") for name in item.names):
        return ""
    if (room, target) == ("runner", "report") and item.function in {"summary", "print_profiling"}:
        return ""
    here, there = floor_of(room), floor_of(target)
    if there > here:
        return f"{target} is above {room or 'the package'}"
    if there == here and here not in OPEN_FLOORS:
        return f"{target} is a neighbour of {room}"
    return ""


def outside(module: str, item: Import) -> str:
    """What is wrong with an import from elsewhere, or ''."""
    library = item.target.partition(".")[0]
    room = room_of(module)
    if ".protocol" in module and library in OUTSIDE_OF_A_PROTOCOL:
        return "a protocol has no clock, no thread and no wire"
    if item.only_for_types or library in AT_MODULE_LEVEL:
        return ""
    if (room, library) == ("pytest_plugin", "pytest") or module.endswith("_pb2"):
        return ""
    if not item.function:
        return f"{library} is to be imported in the function that needs it"
    if floor_of(room) < RUNNER and library not in LIBRARIES.get(room, set()):
        return f"{room} does without {library}"
    return ""


def violations(module: str, source: str) -> list[str]:
    """The broken rules of one module, as 'module:line: what'."""
    tree = ast.parse(source)
    room = room_of(module)
    found = []
    if is_package_without_floor(module):
        found.append(f"{module}:1: {room} has no floor: give it one in FLOORS and in docs/architecture.md")
    for item in imports_of(tree):
        if item.target.startswith("."):
            what = "imports are absolute"
        elif item.target.partition(".")[0] == "ai_runner":
            what = inside(room, item)
        else:
            what = outside(module, item)
        if what:
            found.append(f"{module}:{item.line}: imports {item.target}: {what}")
    for node in ast.walk(tree):
        if room != "cli" and isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            found.append(f"{module}:{node.lineno}: only the command line prints")
    return found


def test_every_module_keeps_the_rules_of_the_house() -> None:
    found = [line for module, path in sorted(MODULES.items()) for line in violations(module, path.read_text("utf-8"))]
    assert "\n".join(found) == ""


@pytest.mark.parametrize(
    ("module", "source", "what"),
    [
        ("ai_runner.errors", "import ai_runner.transport", "is above"),
        ("ai_runner.errors", "from ai_runner import runner", "is above"),
        ("ai_runner.errors", "def f():\n    from ai_runner.compare import metrics", "is above"),
        ("ai_runner.errors", "from ai_runner import AiRunner", "is above"),
        ("ai_runner.model", "import rich", "imported in the function"),
        ("ai_runner.model", "try:\n    import rich\nexcept ImportError:\n    pass", "imported in the function"),
        ("ai_runner.model", "def f():\n    import rich", "does without rich"),
        ("ai_runner.model", "from .errors import AiRunnerError", "absolute"),
        ("ai_runner.transport.serial", "import ai_runner.drivers.eim", "only the registry"),
        ("ai_runner.transport.serial", "import serial", "imported in the function"),
        ("ai_runner.drivers.eim.driver", "from ai_runner.drivers import stm32", "only the registry"),
        ("ai_runner.drivers.eim.driver", "from ai_runner.drivers.stm32 import driver", "only the registry"),
        ("ai_runner.drivers.eim.driver", "from ai_runner.runner import AiRunner", "is above"),
        ("ai_runner.drivers.eim.driver", "def f():\n    import onnxruntime", "does without onnxruntime"),
        ("ai_runner.drivers.eim.protocol.codec", "def f():\n    import time", "no clock"),
        ("ai_runner.runner", "def run():\n    import ai_runner.report.text", "is above"),
        ("ai_runner.runner", "from ai_runner.report.text import summary", "is above"),
        ("ai_runner.compare.metrics", "import ai_runner.bench", "is a neighbour"),
        ("ai_runner.compare.metrics", "from ai_runner.drivers.tflite import driver", "only the registry"),
        ("ai_runner.report.text", "if TYPE_CHECKING:\n    from ai_runner.cli import main", "nothing imports"),
        ("ai_runner.report.text", "print('x')", "only the command line prints"),
        ("ai_runner.model", "from ai_runner.some_face import Face", "is above"),
        ("ai_runner.newcomer.part", "", "has no floor"),
    ],
)
def test_a_broken_rule_is_seen(module: str, source: str, what: str) -> None:
    found = violations(module, source)
    assert len(found) == 1
    assert what in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ai_runner", "from ai_runner.runner import AiRunner\n__version__ = '1'"),
        ("ai_runner.registry", "def f():\n    from ai_runner.drivers.tflite.driver import TfliteDriver"),
        ("ai_runner.runner", "def summary():\n    from ai_runner.report.text import table"),
        ("ai_runner.tflite_model.cut", "def f():\n    import flatbuffers"),
        ("ai_runner.drivers.tflite.driver", "def f():\n    import ai_edge_litert.interpreter"),
        ("ai_runner.drivers.tflite.driver", "from ai_runner.drivers.tflite import kernels\nimport numpy as np"),
        ("ai_runner.compare.metrics", "from ai_runner import AiRunner, __version__\nimport json"),
        ("ai_runner.compare.metrics", "if TYPE_CHECKING:\n    import rich"),
        ("ai_runner.cli.info", "print('x')"),
        ("ai_runner.pytest_plugin", "import pytest"),
    ],
)
def test_what_the_rules_allow(module: str, source: str) -> None:
    assert violations(module, source) == []


def test_every_part_of_the_house_is_looked_at() -> None:
    assert {"ai_runner", "ai_runner.errors", "ai_runner.drivers", "ai_runner.firmware_proto"} <= MODULES.keys()
    for module, path in MODULES.items():
        assert not path.is_symlink(), module
        assert all(part.isidentifier() for part in module.split(".")), f"{path} cannot be imported"
        assert not {"utils", "helpers", "misc", "common"} & set(module.split(".")), f"{path} has no subject"
        assert (path.parent / "__init__.py").is_file(), f"{path} is in no package and would not be installed"


def sources() -> Iterator[Path]:
    for folder in (*ROOTS, "tests", "examples", "benchmarks"):
        for pattern in ("*.py", "*.c", "*.h"):
            for path in (REPOSITORY / folder).rglob(pattern):
                if not path.stem.endswith("_pb2"):
                    yield path


def test_files_are_short_enough_to_have_one_subject() -> None:
    lengths = {path: len(path.read_bytes().splitlines()) for path in sources()}
    assert {str(path.relative_to(REPOSITORY)): n for path, n in lengths.items() if n > MAX_LINES} == {}


def python(code: str, *arguments: str) -> list[str]:
    """The lines that a fresh interpreter prints for `code`."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


LISTING = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"


def test_importing_names_of_the_package_loads_numpy_only() -> None:
    before = set(python(f"import numpy; {LISTING}"))
    after = set(python(f"from ai_runner import *; {LISTING}"))
    assert "ai_runner" in after
    assert after - before - sys.stdlib_module_names == {"ai_runner"}


def test_importing_the_package_loads_nothing() -> None:
    before = set(python(LISTING))
    after = set(python(f"import ai_runner; {LISTING}"))
    assert after - before - sys.stdlib_module_names == {"ai_runner"}


def test_the_package_has_the_names_that_it_lists() -> None:
    assert python("import ai_runner; print(*(n for n in ai_runner.__all__ if not hasattr(ai_runner, n)))") == []
    assert python("import ai_runner; print({*ai_runner.__all__} <= {*dir(ai_runner)})") == ["True"]
    assert python("import ai_runner; print(hasattr(ai_runner, 'nothing'))") == ["False"]


def test_every_module_can_be_imported_without_posix() -> None:
    importable = sorted(name for name in MODULES if not name.endswith("__main__"))
    code = f"""
import importlib, sys
for name in {POSIX_ONLY!r}:
    sys.modules[name] = None
for name in sys.argv[1:]:
    importlib.import_module(name)
    print(name)
"""
    assert python(code, *importable) == importable
