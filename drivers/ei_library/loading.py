"""From a path to a library that is ready: which file, whose interface, loaded as a private copy, initialised."""

from __future__ import annotations

from pathlib import Path

from ai_runner.drivers.ei_library import ffi
from ai_runner.drivers.ei_library.c_api import ABI_SYMBOL, CApiLibrary
from ai_runner.drivers.ei_library.ffi import FfiLibrary
from ai_runner.drivers.ei_library.library import Library
from ai_runner.drivers.ei_library.metadata import read_metadata
from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.shared_library.image import Image
from ai_runner.shared_library.inspection import read_file, read_object_file, refuse_foreign

_EXTENSIONS = (".so", ".dll", ".dylib")
_SHOWN_SYMBOLS = 5
_REMEDY = "compile the C++ library export with `ai-runner ei-library EXPORT_DIR --out model.so`"


def open_library(address: str, metadata: str | None, copied: bool = True) -> Library:
    """Loads and initialises.

    Args:
        address: path of the library, with or without its extension.
        metadata: file that describes a library with `ei_ffi_*` symbols only; None without.
        copied: load a private copy, so that each connection has a model of its own and the file can be rebuilt.

    Raises:
        InvalidParamError: no such file, or metadata that cannot be used.
        InvalidModelError: no library of this host, or none of Edge Impulse.
        HwIOError: it cannot be read or loaded.
    """
    path = _find(address)
    content = read_file(path)
    found = read_object_file(path, content)
    refuse_foreign(path, found)
    exports = found.exports
    if ABI_SYMBOL not in exports and not _is_ffi(exports):
        raise _not_ours(path, exports)
    if ABI_SYMBOL in exports and metadata is not None:
        raise InvalidParamError(
            f"{path}: describes its model itself", hint="leave metadata= out: it is for libraries with ei_ffi_ symbols"
        )
    if ABI_SYMBOL not in exports and metadata is None:
        raise InvalidModelError(
            f"{path}: exports only {ffi.PREFIX}* functions, which tell neither labels nor the layout of results",
            hint=f"give both with ?metadata=FILE (docs/ei-library.md), or {_REMEDY}",
            evidence={"exports": sorted(name for name in exports if name.startswith(ffi.PREFIX))},
        )
    described = None if metadata is None else read_metadata(metadata)
    image = Image(path, content if copied else None)
    try:
        return CApiLibrary(image) if described is None else FfiLibrary(image, described)
    except BaseException:
        image.close()
        raise


def _find(address: str) -> Path:
    if not address:
        raise InvalidParamError("ei: names no library", hint=f"ei:PATH of a shared library; {_REMEDY}")
    try:
        path = Path(address).expanduser().absolute()
        is_folder = path.is_dir()
        candidates = [path, *(path.with_name(path.name + end) for end in _EXTENSIONS)]
        file = next((candidate for candidate in candidates if candidate.is_file()), None)
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidParamError(f"{address[:200]!r}: not a usable path: {error}") from error
    if is_folder:
        hint = "compile it first: ai-runner ei-library" if (path / "edge-impulse-sdk").is_dir() else _REMEDY
        raise InvalidParamError(f"{path}: is a folder, not a shared library", hint=hint)
    if file is None:
        raise InvalidParamError(f"{path}: no such file", hint=f"check the path, or {_REMEDY}")
    return file


def _is_ffi(exports: frozenset[str]) -> bool:
    return exports.issuperset(ffi.NEEDED)


def _not_ours(path: Path, exports: frozenset[str]) -> InvalidModelError:
    # Names that compilers make say nothing to a person.
    plain = sorted(name for name in exports if not name.startswith("_"))
    shown = ", ".join(plain[:_SHOWN_SYMBOLS]) + (", ..." if len(plain) > _SHOWN_SYMBOLS else "")
    if any(name.endswith("_run") and name.startswith(("ai_", "stai_")) for name in plain):
        hint = f"it looks like an ST C-model: use file:{path}"
    elif "run_classifier" in "".join(exports):
        hint = f"it holds the SDK without an interface for other languages: {_REMEDY}"
    else:
        hint = _REMEDY
    return InvalidModelError(
        f"{path}: no Edge Impulse library: exports {shown or 'nothing'}", hint=hint, evidence={"exports": plain[:100]}
    )
