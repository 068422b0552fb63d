"""VQAScore (Lin et al. 2024, arXiv:2404.01291): how probable a vision-language model's answer "yes" is.

Qwen3-VL-Reranker is asked in the form that it was trained on (github.com/QwenLM/Qwen3-VL-Embedding,
src/models/qwen3_vl_reranker.py): a system line, an instruction, a query and a document, which here are the question,
the caption and the picture. The probability is that of "yes" where the answer can only be "yes" or "no".
"""

from __future__ import annotations

import torch
import transformers
from PIL import Image

from clipsim.errors import EncoderError
from clipsim.judges.base import Frame
from clipsim.judges.framing import FitPixels
from clipsim.judges.torch_judge import TorchJudge

SYSTEM = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".'
)
QUESTION = "Does this picture show what the query says?"
TOKENS = (4, 1800)  # that a picture may take, as its authors' code has it
_MARKS = ("<|im_start|>", "<|im_end|>")


class VqaJudge(TorchJudge):
    """A checkpoint of `Qwen3VLForConditionalGeneration`, which takes pairs one by one: pictures differ in size."""

    model_class = transformers.Qwen3VLForConditionalGeneration
    half = torch.bfloat16

    @property
    def frame(self) -> Frame:
        """Resize a picture with its own proportions, to as many pixels as the model was trained on."""
        return self._frame

    def _prepare(self) -> None:
        files = {"local_files_only": True}
        self._processor = transformers.Qwen2VLImageProcessorPil.from_pretrained(self.folder, **files)
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder, **files)
        vocabulary, config = self._tokenizer.get_vocab(), self._model.config
        if missing := [token for token in ("yes", "no", *_MARKS) if token not in vocabulary]:
            raise EncoderError(f"{self.name} has no token {missing[0]!r}, by which it would answer: fetch it again")
        self._yes, self._no, self._start, self._end = (vocabulary[token] for token in ("yes", "no", *_MARKS))
        self._image = config.image_token_id
        self._around = config.vision_start_token_id, config.vision_end_token_id
        step = self._processor.patch_size * self._processor.merge_size
        self._frame = FitPixels(step, TOKENS[0] * step**2, TOKENS[1] * step**2)

    def write_prompt(self, caption: str, count: int) -> list[int]:
        """Return the token ids of the question about a picture of `count` tokens.

        What a caption holds is read as text, also where it is spelled as one of the model's marks.
        """
        line = self._read("\n")
        asked = self._read(f"user\n<Instruct>: {QUESTION}<Query>:{caption}\n<Document>:")
        picture = [self._around[0], *[self._image] * count, self._around[1]]
        head = [self._start, *self._read("system\n" + SYSTEM), self._end, *line]
        return [*head, self._start, *asked, *picture, self._end, *line, self._start, *self._read("assistant\n")]

    def _read(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return ids

    def _rate(self, views: list[Image.Image], captions: list[str]) -> torch.Tensor:
        return torch.cat([self._rate_one(view, caption) for view, caption in zip(views, captions, strict=True)])

    def _rate_one(self, view: Image.Image, caption: str) -> torch.Tensor:
        seen = self._processor(view, return_tensors="pt", do_resize=False)
        grid = seen["image_grid_thw"]
        ids = torch.tensor([self.write_prompt(caption, int(grid.prod()) // self._processor.merge_size**2)])
        return self._run(self._answer, ids, seen["pixel_values"], grid)

    def _answer(self, ids: torch.Tensor, pixels: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
        """Return P(yes | yes or no) as the next token, shape (1,)."""
        output = self._model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=pixels.to(self._dtype),
            image_grid_thw=grid,
            mm_token_type_ids=(ids == self._image).int(),
            logits_to_keep=1,
            use_cache=False,
        )
        logits: torch.Tensor = output.logits[:, -1].float()
        return torch.sigmoid(logits[:, self._yes] - logits[:, self._no])
