"""What a model is shown of a picture stays as it was, or the version of decoding and framing changes with it."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from support import paint
from support.collections import fill, make_rows, random_vectors

from clipsim import ClipsimError, Collection, Encoder
from clipsim.collections.encoding import encode_files
from clipsim.collections.store import EmbeddingConfig, Writer
from clipsim.embedding import PREPARATION
from clipsim.embedding.framing import frame
from clipsim.images import list_files, read
from clipsim.options import CONTRASTS, FRAMINGS, Options

# of version 1: the mean grey of what the first view shows at its top left and its bottom right
SHOWN = {
    "crop as-is": (88, 140),
    "crop auto": (98, 164),
    "pad as-is": (108, 114),
    "pad auto": (113, 120),
    "tiles-best as-is": (109, 116),
    "tiles-best auto": (114, 123),
    "tiles-mean as-is": (109, 116),
    "tiles-mean auto": (114, 123),
}


def photograph() -> bytes:
    """A JPEG that lies on its side, as cameras write them."""
    buffer, image = BytesIO(), paint(90, 60, 3)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


def test_what_is_shown_is_that_of_the_version(clip: Encoder) -> None:
    image = read(photograph(), "x.jpg").image
    shown = {}
    for framing in FRAMINGS:
        for contrast in CONTRASTS:
            pixels = np.asarray(frame(image, clip, Options(framing, contrast))[0].image.convert("L"), np.float64)
            shown[f"{framing} {contrast}"] = (pixels[:16, :16].mean(), pixels[16:, 16:].mean())
    assert PREPARATION == 1
    assert shown.keys() == SHOWN.keys()
    for name, pair in shown.items():
        assert pair == pytest.approx(SHOWN[name], abs=1), name  # decoders of JPEG differ by less


def test_a_collection_of_another_version_is_searched_and_not_added_to(tmp_path: Path, clip: Encoder) -> None:
    folder, config = tmp_path / "collection", EmbeddingConfig.from_encoder(clip)
    with Writer(folder, replace(config, preparation=PREPARATION)) as writer:
        writer.add(make_rows(3), vectors := random_vectors(3, clip.width))
    assert Collection.open(folder).manifest.embedding.preparation == PREPARATION
    old = replace(config, preparation=0)
    paint(40, 40).save(tmp_path / "new.png")
    with pytest.raises(ClipsimError, match=r"another way now \(version 1\).*\(version 0\)"):
        list(encode_files(list(list_files(tmp_path)), folder, old, encoder=clip))
    other = tmp_path / "other"
    fill(other, vectors)
    found = Collection.open(other)
    assert found.manifest.embedding.preparation == PREPARATION
    found.manifest = replace(found.manifest, embedding=old)
    assert len(found.search(vectors[0])) == 3
    with pytest.raises(ClipsimError, match="another way now"):
        found.vector_of(tmp_path / "new.png", clip)
