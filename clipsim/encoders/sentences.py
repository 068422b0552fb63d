"""A sentence encoder of BERT's shape on torch alone: transformers' classes take longer to import than it to answer."""

from __future__ import annotations

import json
from pathlib import Path

import safetensors.torch
import tokenizers
import torch
from torch import nn
from torch.nn.functional import layer_norm

from clipsim.encoders.tokenizer import Tokenizer

# Of a layer, where torch has what transformers calls otherwise; torch has query, key and value in one.
_PARTS = {
    "self_attn.out_proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
    "norm2": "output.LayerNorm",
}


class SentenceNetwork:
    """BERT (Devlin et al. 2018, arXiv:1810.04805), without the pooler, from a folder as transformers writes it."""

    def __init__(self, folder: Path, device: str) -> None:
        """Read config.json and model.safetensors onto a device of torch."""
        known = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = safetensors.torch.load_file(folder / "model.safetensors", device=device)
        self._eps, self._width = known["layer_norm_eps"], known["hidden_size"]
        self._embeddings = {name.removeprefix("embeddings."): weights[name] for name in weights if "embedd" in name}
        shape = self._width, known["num_attention_heads"], known["intermediate_size"]
        count = known["num_hidden_layers"]
        with torch.device("meta"):
            layer = nn.TransformerEncoderLayer(*shape, 0.0, known["hidden_act"], self._eps, batch_first=True)
            layers = nn.TransformerEncoder(layer, count, enable_nested_tensor=False)  # of padding no vector may depend
        arranged: dict[str, torch.Tensor] = {}
        for i in range(count):
            for kind in ("weight", "bias"):
                own = {ours: weights[f"encoder.layer.{i}.{theirs}.{kind}"] for ours, theirs in _PARTS.items()}
                arranged |= {f"layers.{i}.{ours}.{kind}": part for ours, part in own.items()}
                joined = [
                    weights[f"encoder.layer.{i}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")
                ]
                arranged[f"layers.{i}.self_attn.in_proj_{kind}"] = torch.cat(joined)
        layers.load_state_dict(arranged, assign=True)
        self._layers = layers.eval().requires_grad_(False)

    def embed_tokens(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return each token's vector, shape (n, length, width), for ids and a mask, 0 where they are padding."""
        own, places = self._embeddings, self._embeddings["position_embeddings.weight"][: ids.shape[1]]
        values = own["word_embeddings.weight"][ids] + places + own["token_type_embeddings.weight"][0]
        values = layer_norm(values, (self._width,), own["LayerNorm.weight"], own["LayerNorm.bias"], self._eps)
        tokens: torch.Tensor = self._layers(values, src_key_padding_mask=mask == 0)
        return tokens


def read_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a folder's tokenizer.json, which cuts and fills up nothing."""
    own = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    own.no_truncation()
    own.no_padding()
    return Tokenizer(lambda text, whole: own.encode(text, add_special_tokens=whole).ids, own.get_vocab_size())
