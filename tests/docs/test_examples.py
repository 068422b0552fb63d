"""The bundled pictures: what the page promises of them holds on the stand-in."""

import json
from pathlib import Path

import pytest
from PIL import Image
from support import ROOT

import clipsim
from clipsim import Encoder

EXAMPLES = ROOT / "examples"
ENTRIES = json.loads((EXAMPLES / "examples.json").read_text())
RETRIEVERS = ENTRIES[0]
GALLERY = [EXAMPLES / name for name in RETRIEVERS["images"]]
REFERENCE = EXAMPLES / RETRIEVERS["reference"]
CLEAR = 0.15  # of cosine; pictures of different things differ by about that much


@pytest.mark.parametrize("reference", [None, REFERENCE], ids=["caption", "reference"])
def test_the_retriever_comes_first_well_clear_of_the_rest(stand_in: Encoder, reference: Path | None) -> None:
    caption = RETRIEVERS["caption"] if reference is None else None
    first, second, *_ = clipsim.score_images(GALLERY, caption, stand_in, reference=reference).scores
    assert first.name == "hiking-golden-retriever.jpg"
    assert first.cosine - second.cosine > CLEAR


def test_the_first_picture_of_the_others_comes_first_for_their_caption(stand_in: Encoder) -> None:
    import gradio

    home = Path(gradio.__file__).parent
    for entry in ENTRIES[1:]:
        pictures = [home / name for name in entry["images"]]
        assert clipsim.score_images(pictures, entry["caption"], stand_in).scores[0].name == pictures[0].name


def test_pictures_are_large_enough_to_look_at_and_small_enough_to_ship() -> None:
    files = [*GALLERY, REFERENCE]
    assert all(min(Image.open(file).size) >= 640 for file in files)
    assert sum(file.stat().st_size for file in files) < 2_000_000
