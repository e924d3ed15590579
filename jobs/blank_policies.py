# python jobs/blank_policies.py curate/policies
"""Write the untrained policies, configuration and tokenizer without weights: `train --from-scratch` starts from them.

``countdown-blank`` has one token a character of the countdown task; ``bytes-blank`` one token a byte, for any text.
Both are of type llama: other types swap a custom tokenizer for their own when they load it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, LlamaConfig, PreTrainedTokenizerFast

SPECIAL = ["<pad>", "<eos>", "<unk>"]
CHARACTERS = " 0123456789:>+-*/=;"


def characters() -> Tokenizer:
    """One token a character of the task; any other character is unknown."""
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *CHARACTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def raw_bytes() -> Tokenizer:
    """One token a byte of UTF-8, so that every text can be read and written."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def write(folder: Path, tokenizer: Tokenizer, positions: int) -> None:
    """Write one blank policy: 4 layers, width 128, 4 heads, about 0.9 million parameters."""
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        model_max_length=positions,
        clean_up_tokenization_spaces=False,
    )
    config = LlamaConfig(
        vocab_size=len(wrapped),
        hidden_size=128,
        intermediate_size=400,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=positions,
        bos_token_id=None,
        eos_token_id=wrapped.eos_token_id,
        pad_token_id=wrapped.pad_token_id,
        tie_word_embeddings=False,
        architectures=["LlamaForCausalLM"],
    )
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    wrapped.save_pretrained(folder)
    settings = folder / "tokenizer_config.json"  # the name that older readers of tokenizers know too
    settings.write_text(settings.read_text().replace("TokenizersBackend", "PreTrainedTokenizerFast"))
    GenerationConfig(eos_token_id=wrapped.eos_token_id, pad_token_id=wrapped.pad_token_id).save_pretrained(folder)


if __name__ == "__main__":
    where = Path(sys.argv[1])
    write(where / "countdown-blank", characters(), positions=128)
    write(where / "bytes-blank", raw_bytes(), positions=1024)
