"""What to do about a server that cannot be used."""

from __future__ import annotations

from curate.sampling.dialect import Bad, Dialect
from curate.serving.failures import Failed, Refused

_KINDS = "--api vllm, --api sglang, or --api openai for any other server (text alone)"

_BAD = {
    "no_ids": f"It gives no token ids: it may be of another kind ({_KINDS}), or an old vLLM without return_token_ids.",
    "no_choices": f"It may be of another kind: give {_KINDS}.",
    "wrong_prompt": "It must read the ids that are sent: serve the model of --tokenizer, without a prompt of its own.",
    "unknown_token": "Give the tokenizer folder of the model that is served as --tokenizer.",
    "past_its_end": "It must stop where the model of --tokenizer does: serve it with the same generation_config.json.",
    "clamped": "Log-probs are lost in the server: serve the model in a wider type (vLLM: --dtype bfloat16 or float32).",
    "not_finite": "The model's numbers overflow: serve it in a wider type (vLLM: --dtype bfloat16 or float32).",
    "positive": "Its log-probs must be log-probs (vLLM: --logprobs-mode processed_logprobs, not logits).",
    "no_logprobs": "Log-probs must not be switched off (vLLM: --max-logprobs 1 or more).",
    "no_text": "Its messages have no text: a parser for reasoning or tools may take it away; start the server without.",
}


def after_bad(bad: Bad, dialect: Dialect) -> str:
    """Return a sentence on what to do where a completion fails a check."""
    return _BAD.get(bad.reason, f"Look at the server's log, or give another kind: {_KINDS}. Here it is {dialect.name}.")


def after_failure(error: Failed) -> str:
    """Return a sentence on what to do where no request of the probe was answered as it should be."""
    if error.reason == "bad_json":
        return f"What answers there is no model's server, or a page before it: correct --server, or give {_KINDS}."
    return "Look at the server's log, and run the same command again when it is mended."


def after_refusal(error: Refused, name: str) -> str:
    """Return a sentence on what to do where the server refuses to complete a prompt."""
    if error.status in (401, 403):
        return "Set the server's key in the environment variable CURATE_API_KEY, or name another with --api-key-env."
    if 300 <= error.status < 400:
        return "Give the address that it points to as --server."
    if error.status in (404, 405):
        return f"It may be of another kind than {name or 'said'}: give {_KINDS}."
    if "vocab" in error.reply.lower():
        return _BAD["unknown_token"]
    return "Start the server so that it takes this request, or change the option it names."
