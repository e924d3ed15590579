from __future__ import annotations

import asyncio

import pytest

import fake_model
from curate.serving import Client, Failed, Gone, Limits, Refused, replies
from fake_faults import BROKEN
from fake_server import FakeServer
from serving_case import PATH, body, post, post_many, with_client

REASONS = {
    "429": "http_429",
    "429_retry_after": "http_429",
    "500": "http_500",
    "503": "http_503",
    "reset": "connection",
    "cut_off": "connection",
    "stall": "timeout",
    "drip": "timeout",
    "truncated": "bad_json",
    "nan": "bad_json",
    "not_json": "bad_json",
}


def test_a_reply_is_the_server_s_json() -> None:
    with FakeServer() as server:
        reply = post(server.url)
    assert reply["choices"][0]["token_ids"] == fake_model.complete([5, 6, 7], 0, 8)
    assert reply["choices"][0]["prompt_token_ids"] == [5, 6, 7]


def limits(reason: str) -> Limits:
    """Return three attempts, quick to give up only where that is what is tested: on a busy machine replies are slow."""
    return Limits(timeout_s=0.3 if reason == "timeout" else 30, attempts=3)


def test_every_broken_reply_has_its_reason_here() -> None:
    assert set(REASONS) == BROKEN


@pytest.mark.parametrize(("fault", "reason"), REASONS.items())
def test_a_fault_in_every_attempt_fails_the_request_with_its_reason(fault: str, reason: str) -> None:
    with FakeServer(faults={fault: 1.0}) as server:
        with pytest.raises(Failed, match="attempt 3 of 3") as failed:
            post(server.url, limits(reason))
        assert failed.value.reason == reason
        assert server.n_requests == 3


@pytest.mark.parametrize(("fault", "reason"), REASONS.items())
def test_a_fault_in_the_first_attempt_is_tried_again(fault: str, reason: str) -> None:
    async def work(client: Client) -> None:
        client_post = asyncio.create_task(client.post(PATH, body(), 11))
        while not server.n_faults:
            await asyncio.sleep(0.001)
        server.faults = {}
        reply = await client_post
        assert reply["choices"][0]["token_ids"] == fake_model.complete([5, 6, 7], 0, 8)
        assert dict(client.usage.n_retries) == {reason: 1}
        assert client.usage.n_requests == 2

    with FakeServer(faults={fault: 1.0}) as server:
        with_client([server.url], work, limits(reason))


def test_one_attempt_is_no_retry() -> None:
    with FakeServer(faults={"500": 1.0}) as server:
        with pytest.raises(Failed):
            post(server.url, Limits(attempts=1))
        assert server.n_requests == 1


def test_a_refusal_is_not_tried_again_and_says_what_the_server_said() -> None:
    with FakeServer(refuse=lambda body: "n must be 1") as server:
        with pytest.raises(Refused, match=r"HTTP 400.*n must be 1") as refused:
            post(server.url)
        assert refused.value.status == 400
        assert "n must be 1" in refused.value.reply
        assert server.n_requests == 1


def test_a_long_refusal_is_cut() -> None:
    with FakeServer(refuse=lambda body: "x" * 5000) as server, pytest.raises(Refused) as refused:
        post(server.url)
    assert len(refused.value.reply) == 500


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 422])
def test_these_statuses_are_final_and_redirects_are_not_followed(status: int) -> None:
    with FakeServer(plain=lambda path: (status, {"Location": "/v1/completions"}, b"elsewhere")) as server:
        with pytest.raises(Refused) as refused:
            post(server.url, path="/other")
        assert (refused.value.status, refused.value.reply) == (status, "elsewhere")
        assert server.n_requests == 1


def test_a_redirect_says_where_it_points_to() -> None:
    elsewhere = (301, {"Location": "https://elsewhere/v1"}, b"")
    said = pytest.raises(Refused, match="HTTP 301: it points to https://elsewhere/v1")
    with FakeServer(plain=lambda path: elsewhere) as server, said:
        post(server.url)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_these_statuses_are_tried_again(status: int) -> None:
    with FakeServer(plain=lambda path: (status, {}, b"")) as server:
        with pytest.raises(Failed) as failed:
            post(server.url, Limits(attempts=2))
        assert failed.value.reason == f"http_{status}"
        assert server.n_requests == 2


@pytest.mark.parametrize("reply", [b"", b"NaN", b'{"a": Infinity}', b"\xff", b"[" * 5000, b'{"a": 1} {"a": 1}'])
def test_what_is_no_json_is_named_so(reply: bytes) -> None:
    with FakeServer(plain=lambda path: (200, {}, reply)) as server, pytest.raises(Failed) as failed:
        post(server.url, Limits(attempts=1))
    assert failed.value.reason == "bad_json"


def test_a_reply_above_the_ceiling_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "MOST_BYTES", 1_000_000)
    with FakeServer(plain=lambda path: (200, {}, b" " * 4_000_000)) as server:
        with pytest.raises(Failed, match="more than 1,000,000 bytes") as failed:
            post(server.url)
        assert failed.value.reason == "too_large"
        assert server.n_requests == 1


def test_a_compressed_reply_is_not_unpacked() -> None:
    bomb = b"\x1f\x8b\x08\x00" + b"\x00" * 100
    with FakeServer(plain=lambda path: (200, {"Content-Encoding": "gzip"}, bomb)) as server:
        with pytest.raises(Failed) as failed:
            post(server.url, Limits(attempts=1))
        assert failed.value.reason == "bad_json"


def test_a_large_request_arrives_whole() -> None:
    async def work(client: Client) -> int:
        await client.post(PATH, body(prompt=range(300_000)), 1)
        return len(server.bodies[0]["prompt"])

    with FakeServer(max_model_len=1 << 20) as server:
        assert with_client([server.url], work) == 300_000


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with FakeServer() as server:
        assert post(server.url)["model"] == "fake"


def test_get_asks_every_server_and_keeps_their_order() -> None:
    with FakeServer(model="a", delay_s=0.05) as first, FakeServer(model="b") as second:
        found = with_client([first.url, second.url], lambda client: client.get("/v1/models"))
    assert [reply["data"][0]["id"] for reply in found] == ["a", "b"]


def test_get_says_which_server_is_not_there_without_the_patience() -> None:
    with FakeServer() as there, FakeServer() as away:
        away.stop()
        with pytest.raises(Gone, match=f"no server answers at {away.url}/v1/models: Connection refused"):
            with_client([there.url, away.url], lambda client: client.get("/v1/models"), Limits(attempts=2))


def test_get_is_refused_where_the_path_is_unknown() -> None:
    with FakeServer() as server, pytest.raises(Refused) as refused:
        with_client([server.url], lambda client: client.get("/nothing"))
    assert refused.value.status == 404


def test_a_mix_of_faults_answers_every_request_with_its_own_reply() -> None:
    faults = dict.fromkeys(["429", "429_retry_after", "500", "503", "reset", "truncated", "cut_off", "nan"], 0.03)
    with FakeServer(faults=faults) as server:
        found = with_client([server.url], post_many(400), Limits(max_requests=32, attempts=9))
    for seed, reply in enumerate(found):
        assert reply["choices"][0]["token_ids"] == fake_model.complete([5, 6, 7], seed, 8)
    assert server.answered == {((5, 6, 7), seed): 1 for seed in range(400)}
    assert sum(server.n_faults.values()) == server.n_requests - 400
    assert sum(server.n_faults.values()) > 50


def test_a_cancelled_request_gives_its_place_back() -> None:
    async def work(client: Client) -> None:
        stuck = [asyncio.create_task(client.post(PATH, body(), 11)) for _ in range(3)]
        while server.n_requests < 2:
            await asyncio.sleep(0.001)
        assert (client.usage.n_in_flight, client.usage.n_waiting) == (2, 1)
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        assert (client.usage.n_in_flight, client.usage.n_tokens_in_flight, client.usage.n_waiting) == (0, 0, 0)
        server.faults = {}
        await client.post(PATH, body(), 11)

    with FakeServer(faults={"stall": 1.0}) as server:
        with_client([server.url], work, Limits(max_requests=2))
