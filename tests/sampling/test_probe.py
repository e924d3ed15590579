"""What the probe finds out of servers, and which ones it refuses, with the way out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from curate.errors import SamplerError
from curate.sampling.completion import Setting
from curate.sampling.dialect import Ask
from curate.sampling.probe import in_common, probe_all
from curate.sampling.probed import Probed
from curate.sampling.served import DIALECTS
from curate.serving import client as client_module
from curate.serving import server as server_module
from curate.serving.limits import Limits
from fake_server import FakeServer, reply

PROMPT = [5, 6, 7]
CHAT = [{"role": "user", "content": "3 5"}]
EXACT = ("vllm", "sglang")
AT_1 = Setting(max_new_tokens=40)


@pytest.fixture(autouse=True)
def _quick_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "FIRST_WAIT_S", 0.005)
    monkeypatch.setattr(client_module, "JITTER_S", 0.01)
    monkeypatch.setattr(server_module, "PAUSE_S", 0.01)


def probed(
    api: str = "vllm",
    setting: Setting = AT_1,
    prompt: Any = PROMPT,
    model: str = "fake",
    key: str | None = None,
    n: int = 16,
    **options: Any,
) -> Probed:
    known = {"vocab_size": 32, "end_ids": frozenset({1})}
    with FakeServer(**options) as server:
        limits = Limits(timeout_s=5, attempts=5, patience_s=2)
        return asyncio.run(probe_all([server.url], limits, key, DIALECTS[api], model, setting, prompt, n=n, **known))


@pytest.mark.parametrize("api", EXACT)
def test_a_good_server(api: str) -> None:
    assert probed(api) == Probed("processed", 2048, "seed + i", 16, 0, ())


def test_text_alone() -> None:
    found = probed("openai", prompt=CHAT)
    assert (found.logprob_semantics, found.children, found.max_n) == (None, "seed + i", 16)
    assert found.notes == ("no token ids: text alone is stored, and its log-probs are left out",)


@pytest.mark.parametrize("api", EXACT)
@pytest.mark.parametrize("mode", ["raw", "processed"])
@pytest.mark.parametrize("temperature", [0.5, 1.5])
def test_log_probs_at_another_temperature(api: str, mode: str, temperature: float) -> None:
    found = probed(api, Setting(temperature, max_new_tokens=40), logprobs_mode=mode)
    assert found.logprob_semantics == mode
    assert len(found.notes) == (mode == "raw")


def test_raw_log_probs_are_explained() -> None:
    (note,) = probed(setting=Setting(0.7, max_new_tokens=40)).notes
    assert "not of the distribution sampled from (temperature 0.7, top_p 1)" in note
    assert "--logprobs-mode processed_logprobs" in note


def test_log_probs_with_temperature_but_without_top_p_are_of_no_known_kind() -> None:
    found = probed(
        "sglang", Setting(0.7, 0.9, 40), logprobs_mode="processed"
    )  # the fake leaves top_p out, as SGLang does
    assert found.logprob_semantics is None
    assert "neither raw nor of the distribution sampled from" in found.notes[0]


def test_greedy_sampling_asks_one_at_a_time_and_its_log_probs_are_raw() -> None:
    found = probed(setting=Setting(0.0, max_new_tokens=40))
    assert (found.logprob_semantics, found.max_n, found.is_seeded, found.notes) == ("raw", 1, True, ())


@pytest.mark.parametrize("api", [*EXACT, "openai"])
def test_children_that_share_the_seed_are_asked_for_alone(api: str) -> None:
    found = probed(api, prompt=CHAT if api == "openai" else PROMPT, children="same")
    assert (found.children, found.max_n, found.is_seeded) == ("own request", 1, True)
    assert "the samples of one request do not have the seeds seed + i" in found.notes[-1]


@pytest.mark.parametrize("api", [*EXACT, "openai"])
def test_a_seed_without_effect_is_not_stored(api: str) -> None:
    found = probed(api, prompt=CHAT if api == "openai" else PROMPT, children="random")
    assert (found.children, found.max_n, found.is_seeded) == ("none", 16, False)
    assert "no seed is stored" in found.notes[-1]
    assert ("--enable-deterministic-inference" in found.notes[-1]) == (api == "sglang")


@pytest.mark.parametrize("api", EXACT)
def test_a_server_that_ignores_n(api: str) -> None:
    found = probed(api, most_choices=1)
    assert (found.children, found.max_n) == ("own request", 1)
    assert "does not give 16 completions in one request" in found.notes[0]


def test_a_server_that_refuses_n() -> None:
    found = probed(refuse=lambda body: "n must be 1" if body["n"] > 1 else None)
    assert (found.children, found.max_n) == ("own request", 1)
    assert "n must be 1" in found.notes[0]


def test_a_server_that_refuses_logprobs_0() -> None:
    found = probed(refuse=lambda body: "logprobs must be at least 1" if body["logprobs"] < 1 else None)
    assert found.n_logprobs == 1


def test_groups_of_one() -> None:
    assert probed(n=1) == Probed("processed", 2048, "seed + i", 1, 0, ())


@pytest.mark.parametrize("fault", ["missing_choices", "wrong_ids", "503", "truncated"])
def test_a_fault_now_and_then_is_no_reason_to_refuse_a_server(fault: str) -> None:
    assert probed(faults={fault: 0.1}, fault_seed=1) == Probed("processed", 2048, "seed + i", 16, 0, ())


def test_a_server_that_gives_every_seed_the_same() -> None:
    with pytest.raises(SamplerError, match="the same completion for different seeds"):
        probed(complete=lambda prompt, seed, most: [8, 9, 10, 11, 12, 13, 14, 1])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("wrong_ids", "wrong_prompt: the prompt's ids came back as"),
        ("minus_9999", "clamped: a log-prob is -9999"),
        ("null_logprob", "bad_logprobs"),
        ("unequal_lengths", "lengths_differ"),
        ("outside_vocabulary", "Give the tokenizer folder of the model that is served"),
        ("missing_choices", "missing_choice"),
    ],
)
def test_a_server_that_never_gives_a_good_completion(fault: str, message: str) -> None:
    with pytest.raises(SamplerError, match=message):
        probed(faults={fault: 1.0})


def test_a_server_that_gives_no_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    vllm = DIALECTS["vllm"]

    def request(ask: Ask) -> tuple[str, dict[str, Any]]:
        path, body = vllm.request(ask)
        return path, body | {"return_token_ids": False}

    monkeypatch.setitem(DIALECTS, "vllm", replace(vllm, request=request))
    with pytest.raises(SamplerError, match="It gives no token ids: it may be of another kind"):
        probed()


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(
        SamplerError, match=r"no model 'fakr' \(did you mean 'fake'\?\): it has fake; give one of these"
    ):
        probed(model="fakr")


def test_a_server_that_lists_nothing_is_told() -> None:
    class Bare(FakeServer):
        def _get(self, path: str) -> Any:
            return reply({"object": "list", "data": []})

    with Bare() as server:
        url, limits = server.url, Limits(timeout_s=5)
        found = asyncio.run(probe_all([url], limits, None, DIALECTS["vllm"], "fake", AT_1, PROMPT, vocab_size=32))
    assert found.notes == ("the server lists no models (an empty list): name and context length are not checked",)
    assert found.max_length is None


def test_a_redirect_says_what_to_give() -> None:
    elsewhere = (307, {"Location": "https://elsewhere/v1/completions"}, b"")
    with pytest.raises(SamplerError, match=r"it points to https://elsewhere/v1/completions\. Give the address that"):
        probed(plain=lambda path: elsewhere)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/completions"])
def test_a_web_page_in_place_of_a_server(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page = b"<html><body>Please log in</body></html>"

    def answers_html(self: FakeServer, asked: str) -> web.Response:
        return web.Response(body=page) if asked == path else reply({"object": "list", "data": []})

    monkeypatch.setattr(FakeServer, "_get", answers_html)
    with pytest.raises(SamplerError, match=r"Please log in.*is no model's server.*correct --server") as error:
        probed(plain=lambda _: (200, {}, page))
    assert path in str(error.value)


def test_a_server_that_fails_every_time() -> None:
    with pytest.raises(SamplerError, match=r"http_500.*Look at the server's log, and run the same command again"):
        probed(faults={"500": 1.0})


def test_a_context_too_short_for_any_prompt() -> None:
    with pytest.raises(SamplerError, match="context is 42 tokens, too few for a prompt of 3 and 40 new ones"):
        probed(max_model_len=42)


def test_a_wrong_key_is_told_and_not_shown() -> None:
    with pytest.raises(SamplerError, match="CURATE_API_KEY") as refused:
        probed(key="sk-secret", api_key="sk-other")
    assert "sk-secret" not in str(refused.value)


def test_a_prompt_that_is_refused_quotes_the_server() -> None:
    with pytest.raises(SamplerError, match="no chat template"):
        probed("openai", prompt=CHAT, refuse=lambda body: "no chat template")


def test_ids_of_another_tokenizer_are_told() -> None:
    with pytest.raises(SamplerError, match=r"out of vocabulary.*Give the tokenizer folder of the model that is served"):
        probed(prompt=[5, 223], refuse=lambda body: "Token id 223 is out of vocabulary")


def test_two_servers_share_what_holds_for_both() -> None:
    one = Probed("raw", 4096, "seed + i", 16, 0, ("slow",))
    other = Probed("raw", None, "own request", 1, 1, ("slow", "odd"))
    assert in_common({"a": one, "b": other}) == Probed("raw", 4096, "own request", 1, 1, ("slow", "odd"))


def test_two_servers_with_different_log_probs() -> None:
    with pytest.raises(SamplerError, match="a: raw; b: processed"):
        in_common({"a": Probed("raw"), "b": Probed("processed")})
