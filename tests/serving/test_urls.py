from __future__ import annotations

import pytest

from curate.errors import ConfigError
from curate.serving.urls import server_url, server_urls


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("http://localhost:8000/v1", "http://localhost:8000"),
        ("http://localhost:8000/v1/", "http://localhost:8000"),
        ("https://example.org/models/vllm/v1/", "https://example.org/models/vllm"),
        (" https://example.org\n", "https://example.org"),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
    ],
)
def test_an_address_is_read_without_its_end(written: str, read: str) -> None:
    assert server_url(written) == read


@pytest.mark.parametrize(
    "written",
    [
        "",
        "localhost:8000",
        "localhost",
        "ftp://localhost",
        "http://",
        "http://:8000",
        "http://host:port",
        "http://host:0",
        "http://host:99999",
        "http://[::1",
        "http://ho st/",
        "http://host/a b",
        "http://höst",
        "file:///etc/passwd",
        "http://host/?key=1",
        "http://host/#top",
    ],
)
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(ConfigError):
        server_url(written)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="CURATE_API_KEY") as error:
        server_url("http://me:hunter2@host:8000")
    assert "hunter2" not in str(error.value)
    assert "me" not in str(error.value).split()


def test_a_server_named_twice_is_one_server() -> None:
    assert server_urls(["http://a:1", "http://a:1/v1", "http://b"]) == ["http://a:1", "http://b"]


def test_no_server_is_refused() -> None:
    with pytest.raises(ConfigError, match="add --server"):
        server_urls([])
