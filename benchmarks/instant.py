"""A server that answers at once, for benchmarks of clients: vLLM's completions route with replies made before they are asked.

    python benchmarks/instant.py [--tokens 128]          # prints its port

A reply has the fields and the number formats of a recorded vLLM 0.32 reply (``logprobs: 0``, ``return_token_ids``): n
choices of so many tokens (max_tokens where that is less), drawn once, and the prompt's ids as they were sent. Choice i of seed s is variant
(s + i) mod 64. ``GET /stats`` tells what was asked so far: requests, choices, and when the
second prompt came: a client that probes the server does so with one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import time
from functools import lru_cache

N_VARIANTS = 64
END_ID, LETTERS = 1, range(3, 22)  # the tokenizer of the shipped countdown policies
FIELD = re.compile(rb'"(n|seed|max_tokens)":\s*([0-9]+)')
PROMPT = re.compile(rb'"prompt":\s*(\[[0-9, ]*\])')
LENGTH = re.compile(rb"content-length:\s*([0-9]+)", re.IGNORECASE)
MODELS = {"object": "list", "data": [{"id": "instant", "object": "model", "owned_by": "vllm", "max_model_len": 32768}]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=128)
    asyncio.run(serve(parser.parse_args().tokens))


async def serve(n_tokens: int) -> None:
    answers = Answers(n_tokens)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(answers), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Answers:
    """Replies of one length, and counts of what was asked."""

    def __init__(self, n_tokens: int) -> None:
        self.n_tokens = n_tokens
        self.probed = b""
        self.stats = {"n_requests": 0, "n_choices": 0, "second_prompt_at": None}

    def reply(self, request: bytes) -> bytes:
        if request.startswith(b"GET /stats"):
            return framed(json.dumps(self.stats).encode())
        if request.startswith(b"GET"):
            return framed(json.dumps(MODELS).encode())
        found = {name: int(value) for name, value in FIELD.findall(request)}
        n, seed = found.get(b"n", 1), found.get(b"seed", 0)
        self.stats["n_requests"] += 1
        self.stats["n_choices"] += n
        prompt = PROMPT.search(request)
        assert prompt
        self.probed = self.probed or prompt[1]
        if prompt[1] != self.probed and self.stats["second_prompt_at"] is None:
            self.stats["second_prompt_at"] = time.time()
        n_new = min(self.n_tokens, found.get(b"max_tokens", 16))
        return self.rendered(prompt[1], n, seed % N_VARIANTS, n_new)

    @lru_cache(maxsize=4096)  # noqa: B019 - one object a process
    def rendered(self, prompt: bytes, n: int, first: int, most: int) -> bytes:
        choices = b",".join(
            b'{"index":%d,%b,"prompt_token_ids":%b}' % (i, self.variant((first + i) % N_VARIANTS, most), prompt)
            for i in range(n)
        )
        n_prompt, n_new = prompt.count(b",") + 1, n * most
        usage = b'{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d}' % (n_prompt, n_prompt + n_new, n_new)
        return framed(
            b'{"id":"cmpl-0","object":"text_completion","created":1700000000,"model":"instant","choices":['
            + choices
            + b'],"service_tier":null,"usage":'
            + usage
            + b"}"
        )

    @lru_cache(maxsize=4096)  # noqa: B019
    def variant(self, number: int, most: int) -> bytes:
        """Return the fields of one choice but its index and prompt, as vLLM writes them."""
        rng = random.Random(number)
        ids = [*(rng.choice(LETTERS) for _ in range(self.n_tokens - 1)), END_ID][:most]
        logprobs = [-rng.expovariate(2.0) for _ in ids]
        names = [f"token_id:{token}" for token in ids]
        fields = {
            "text": "".join(chr(ord("a") + token) for token in ids),
            "logprobs": {
                "text_offset": [12 * place for place in range(most)],
                "token_logprobs": logprobs,
                "tokens": names,
                "top_logprobs": [{name: value} for name, value in zip(names, logprobs, strict=True)],
            },
            "finish_reason": "stop" if ids[-1] == END_ID else "length",
            "stop_reason": None,
            "token_ids": ids,
            "prompt_logprobs": None,
        }
        return json.dumps(fields, separators=(",", ":")).encode()[1:-1]


def framed(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as far as clients that send whole bodies need it."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.received, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.received) < whole:
                return
            request, self.received = self.received[:whole], self.received[whole:]
            self.transport.write(self.answers.reply(request))


if __name__ == "__main__":
    main()
