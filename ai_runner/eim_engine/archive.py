"""The engine file: a line that names its interpreter, and a zip that Python runs."""

from __future__ import annotations

import os
import py_compile
import sys
import tempfile
import zipfile
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

from ai_runner.eim_engine.engine.impulse import Impulse
from ai_runner.errors import InvalidParamError

_PROGRAM = "ai_runner.eim_engine.engine"
_MAIN = f"""\
import os
import sys

from {_PROGRAM}.program import main

# Nothing is buffered, and taking numpy and the runtime down by the book takes longer than all requests of a short life.
os._exit(main(sys.argv[1:], __loader__.get_data))
"""

# Linux before 5.1 cuts the line here; later ones at 255.
_LONGEST_LINE = 127
_PACKAGES = ("numpy", "ai_edge_litert", "tensorflow", "tflite_runtime")
_TIME = (1980, 1, 1, 0, 0, 0)  # the same model gives the same file


def interpreter_line(interpreter: str | None) -> bytes:
    """The first line of the file.

    Without an interpreter it is the running one, isolated from everything but the packages that `python_path` names;
    where its path is too long or has a space, the one that it links to. A given interpreter finds its own packages.

    Raises:
        InvalidParamError: the system could not start the interpreter from such a line.
    """
    if interpreter is not None:
        candidates = [f"#!{interpreter} -I"]
    else:
        candidates = [f"#!{path} -IS" for path in (sys.executable, Path(sys.executable).resolve())]
    for line in candidates:
        raw = os.fsencode(line)
        if len(raw) <= _LONGEST_LINE and len(line.split()) == 2 and "\0" not in line:
            return raw + b"\n"
    raise InvalidParamError(
        f"{candidates[0]!r} cannot start a program: {len(os.fsencode(candidates[0]))} bytes, {_LONGEST_LINE} and no "
        "space in the path are allowed",
        hint="name another interpreter by a short path, a link for instance",
    )


def python_path() -> tuple[str, ...]:
    """Folders of the packages that the program imports, as this process finds them."""
    folders = [folder for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")]
    for package in _PACKAGES:
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            folders.append(str(Path(spec.origin).parents[1]))
    return tuple(str(Path(folder).resolve()) for folder in dict.fromkeys(folders) if Path(folder).is_dir())


def write_archive(path: Path, line: bytes, impulse: Impulse, model: bytes) -> None:
    """Writes the file whole or not at all, executable.

    Raises:
        InvalidParamError: it cannot be written there, or would take the place of a folder or a device.
    """
    if path.exists() and not path.is_file():
        raise InvalidParamError(f"{path}: is no regular file, and is not replaced", hint="name the file to write")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(line)
                with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                    _add_program(archive)
                    _add(archive, "impulse.json", impulse.to_json().encode())
                    _add(archive, "model.tflite", model)
                file.close()
                Path(file.name).chmod(0o755)
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise InvalidParamError(f"{path}: cannot be written: {error.strerror or error}") from error


def _add_program(archive: zipfile.ZipFile) -> None:
    """The program under its own name, as source and compiled; another Python version takes the source."""
    _add(archive, "__main__.py", _MAIN.encode())
    for package in ("ai_runner", "ai_runner/eim_engine"):
        _add(archive, f"{package}/__init__.py", b"")
    with as_file(files(_PROGRAM)) as folder, tempfile.TemporaryDirectory() as scratch:
        for source in sorted(folder.glob("*.py")):
            name = f"{_PROGRAM.replace('.', '/')}/{source.name}"
            compiled = Path(scratch) / f"{source.name}c"
            py_compile.compile(
                str(source),
                str(compiled),
                dfile=name,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
            _add(archive, name, source.read_bytes())
            _add(archive, f"{name}c", compiled.read_bytes())


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _TIME), data)
