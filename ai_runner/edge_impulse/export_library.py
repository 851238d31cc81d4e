"""A C++ library export of Edge Impulse as one shared library that `ei:` runs.

The export is the folder that Studio calls "C++ library": ``edge-impulse-sdk/``, ``model-parameters/`` and
``tflite-model/``. It is compiled with the kernels of TensorFlow Lite Micro, of which EON-compiled models use a part,
together with a C interface of this package, which is all that the library shows.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from ai_runner.compiler import CXX, find_compiler, run_compiler, split_words
from ai_runner.errors import InvalidModelError, InvalidParamError

DEFAULT_CXXFLAGS = "-Os -DNDEBUG"

Progress = Callable[[int, int], None]

_METADATA = "model-parameters/model_metadata.h"
_NEEDED = ("edge-impulse-sdk/classifier/ei_run_classifier.h", _METADATA, "model-parameters/model_variables.h")
_SDK = "edge-impulse-sdk"
_LITE = f"{_SDK}/tensorflow/lite"
# What makes up a library for the kernels of TensorFlow Lite Micro; folders that an export lacks are skipped.
_SOURCES = (
    "tflite-model/*.cpp",
    *(
        f"{_SDK}/CMSIS/DSP/Source/{part}Functions/*.c"
        for part in ("Transform", "BasicMath", "ComplexMath", "FastMath", "Support", "Matrix", "Statistics")
    ),
    f"{_SDK}/CMSIS/DSP/Source/CommonTables/*.c",
    f"{_SDK}/dsp/kissfft/*.cpp",
    f"{_SDK}/dsp/dct/*.cpp",
    f"{_SDK}/dsp/memory.cpp",
    f"{_SDK}/porting/{'mingw32' if sys.platform == 'win32' else 'posix'}/*.c*",
    f"{_LITE}/c/common.c*",
    *(
        f"{_LITE}/{folder}*.cc"
        for folder in (
            "kernels/",
            "kernels/internal/",
            "micro/",
            "micro/kernels/",
            "micro/memory_planner/",
            "core/api/",
        )
    ),
)
_INTERFACE = "ei_c_api.cpp"
_INTERFACE_FILES = (_INTERFACE, "ei_c_api.h", "ei_description.hpp", "ei_sdk.hpp", "ei_thresholds.hpp")
_REQUIRED_FLAGS = ("-DTF_LITE_DISABLE_X86_NEON=1", "-fvisibility=hidden", *(() if os.name == "nt" else ("-fPIC",)))
_LANGUAGES = {".c": ("-x", "c", "-std=gnu11")}
_CXX = ("-x", "c++", "-std=c++17")
_SSD = "EI_CLASSIFIER_LAST_LAYER_SSD"
_ENGINES = {"EI_CLASSIFIER_NONE": 255, "EI_CLASSIFIER_TFLITE": 2, "EI_CLASSIFIER_TFLITE_FULL": 4}


@dataclass(frozen=True)
class LibraryBuild:
    """What was built.

    Attributes:
        library: the shared library.
        sources: source files it is made of.
        compiled: how many of them had to be compiled; the others were kept from an earlier build.
    """

    library: Path
    sources: int
    compiled: int


def compile_export(
    export: str | Path,
    out: str | Path,
    *,
    jobs: int | None = None,
    cxx: str | None = None,
    cxxflags: str | None = None,
    objects: str | Path | None = None,
    progress: Progress | None = None,
) -> LibraryBuild:
    """Compiles an export into a shared library, which appears at `out` when it is complete.

    Args:
        export: its folder.
        out: the library to write; an earlier one is replaced.
        jobs: compilers to run at the same time; default: one a processor.
        cxx: the C++ compiler with arguments, also for the C files; default $CXX, else c++, g++ or clang++.
        cxxflags: flags of every file; default $CXXFLAGS, else "-Os -DNDEBUG", which is what .eim are built with.
        objects: folder to keep object files in, so that the next build compiles what has changed; default: nothing is
            kept.
        progress: called with the number of files done and their total.

    Raises:
        InvalidParamError: `export` is no such folder, `out` cannot be written, `jobs` or flags make no sense.
        InvalidModelError: the model needs another engine than can be compiled here, or its EON-compiled form is to be
            linked with full TensorFlow Lite.
        MissingRuntimeError: there is no C++ compiler.
        HwIOError: the compiler failed; `evidence` has the command and the first lines of what it said.
    """
    if jobs is not None and jobs < 1:
        raise InvalidParamError(f"jobs={jobs}: at least one compiler has to run", hint="--jobs 1 or more")
    root, library = _export_folder(Path(export)), _output_file(Path(out))
    flags = split_words(cxxflags if cxxflags is not None else os.environ.get("CXXFLAGS", DEFAULT_CXXFLAGS), "CXXFLAGS")
    macros = _macros(root)
    _refuse_engine(root, macros, flags)
    compiler = find_compiler(CXX, cxx)
    with _object_folder(objects) as folder:
        interface = _interface_sources(folder)
        sources = {path.relative_to(root).as_posix(): path for path in _sources(root)}
        sources[f"interface/{_INTERFACE}"] = interface / _INTERFACE
        includes = (root, root / "model-parameters", root / "tflite-model", interface)
        common = [*flags, *_REQUIRED_FLAGS, *_model_flags(macros), *(f"-I{path}" for path in includes)]
        units = [_Unit(name, path, folder, compiler, common) for name, path in sources.items()]
        compiled = _compile(units, jobs or os.cpu_count() or 1, progress)
        _link(units, library, folder, compiler, flags)
    return LibraryBuild(library, len(units), compiled)


# -- the export -------------------------------------------------------------------------------------------------------


def _export_folder(path: Path) -> Path:
    if path.is_file():
        hint = "unzip it and give the folder" if path.suffix == ".zip" else "give the folder of the export"
        raise InvalidParamError(f"{path}: is a file, not the folder of a C++ library export", hint=hint)
    if not path.is_dir():
        raise InvalidParamError(f"{path}: no such folder", hint="give the folder of a C++ library export")
    root = path.resolve()
    missing = [name for name in _NEEDED if not (root / name).is_file()]
    if missing:
        below = [child.name for child in sorted(root.iterdir()) if (child / _NEEDED[0]).is_file()]
        hint = (
            f"it may be {path / below[0]}"
            if below
            else "in Studio choose the deployment C++ library, download the zip and unpack it"
        )
        raise InvalidParamError(f"{path}: is no C++ library export, {missing[0]} is missing", hint=hint)
    return root


def _macros(root: Path) -> dict[str, str]:
    """The macros of the model whose value is one word."""
    define = r"^[ \t]*#[ \t]*define[ \t]+(EI_CLASSIFIER_\w+)[ \t]+(\S+)"
    return dict(re.findall(define, _text(root / _METADATA), re.M))


def _model_flags(macros: Mapping[str, str]) -> tuple[str, ...]:
    """What .eim of such a model are built with: SSD networks end in an operator that is not among the standard ones."""
    last_layer = macros.get("EI_CLASSIFIER_OBJECT_DETECTION_LAST_LAYER")
    return ("-DEI_CLASSIFIER_ENABLE_DETECTION_POSTPROCESS_OP=1",) if last_layer == _SSD else ()


def _refuse_engine(root: Path, macros: Mapping[str, str], flags: Sequence[str]) -> None:
    full_by_flag = any(re.fullmatch(r"-DEI_CLASSIFIER_USE_FULL_TFLITE(=1)?", flag) for flag in flags)
    if macros.get("EI_CLASSIFIER_COMPILED") == "1" and full_by_flag:
        raise InvalidModelError(
            f"{root}: its model is compiled with EON, which full TensorFlow Lite cannot run",
            hint="drop EI_CLASSIFIER_USE_FULL_TFLITE, or export the model without the EON compiler",
        )
    engine = macros.get("EI_CLASSIFIER_INFERENCING_ENGINE", "EI_CLASSIFIER_TFLITE")
    number = _ENGINES.get(engine, int(engine) if engine.isdigit() else -1)
    if full_by_flag or number not in (2, 255):
        what = "full TensorFlow Lite" if full_by_flag or number == 4 else engine
        raise InvalidModelError(
            f"{root}: needs {what}, which is not part of an export",
            hint=f"add {_INTERFACE} to a build that links it (docs/ei-library.md), or export for CPU or EON",
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InvalidParamError(f"{path}: cannot be read: {error.strerror}", hint="check its permissions") from error


def _sources(root: Path) -> list[Path]:
    found = {path for pattern in _SOURCES for path in root.glob(pattern) if path.is_file()}
    return sorted(path for path in found if path.suffix in (".c", ".cc", ".cpp"))


# -- where things go --------------------------------------------------------------------------------------------------


def _output_file(path: Path) -> Path:
    library = path.absolute()
    if library.exists() and not library.is_file():
        what = "a folder" if library.is_dir() else "no regular file, and is not replaced"
        raise InvalidParamError(f"{path}: is {what}", hint="name the library to write, for instance model.so")
    if not library.parent.is_dir():
        raise InvalidParamError(f"{path}: its folder does not exist", hint=f"mkdir {shlex.quote(str(library.parent))}")
    if not os.access(library.parent, os.W_OK):
        raise InvalidParamError(f"{path}: its folder may not be written to", hint="choose another one with --out")
    return library


@contextmanager
def _object_folder(objects: str | Path | None) -> Iterator[Path]:
    if objects is None:
        with tempfile.TemporaryDirectory(prefix="ei_library_") as folder:
            yield Path(folder)
        return
    folder_kept = Path(objects).absolute()
    try:
        folder_kept.mkdir(parents=True, exist_ok=True)
        _interface_sources(folder_kept)
    except OSError as error:
        raise InvalidParamError(f"{objects}: cannot keep objects there: {error.strerror}") from error
    yield folder_kept


def _interface_sources(folder: Path) -> Path:
    """Writes the C interface below `folder`; files that are there already keep their time."""
    target = folder / "interface"
    target.mkdir(exist_ok=True)
    source = files("ai_runner.drivers.ei_library")
    for name in _INTERFACE_FILES:
        content = source.joinpath(name).read_bytes()
        path = target / name
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)
    return target


# -- the compiler -----------------------------------------------------------------------------------------------------


class _Unit:
    """A source file, its object file and the command that makes it."""

    def __init__(self, name: str, source: Path, folder: Path, compiler: Sequence[str], flags: Sequence[str]) -> None:
        self.name = name
        self.object = folder / f"{name}.o"
        self._dependencies = folder / f"{name}.d"
        self._stamp = folder / f"{name}.stamp"
        language = _LANGUAGES.get(source.suffix, _CXX)
        depend = ("-MMD", "-MF", str(self._dependencies))
        self._command = [*compiler, *flags, *depend, *language, "-c", str(source), "-o", str(self.object)]

    def is_current(self) -> bool:
        """True when the object was made by this command from files that are still the same."""
        try:
            return self.object.is_file() and self._stamp.read_text("ascii") == self._fingerprint()
        except (OSError, ValueError):
            return False

    def compile(self) -> None:
        """Makes the object."""
        self.object.parent.mkdir(parents=True, exist_ok=True)
        self._stamp.unlink(missing_ok=True)
        run_compiler(CXX, self._command, self.name)
        self._stamp.write_text(self._fingerprint(), "ascii")

    def _fingerprint(self) -> str:
        digest = sha256("\0".join(self._command).encode())
        rules = self._dependencies.read_text("utf-8", "surrogateescape").partition(": ")[2].replace("\\\n", " ")
        for name in re.split(r"(?<!\\)\s+", rules.strip()):
            about = Path(name.replace("\\ ", " ")).stat()
            digest.update(f"{name}\0{about.st_mtime_ns}\0{about.st_size}\0".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def _compile(units: Sequence[_Unit], jobs: int, progress: Progress | None) -> int:
    """Compiles what is not current, `jobs` at a time; the first failure ends it."""
    outdated = [unit for unit in units if not unit.is_current()]
    done = len(units) - len(outdated)
    with ThreadPoolExecutor(max_workers=jobs) as workers:
        pending: set[Future[None]] = {workers.submit(unit.compile) for unit in outdated}
        try:
            while pending:
                finished, pending = wait(pending, timeout=0.1, return_when=FIRST_EXCEPTION)
                for future in finished:
                    future.result()
                done += len(finished)
                if progress is not None:
                    progress(done, len(units))
        finally:
            workers.shutdown(wait=False, cancel_futures=True)
    return len(outdated)


def _link(units: Sequence[_Unit], library: Path, folder: Path, compiler: Sequence[str], flags: Sequence[str]) -> None:
    stage = library.with_name(f".{library.name}.{secrets.token_hex(6)}")
    options = ["-shared"]
    if sys.platform.startswith("linux"):
        script = folder / "exports.map"
        script.write_text("{ global: ai_runner_ei_*; local: *; };\n", "ascii")
        options += ["-Wl,-Bsymbolic", "-Wl,--no-undefined", f"-Wl,--version-script={script}"]
    # Hundreds of paths are more than some systems allow on a command line.
    listing = folder / "objects.rsp"
    listing.write_text("\n".join(_quoted(unit.object) for unit in units) + "\n", "utf-8")
    try:
        command = [*compiler, *flags, *options, f"@{listing}", "-o", str(stage), "-lm", "-pthread"]
        run_compiler(CXX, command, library.name)
        try:
            stage.replace(library)
        except OSError as error:
            raise InvalidParamError(f"{library}: cannot be written: {error.strerror}") from error
    finally:
        stage.unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
