"""Several models in one collection: added by a pass, kept up to date together, each with the figures of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import paint
from support.collections import read_by_path

from clipsim import Collection, index_folder, score_images
from clipsim.cli import main as cli
from clipsim.collections.encoding import Engine, encode_files
from clipsim.collections.models import find_models
from clipsim.collections.store import EmbeddingConfig
from clipsim.encoders import Encoder
from clipsim.errors import ClipsimError, UsageError
from clipsim.images import File, Location


@pytest.fixture
def both(source: Path, folder: Path, clip: Encoder, siglip: Encoder) -> Path:
    """A collection with the vectors of two models."""
    index_folder(source, folder, clip)
    index_folder(source, folder, siglip)
    return folder


def only(*names: str) -> Engine:
    """Return an engine that encodes nothing but files of these names."""

    def encode(files: list[File], folder: Location, config: EmbeddingConfig, device: str) -> Iterator[object]:
        assert {file.name for file in files} <= set(names)
        return encode_files(files, folder, config, device)

    return encode  # type: ignore[return-value]


def test_another_model_is_added_by_one_pass_and_the_first_is_left(
    source: Path, folder: Path, clip: Encoder, siglip: Encoder
) -> None:
    index_folder(source, folder, clip)
    before = Collection.open(folder)
    done = index_folder(source, folder, siglip)
    assert (done.added, done.unchanged) == (0, 12)
    assert {name: (one.added, len(one.rejected)) for name, one in done.further.items()} == {"tiny-siglip": (12, 1)}
    first, second = Collection.open(folder), Collection.open(folder, "tiny-siglip")
    assert first.manifest == before.manifest
    assert second.manifest.embedding.model == siglip.name and second.verify() == []
    assert second.table(["path"]).equals(first.table(["path"]))
    assert second.vectors().shape == (12, siglip.width)


def test_each_model_gives_the_figures_of_a_gallery(both: Path, source: Path, clip: Encoder, siglip: Encoder) -> None:
    for encoder in (clip, siglip):
        hits = Collection.open(both, encoder.name).search("the cat", encoder, top=12)
        scores = score_images([(source / hit.path, hit.path) for hit in hits], "the cat", encoder).scores
        theirs = {score.name: (score.cosine, score.verdict) for score in scores}
        assert {hit.path: (hit.cosine, hit.verdict) for hit in hits} == theirs


def test_every_run_brings_all_models_up_to_date(both: Path, source: Path, clip: Encoder) -> None:
    paint(48, 40, 99).save(source / "new.png")
    (source / "00.png").unlink()
    done = index_folder(source, both, clip, engine=only("new.png"))
    assert [(one.added, one.removed) for one in (done, *done.further.values())] == [(1, 1), (1, 1)]
    paths = [set(read_by_path(Collection.open(both, model))) for model in (None, "tiny-siglip")]
    assert paths[0] == paths[1] and len(paths[0]) == 12


def test_the_vectors_are_those_of_a_collection_of_its_own(
    both: Path, source: Path, tmp_path: Path, siglip: Encoder
) -> None:
    index_folder(source, tmp_path / "own", siglip)
    ours, theirs = (
        read_by_path(one) for one in (Collection.open(both, siglip.name), Collection.open(tmp_path / "own"))
    )
    assert ours.keys() == theirs.keys() and all(np.array_equal(ours[path], theirs[path]) for path in ours)


def test_a_run_that_stops_within_a_further_model_is_gone_on_with(
    source: Path, folder: Path, clip: Encoder, tiny_siglip: Path
) -> None:
    def stop(files: list[File], folder: Location, config: EmbeddingConfig, device: str) -> Iterator[object]:
        yield next(encode_files(files, folder, config, device, part=5))
        raise KeyboardInterrupt

    index_folder(source, folder, clip)
    with pytest.raises(KeyboardInterrupt):
        index_folder(source, folder, str(tiny_siglip), engine=stop)  # type: ignore[arg-type]
    assert len(Collection.open(folder, str(tiny_siglip))) == 5
    assert index_folder(source, folder).further["tiny-siglip"].added == 7


def test_thumbnails_are_kept_once_and_shown_for_all_models(both: Path, siglip: Encoder) -> None:
    first, second = Collection.open(both), Collection.open(both, siglip.name)
    assert set(second.table(["thumbnail"])["thumbnail"].to_pylist()) == {b""}
    kept = dict(zip(*(first.table()[name].to_pylist() for name in ("path", "thumbnail")), strict=True))
    hits = second.search("the cat", siglip, thumbnails=True)
    assert {hit.path: hit.thumbnail for hit in hits} == {hit.path: kept[hit.path] for hit in hits}
    assert all(hit.thumbnail for hit in hits)


def test_copies_are_found_by_the_thumbnails_of_the_first_model(both: Path, source: Path, siglip: Encoder) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((640, 480))
    picture.save(source / "large.png")
    picture.resize((320, 240)).save(source / "small.jpg")
    index_folder(source, both)
    assert Collection.open(both, siglip.name).duplicates(1.1) == [["large.png", "small.jpg"]]


def test_a_further_model_takes_options_of_its_own_or_those_of_the_first(
    source: Path, folder: Path, clip: Encoder, siglip: Encoder, stand_in: Encoder
) -> None:
    index_folder(source, folder, clip, contrast="auto")
    index_folder(source, folder, siglip)
    index_folder(source, folder, stand_in, framing="pad")
    options = [config.options for config in find_models(folder).values() if config]
    assert [(one.framing, one.contrast) for one in options] == [("pad", "auto"), ("crop", "auto")]


def test_a_model_that_is_there_is_not_added_again_by_any_of_its_names(
    both: Path, source: Path, tiny_siglip: Path
) -> None:
    for name in ("tiny-siglip", str(tiny_siglip), None):
        done = index_folder(source, both, name, engine=only())
        assert done.further["tiny-siglip"].unchanged == 12
    assert len(find_models(both)) == 1


def test_a_model_that_is_gone_does_not_cost_the_others(
    both: Path, source: Path, clip: Encoder, tiny_siglip: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_siglip, tmp_path / "tuned")
    index_folder(source, both, str(tmp_path / "tuned"))
    shutil.rmtree(tmp_path / "tuned")
    paint(48, 40, 99).save(source / "new.png")
    with pytest.raises(ClipsimError, match="tuned"):
        index_folder(source, both, clip)
    assert [len(Collection.open(both, model)) for model in (None, "tiny-siglip", "tuned")] == [13, 13, 12]


def test_a_model_of_which_there_are_no_vectors_is_refused(both: Path) -> None:
    with pytest.raises(UsageError, match="has vectors of tiny-clip and tiny-siglip, none of stand-in"):
        Collection.open(both, "stand-in")


def test_the_commands_add_a_model_and_search_by_it(
    both: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: object) -> tuple[int, str]:
        return cli.main([str(word) for word in words]), capsys.readouterr().out

    status, out = run("index", source, "--to", both, "--model", "stand-in")
    assert (status, out.count("12 pictures in")) == (0, 3)
    assert f"{both} by stand-in: 12 added" in out and f"{both} by tiny-siglip: 0 added" in out
    status, out = run("search", both, "a cat", "--model", "stand-in", "--format", "csv")
    assert status == 0 and out.splitlines()[1].endswith(",stand-in")
    status, out = run("info", both)
    assert status == 0 and "further models  stand-in, tiny-siglip" in out
    assert run("verify", both)[0] == 0
    damaged = next((both / "models" / "stand-in" / "segments").glob("*.npy"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    assert run("verify", both)[0] == 1
