"""Keys that must not be seen: not in a repr, a log, an error or what a server echoes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from ai_runner.errors import InvalidParamError

API_KEY_VARIABLE = "EI_API_KEY"
HMAC_KEY_VARIABLE = "EI_HMAC_KEY"
_MAX_FILE_BYTES = 4096
_MAX_CHARACTERS = 512
_LOOKS_LIKE_A_KEY = re.compile(r"ei_\w+|[0-9a-fA-F]{16,}")
_SHORTEST_REDACTED = 4  # hiding shorter ones would spoil the text and protect nothing


class Secret:
    """A key, shown as ``***`` wherever it is printed; `reveal()` is the one way to its characters.

    Args:
        text: printable ASCII without spaces, up to 512 characters.
        what: its name in messages.

    Raises:
        InvalidParamError: anything else; the message does not hold it.
    """

    __slots__ = ("_text", "what")

    def __init__(self, text: str, what: str = "key") -> None:
        self.what = what
        if not 0 < len(text) <= _MAX_CHARACTERS or not all("!" <= character <= "~" for character in text):
            raise InvalidParamError(
                f"the {what} is empty, too long, or holds spaces or characters that no key has",
                hint="copy it again from the project's dashboard, page Keys",
            )
        self._text = text

    def reveal(self) -> str:
        """The characters."""
        return self._text

    def hidden_in(self, text: str) -> str:
        """`text` with every occurrence of the key replaced."""
        if len(self._text) >= _SHORTEST_REDACTED:
            for form in {self._text, quote(self._text, safe="")}:
                text = text.replace(form, f"[{self.what}]")
        return text

    def __repr__(self) -> str:
        return f"Secret(***, {self.what!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def api_key(file: str | Path | None = None, environment: Mapping[str, str] | None = None) -> Secret:
    """The project's API key from `file`, or from the environment variable EI_API_KEY.

    Raises:
        InvalidParamError: there is none.
    """
    key = _key(file, API_KEY_VARIABLE, "API key", environment)
    if key is None:
        raise InvalidParamError(
            "no API key", hint=f"set {API_KEY_VARIABLE}, or name a file that holds it with --api-key-file"
        )
    return key


def hmac_key(file: str | Path | None = None, environment: Mapping[str, str] | None = None) -> Secret | None:
    """The project's HMAC key from `file`, or from the environment variable EI_HMAC_KEY; None when there is none."""
    return _key(file, HMAC_KEY_VARIABLE, "HMAC key", environment)


def _key(file: str | Path | None, variable: str, what: str, environment: Mapping[str, str] | None) -> Secret | None:
    if file is not None:
        return Secret(_text_of(Path(file), what), what)
    text = (os.environ if environment is None else environment).get(variable, "").strip()
    return Secret(text, what) if text else None


def _text_of(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if _LOOKS_LIKE_A_KEY.fullmatch(path.name):
            raise InvalidParamError(
                f"the file of the {what} cannot be read: {reason}; its name looks like a key and is not shown",
                hint="name a file that holds the key",
            ) from None
        raise InvalidParamError(f"{path}: the file of the {what} cannot be read: {reason}") from None
    # What is no key is not shown either: it may be the key of something else.
    if len(content) > _MAX_FILE_BYTES or not content.isascii() or len(content.split()) != 1:
        raise InvalidParamError(f"{path}: is no file that holds an {what} and nothing else")
    return content.strip().decode("ascii")
