from __future__ import annotations

import sys

import pytest

from ai_runner.edge_impulse.ingestion import IngestionClient
from ai_runner.edge_impulse.service import ingestion_address, studio_address
from ai_runner.errors import InvalidParamError, MissingRuntimeError


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("", "https://ingestion.edgeimpulse.com"),
        ("localhost", "http://localhost:4810"),
        ("acme.test.edgeimpulse.com", "http://ingestion.acme.test.edgeimpulse.com"),
        ("studio.example.org", "https://ingestion.studio.example.org"),
    ],
)
def test_the_address_follows_ei_host(host: str, address: str) -> None:
    assert ingestion_address({"EI_HOST": host}) == address


def test_the_address_of_studio() -> None:
    assert studio_address({}) == "https://studio.edgeimpulse.com/v1/api"
    assert studio_address({"EI_HOST": "example.org"}) == "https://studio.example.org/v1/api"
    with pytest.raises(InvalidParamError, match="localhost"):
        studio_address({"EI_HOST": "localhost"})


def test_a_host_where_only_plain_http_is_spoken_gets_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EI_HOST", "acme.test.edgeimpulse.com")
    with pytest.raises(InvalidParamError, match="not sent over plain http"):
        IngestionClient("ei_key")


def test_without_httpx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingRuntimeError) as info:
        IngestionClient("ei_key")
    assert info.value.hint == "pip install 'ai-runner[ingestion]'"


def test_a_proxy_of_the_environment_does_not_read_plain_http(
    ei_service: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ai_runner.edge_impulse.ingestion import sample_of_bytes

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    client = IngestionClient(ei_service.KEY, address=ei_service.address)  # type: ignore[attr-defined]
    assert client.upload([sample_of_bytes("a.txt", b"1")]).is_complete
