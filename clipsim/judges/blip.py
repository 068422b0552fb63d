"""BLIP's image-text matching (Li et al. 2022, arXiv:2201.12086): its text tower looks at the picture as it reads."""

from __future__ import annotations

from functools import partial

import torch
import transformers
from PIL import Image

from clipsim.encoders.preprocessing import Preprocessing
from clipsim.errors import EncoderError
from clipsim.judges.base import Frame
from clipsim.judges.torch_judge import TorchJudge

GPU_BATCH = 16  # pairs; on a CPU one alone is as quick for each, and can be ended in between


class BlipJudge(TorchJudge):
    """A checkpoint of `BlipForImageTextRetrieval`: the probability is the softmax of its matching head's two logits."""

    model_class = transformers.BlipForImageTextRetrieval

    @property
    def frame(self) -> Frame:
        """Squeeze all of a picture to the size that the processor makes."""
        return Preprocessing(self._size, None, self._resample).view

    def _prepare(self) -> None:
        self.batch = GPU_BATCH if self.device != "cpu" else 1
        files = {"local_files_only": True}
        self._processor = transformers.BlipImageProcessorPil.from_pretrained(self.folder, **files)
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder, **files)
        if len(self._tokenizer) <= len(set(self._tokenizer.all_special_ids)):
            raise EncoderError(f"{self.name} has no vocabulary: its folder lacks tokenizer.json")
        side, size = self._model.config.vision_config.image_size, self._processor.size
        if (size.width, size.height) != (side, side):
            raise EncoderError(f"{self.name} has a processor that does not make pictures of its {side} x {side} pixels")
        self._size, self._resample = (side, side), int(self._processor.resample)
        self._longest = self._model.config.text_config.max_position_embeddings

    def _rate(self, views: list[Image.Image], captions: list[str]) -> torch.Tensor:
        read = partial(self._tokenizer, truncation=True, max_length=self._longest, padding=True, return_tensors="pt")
        words = read(captions, return_token_type_ids=False)
        pixels = self._processor(views, return_tensors="pt", do_resize=False)["pixel_values"]
        return self._run(self._match, pixels, words["input_ids"], words["attention_mask"])

    def _match(self, pixels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return P(match), shape (n,), step by step: transformers' own forward leaves a mask on the CPU."""
        model = self._model
        seen = model.vision_model(pixel_values=pixels.to(self._dtype)).last_hidden_state
        read = model.text_encoder(
            input_ids=ids,
            attention_mask=mask,
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:-1], dtype=torch.long, device=seen.device),
        )
        logits: torch.Tensor = model.itm_head(read.last_hidden_state[:, 0])
        return logits.float().softmax(dim=-1)[:, 1]
