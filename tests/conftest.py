"""Small checkpoints that are real in every part (weights, tokenizer, processor), and encoders that are loaded once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Each worker has a folder of its own for what models leave on disk between runs, and none writes into the user's.
# huggingface_hub reads this once, when it is imported, as what follows does.
os.environ["HF_ASSETS_CACHE"] = tempfile.mkdtemp(prefix="clipsim-assets-")

import pytest
from support import CHROMIUM, EXAMPLES, FLAGS, Server, paint, serving
from support.hostile import File, make_bases

import clipsim
from benchmarks.performance.load import Caller, Served
from benchmarks.performance.load import serving as serve_for_load
from clipsim import Encoder
from clipsim.embedding import VectorCache, use_cache

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Before torch is imported: on a busy machine threads that wait for each other make small products ten times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**TEXT, "image_size": 32, "patch_size": 8}
WORDS = ["cat", "dog", "the", "snow", "photo"]  # these are one token each, all else is spelled


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["HF_ASSETS_CACHE"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the name of its folder."""
    for item in items:
        item.add_marker(item.path.relative_to(Path(__file__).parent).parts[0])


def word_merges(end: str = "") -> list[tuple[str, str]]:
    """Byte-pair merges that build each of `WORDS` letter by letter, the last letter carrying `end`."""
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS:
        letters = [*word[:-1], word[-1] + end]
        for i in range(1, len(letters)):
            merges["".join(letters[:i]), letters[i]] = None
    return list(merges)


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random CLIP that reads 20 tokens, of width 24."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    merges = word_merges("</w>")
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *(a + b for a, b in merges)]
    vocabulary = {token: i for i, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    start, end = vocabulary["<|startoftext|>"], vocabulary["<|endoftext|>"]
    special = {"vocab_size": len(vocabulary), "bos_token_id": start, "eos_token_id": end, "pad_token_id": end}
    torch.manual_seed(1)
    config = CLIPConfig(
        text_config={**TEXT, **special, "max_position_embeddings": 20},
        vision_config=VISION,
        projection_dim=24,
        logit_scale_init_value=3.0,
        initializer_factor=3.0,
    )
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-clip"
    CLIPModel(config).save_pretrained(folder)
    CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=20).save_pretrained(folder)
    crop = {"height": 32, "width": 32}
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=crop).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random SigLIP that reads 16 tokens, of width 32; its tokenizer is built as Gemma's, which SigLIP 2 uses."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    letters = ["▁", *map(chr, range(33, 127))]
    merges = [*word_merges(), *(("▁", word) for word in [*WORDS, *letters[1:]])]
    vocabulary = {token: i for i, token in enumerate([*special, *letters, *(a + b for a, b in merges)])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.post_processor = processors.TemplateProcessing("$A <eos>", special_tokens=[("<eos>", 1)])
    names = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"}
    return save_siglip(
        tmp_path_factory.mktemp("checkpoints") / "tiny-siglip",
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=16, **names),
    )


@pytest.fixture(scope="session")
def tiny_siglip_1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random SigLIP that reads 16 tokens, of width 32; its tokenizer is that of SigLIP 1, by SentencePiece."""
    from sentencepiece import SentencePieceTrainer
    from transformers import SiglipTokenizer

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-siglip-1"
    folder.mkdir()
    with (folder / "spiece.model").open("wb") as file:
        SentencePieceTrainer.train(
            sentence_iterator=iter([*WORDS, "a b c d e f g h i j k l m n o p q r s t u v w x y z"] * 20),
            model_writer=file,
            model_type="bpe",
            vocab_size=90,
            hard_vocab_limit=False,
            minloglevel=2,
            **{"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
        )
    return save_siglip(folder, SiglipTokenizer(str(folder / "spiece.model"), model_max_length=16))


def save_siglip(folder: Path, tokenizer: Any) -> Path:
    """Save a small random SigLIP with this tokenizer, and return its folder."""
    import torch
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    torch.manual_seed(2)
    ends = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "eos_token_id": 1, "bos_token_id": 2}
    config = SiglipConfig(
        text_config={**TEXT, **ends, "max_position_embeddings": 16, "projection_size": 32}, vision_config=VISION
    )
    model = SiglipModel(config)
    model.logit_scale.data.fill_(2.0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def nothing_kept(request: pytest.FixtureRequest) -> None:
    """Each test computes what it looks at."""
    for name in {"clip", "siglip", "siglip_1", "stand_in"} & set(request.fixturenames):
        use_cache(request.getfixturevalue(name), VectorCache(100_000_000))


@pytest.fixture(scope="session")
def clip(tiny_clip: Path) -> Encoder:
    return clipsim.load(str(tiny_clip), "cpu")


@pytest.fixture(scope="session")
def siglip(tiny_siglip: Path) -> Encoder:
    return clipsim.load(str(tiny_siglip), "cpu")


@pytest.fixture(scope="session")
def siglip_1(tiny_siglip_1: Path) -> Encoder:
    return clipsim.load(str(tiny_siglip_1), "cpu")


@pytest.fixture(scope="session")
def stand_in() -> Encoder:
    return clipsim.load("stand-in", "cpu")


@pytest.fixture(scope="session")
def tiny_blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BLIP with a matching head, that reads 40 tokens."""
    from support.judges import save_blip

    return save_blip(tmp_path_factory.mktemp("judges") / "tiny-blip")


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen3-VL."""
    from support.judges import save_qwen

    return save_qwen(tmp_path_factory.mktemp("judges") / "tiny-qwen")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The model hub out of reach and nothing cached, by huggingface_hub's own settings; the empty cache's folder."""
    import huggingface_hub.constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    return cache


@pytest.fixture
def picture_file(tmp_path: Path) -> Callable[..., Path]:
    """`picture_file("dog.jpg", seed=1)` paints a picture into a file of that name."""

    def save(name: str, seed: int = 0, size: tuple[int, int] = (48, 40)) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        paint(*size, seed=seed).save(path)
        return path

    return save


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`python app.py`, as a user starts it, without a network to the model hub."""
    with serving(tmp_path_factory) as served:
        yield served


@pytest.fixture(scope="session")
def paintings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of the example pictures, by the stand-in."""
    source = tmp_path_factory.mktemp("source")
    for path in EXAMPLES:
        shutil.copy(path, source)
    folder = tmp_path_factory.mktemp("collections") / "paintings"
    clipsim.index_folder(source, folder, "stand-in", device="cpu")
    return folder


@pytest.fixture(scope="session")
def search_server(paintings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """As `server`, with that collection to search."""
    with serving(tmp_path_factory, {"CLIPSIM_COLLECTIONS": str(paintings)}) as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    if not Path(CHROMIUM).exists():
        missing = f"no Chromium at {CHROMIUM}: install it, or set CHROMIUM to its path"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with serve_for_load(folder, HF_HUB_OFFLINE="1", HF_HOME=str(folder)) as server:
        yield server


@pytest.fixture
def caller(served: Served) -> Caller:
    return Caller(served.url)


@pytest.fixture(scope="session")
def bases() -> list[File]:
    return make_bases()
