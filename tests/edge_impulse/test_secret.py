from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from ai_runner.edge_impulse.secret import Secret, api_key, hmac_key
from ai_runner.errors import InvalidParamError

KEY = "ei_0123456789abcdef"


def test_a_secret_does_not_show() -> None:
    secret = Secret(KEY, "API key")
    assert KEY not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == KEY
    assert secret.hidden_in(f"no {KEY} here {KEY}") == "no [API key] here [API key]"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_also_its_percent_encoded_form_is_hidden() -> None:
    assert Secret("ab/cd+ef==", "API key").hidden_in("?k=ab%2Fcd%2Bef%3D%3D") == "?k=[API key]"


@pytest.mark.parametrize("text", ["", "a b", "a\nb", "é", "x" * 513, "a\0"])
def test_what_is_no_key_is_not_repeated(text: str) -> None:
    with pytest.raises(InvalidParamError) as info:
        Secret(text, "API key")
    assert not text or text not in str(info.value)


def test_a_key_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f" {KEY}\n")
    assert api_key(file, {"EI_API_KEY": "other"}).reveal() == KEY
    assert api_key(None, {"EI_API_KEY": f"{KEY}\n"}).reveal() == KEY
    assert hmac_key(None, {}) is None
    with pytest.raises(InvalidParamError, match="no API key"):
        api_key(None, {"EI_API_KEY": " "})


@pytest.mark.parametrize("content", [b"", b"two words", b"x" * 5000, b"\xff\xfe", b"\x00"])
def test_a_file_that_holds_no_key(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(InvalidParamError) as info:
        api_key(file)
    assert "two words" not in str(info.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="cannot be read"):
        api_key(tmp_path / "none")


@pytest.mark.parametrize("key", [KEY, "fed53116f20684c067774ebf9e7bcbdc"])
def test_a_key_where_its_file_should_stand_is_not_repeated(key: str) -> None:
    with pytest.raises(InvalidParamError) as info:
        api_key(key)
    assert key not in str(info.value) + info.value.hint
