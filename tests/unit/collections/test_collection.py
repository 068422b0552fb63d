"""Collections: nothing lost to kill -9, no work twice, the same scores as a gallery, sentences for what goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import paint
from support_collections import Counting, filled, rows, unit

import clipsim
from clipsim import ClipsimError, Collection, Encoder, index_folder
from clipsim.cli import main as cli
from clipsim.collections.duplicates import group_duplicates
from clipsim.collections.store import MANIFEST, EmbeddingConfig, Writer
from clipsim.collections.store.ann import PQ
from clipsim.collections.store.segments import write_segment
from clipsim.embedding import cache_of
from clipsim.options import Framing

RUN = """
import sys
from clipsim.collections import indexing
indexing.AT_ONCE = 8
source, folder, model = sys.argv[1:]
indexing.index_folder(source, folder, model, progress=lambda done, of: print(done, flush=True))
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with twelve pictures, two of them further down, a damaged one and one that is hidden."""
    folder = tmp_path / "pictures"
    (folder / "2026" / "März").mkdir(parents=True)
    names = [*(f"{i:02}.png" for i in range(10)), "2026/März/Straße 雪.png", "2026/a'b\"c, d.png"]
    for seed, name in enumerate(names):
        paint(48, 40, seed).save(folder / name)
    paint(8, 8).save(folder / ".hidden.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "collection"


def by_path(collection: Collection) -> dict[str, np.ndarray]:
    return dict(zip(collection.table(["path"])["path"].to_pylist(), np.array(collection.vectors()), strict=True))


def test_the_scores_are_those_of_a_gallery(source: Path, folder: Path, stand_in: Encoder) -> None:
    index_folder(source, folder, stand_in)
    collection = Collection.open(folder)
    hits = collection.search("a dog", stand_in, top=100)
    pictures = [(source / hit.path, hit.path) for hit in sorted(hits, key=lambda hit: hit.path)]
    expected = clipsim.score_images(pictures, "a dog", stand_in).scores
    assert [hit.path for hit in hits] == [score.name for score in expected]
    for hit, score in zip(hits, expected, strict=True):
        assert hit.cosine == pytest.approx(score.cosine, abs=1e-6)
        assert hit.percentile == pytest.approx(score.percentile, abs=1e-4)
        assert (hit.verdict, hit.notes, hit.seen, hit.size) == (score.verdict, score.notes, score.seen, (48, 40))
    best = collection.search("a dog", stand_in, top=3)
    assert [(hit.path, hit.verdict) for hit in best] == [(hit.path, hit.verdict) for hit in hits[:3]]


@pytest.mark.parametrize("framing", ["crop", "pad", "tiles-mean"])
def test_every_framing_of_one_vector_is_kept(source: Path, folder: Path, clip: Encoder, framing: Framing) -> None:
    index_folder(source, folder, clip, framing=framing)
    collection = Collection.open(folder)
    hits = collection.search("the snow", clip, top=1, thumbnails=True)
    score = clipsim.score_images(source / hits[0].path, "the snow", clip, framing=framing).scores[0]
    assert hits[0].cosine == pytest.approx(score.cosine, abs=1e-6)
    width, height = Image.open(BytesIO(hits[0].thumbnail)).size
    assert max(width, height) == 160 and width >= height


def test_a_framing_of_several_vectors_is_refused(source: Path, folder: Path, clip: Encoder) -> None:
    with pytest.raises(ClipsimError, match="tiles-best makes several"):
        index_folder(source, folder, clip, framing="tiles-best")


def test_what_was_added_changed_and_removed_is_found(source: Path, folder: Path, clip: Encoder) -> None:
    encoder = Counting(clip)
    first = index_folder(source, folder, encoder)
    assert (first.added, encoder.count, [bad.name for bad in first.rejected]) == (12, 12, ["broken.jpg"])
    paint(48, 40, 50).save(source / "new.png")
    paint(48, 40, 51).save(source / "03.png")
    (source / "04.png").unlink()
    os.utime(source / "05.png", (1, 1))
    cache_of(encoder).clear()
    report = index_folder(source, folder, encoder)
    assert (report.added, report.changed, report.removed, report.unchanged) == (1, 1, 1, 10)
    assert encoder.count == 14
    collection = Collection.open(folder)
    assert collection.verify() == []
    assert len(collection) == collection.manifest.rows == 12
    assert collection.manifest.removed == "" and len(collection.manifest.segments) == 1
    table = dict(zip(*collection.table(["path", "mtime_ns"]).to_pydict().values(), strict=True))
    assert table["05.png"] == 10**9 and "04.png" not in table
    index_folder(source, fresh := folder.with_name("fresh"), clip)
    old, new = by_path(collection), by_path(Collection.open(fresh))
    assert old.keys() == new.keys() and all(np.array_equal(old[path], new[path]) for path in old)


def test_an_unchanged_folder_costs_no_decoding_and_no_model(
    source: Path, folder: Path, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_folder(source, folder, str(tiny_clip))
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("a picture was opened"))
    before = (folder / MANIFEST).read_bytes()
    code = "import sys, clipsim; clipsim.index_folder(*sys.argv[1:]); print('torch' in sys.modules)"
    report = index_folder(source, folder, str(tiny_clip))
    assert (report.unchanged, len(report.rejected)) == (12, 1)
    assert (folder / MANIFEST).read_bytes() == before
    done = subprocess.run([sys.executable, "-c", code, source, folder], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_picture_that_can_no_longer_be_read_is_listed_and_tried_again_once_mended(
    source: Path, folder: Path, clip: Encoder
) -> None:
    index_folder(source, folder, clip)
    (source / "00.png").write_bytes(b"")
    report = index_folder(source, folder, clip)
    assert (report.removed, report.unchanged) == (1, 11)
    assert [bad.name for bad in report.rejected] == ["broken.jpg", "00.png"]
    paint(40, 40, 9).save(source / "00.png")
    report = index_folder(source, folder, clip)
    assert (report.added, [bad.name for bad in report.rejected]) == (1, ["broken.jpg"])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
def test_a_name_that_is_no_text_is_listed(source: Path, folder: Path, clip: Encoder) -> None:
    shutil.copy(source / "00.png", source / os.fsdecode(b"\xff.png"))
    report = index_folder(source, folder, clip)
    assert report.rejected[-1].name == "\\udcff.png" or "\\udcff.png" in [bad.name for bad in report.rejected]
    assert index_folder(source, folder, clip).unchanged == 12


def test_killed_again_and_again_it_goes_on_and_nothing_reported_done_is_lost(
    tmp_path: Path, folder: Path, tiny_clip: Path
) -> None:
    source = tmp_path / "many"
    source.mkdir()
    for seed in range(100):
        paint(40, 40, seed).save(source / f"{seed}.png")
    command: list[str | Path] = [sys.executable, "-c", RUN, source, folder, tiny_clip]
    done = 0
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        start = done
        for line in process.stdout:
            done = int(line)
            if done > start + 16:
                time.sleep(0.003 * (done % 7))
                process.send_signal(signal.SIGKILL)
                break
        process.wait(30)
        process.stdout.close()
        collection = Collection.open(folder)
        assert len(collection) >= done and collection.verify() == []
    subprocess.run(command, check=True, capture_output=True)
    collection = Collection.open(folder)
    assert len(collection) == 100 and collection.verify() == []
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert not any(name.endswith(".partial") for name in files)
    index_folder(source, clean := tmp_path / "clean", str(tiny_clip))
    ours, theirs = by_path(collection), by_path(Collection.open(clean))
    assert ours.keys() == theirs.keys() and all(np.array_equal(ours[path], theirs[path]) for path in ours)


@pytest.mark.parametrize("step", range(12))
def test_a_crash_between_any_two_writes_leaves_a_sound_collection(
    source: Path, folder: Path, clip: Encoder, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Each rename is a write; a process that ends at one of them leaves the state before it."""
    index_folder(source, folder, clip)
    paint(48, 40, 60).save(source / "new.png")
    paint(48, 40, 61).save(source / "01.png")
    (source / "02.png").unlink()
    count, rename = 0, Path.replace

    def crash(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count > step:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crash)
        with suppress(KeyboardInterrupt):
            index_folder(source, folder, clip)
    assert Collection.open(folder).verify() == []
    index_folder(source, folder, clip)
    collection = Collection.open(folder)
    assert collection.verify() == [] and len(collection) == 12


def test_a_second_writer_is_refused_and_readers_are_not(source: Path, folder: Path, clip: Encoder) -> None:
    index_folder(source, folder, clip)
    with Writer(folder):
        assert len(Collection.open(folder)) == 12
        with pytest.raises(ClipsimError, match="Another process writes"), Writer(folder):
            pass
    with Writer(folder):
        pass


def test_a_reader_goes_on_while_the_collection_is_written_to(source: Path, folder: Path, clip: Encoder) -> None:
    index_folder(source, folder, clip)
    before = Collection.open(folder)
    (source / "00.png").unlink()
    index_folder(source, folder, clip)
    assert len(before.search("a cat", clip, top=50)) == 12
    assert len(Collection.open(folder).search("a cat", clip, top=50)) == 11


def test_another_model_framing_or_folder_is_refused_by_both_names(
    source: Path, folder: Path, clip: Encoder, siglip: Encoder, tmp_path: Path
) -> None:
    index_folder(source, folder, clip)
    with pytest.raises(ClipsimError, match=r"tiny-clip, not with tiny-siglip"):
        index_folder(source, folder, siglip)
    with pytest.raises(ClipsimError, match=r"tiny-clip, not with stand-in"):
        index_folder(source, folder, "stand-in")
    with pytest.raises(ClipsimError, match=r"tiny-clip, not with tiny-siglip"):
        Collection.open(folder).search("a cat", siglip)
    with pytest.raises(ClipsimError, match=r"framing crop, not pad"):
        index_folder(source, folder, clip, framing="pad")
    other = source.rename(tmp_path / "elsewhere")
    with pytest.raises(ClipsimError, match="were moved"):
        index_folder(other, folder, clip)
    assert index_folder(other, folder, clip, moved=True).unchanged == 12


def test_changed_weights_are_refused(source: Path, folder: Path, clip: Encoder) -> None:
    index_folder(source, folder, clip)
    changed = Counting(clip)
    changed.revision = "another"
    with pytest.raises(ClipsimError, match="have changed since"):
        index_folder(source, folder, changed)
    with pytest.raises(ClipsimError, match="have changed since"):
        Collection.open(folder).search("a cat", changed)


def test_filters_come_before_the_cut(folder: Path) -> None:
    vectors = unit(3000, 16)
    for kind in (None, PQ):
        shutil.rmtree(folder, ignore_errors=True)
        collection = filled(folder, vectors, index=kind)
        query = vectors[7]
        order = np.argsort(-(vectors @ query))
        tens = [f"{i}.jpg" for i in order if str(i).endswith("0")]
        assert [hit.path for hit in collection.search(query, top=5, path="*0.jpg")] == tens[:5]
        rare = [hit.path for hit in collection.search(query, top=5, path="299?.jpg")]
        assert rare == [f"{i}.jpg" for i in order if 2990 <= i <= 2999][:5]
        late = collection.search(query, top=5, after="1970-01-01T00:40:00+00:00", before="1970-01-01T00:45:00+00:00")
        assert [hit.path for hit in late] == [f"{i}.jpg" for i in order if 2400 <= i < 2700][:5]


@pytest.mark.parametrize(("kind", "least"), [(PQ, 190), ("ivf-pq", 150)])  # random vectors make no good lists
def test_an_approximate_index_gives_true_cosines_of_nearly_the_same_pictures(
    folder: Path, kind: str, least: int
) -> None:
    vectors = unit(6000, 64)
    collection = filled(folder, vectors, index=kind)
    found = 0
    for query in unit(20, 64, seed=1):
        exact = collection.search(query, exact=True)
        hits = collection.search(query)
        for hit in hits:
            true = float(np.clip(vectors[int(hit.path[:-4])].astype(np.float64) @ query.astype(np.float64), -1, 1))
            assert hit.cosine == pytest.approx(true, abs=1e-6)
        found += len({hit.path for hit in exact} & {hit.path for hit in hits})
    assert found >= least
    assert collection.verify() == []


def test_what_an_index_does_not_cover_is_found_and_what_was_removed_is_not(folder: Path) -> None:
    vectors = unit(600, 16)
    filled(folder, vectors, index=PQ)
    with Writer(folder) as writer:
        name = writer.manifest.segments[0][0]
        new = unit(5, 16, seed=2)
        segment = write_segment(folder, rows(5, 600), new)
        writer.commit(segment, removed={name: [3]})
    collection = Collection.open(folder)
    assert collection.search(new[2])[0].path == "602.jpg"
    assert collection.search(vectors[3])[0].path != "3.jpg"
    assert len(collection) == 604 and collection.verify() == []


def test_rows_and_vectors_keep_one_order_through_merging(folder: Path) -> None:
    vectors = unit(100, 16)
    before = by_path(filled(folder, vectors, segments=9))
    with Writer(folder) as writer:
        writer.commit(removed={writer.manifest.segments[4][0]: [0, 2]})
        writer.merge()
        assert len(writer.manifest.segments) == 1
    after = by_path(Collection.open(folder))
    assert len(after) == 98 and all(np.array_equal(after[path], before[path]) for path in after)


def test_a_long_run_merges_as_it_goes(
    source: Path, folder: Path, clip: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_folder(source, folder, clip)
    for name in ("01.png", "08.png"):
        paint(48, 40, 70).save(source / name)
    for seed in range(20):
        paint(48, 40, 100 + seed).save(source / f"05-{seed:02}.png")
    monkeypatch.setattr("clipsim.collections.indexing.AT_ONCE", 2)
    monkeypatch.setattr("clipsim.collections.indexing.MANY_SEGMENTS", 3)
    most = 0

    def look(*_: int) -> None:
        nonlocal most
        most = max(most, len(Collection.open(folder).manifest.segments))

    report = index_folder(source, folder, clip, progress=look)
    assert (report.added, report.changed, report.unchanged) == (20, 2, 10)
    assert most <= 4  # what is there, and three new ones
    collection = Collection.open(folder)
    assert collection.verify() == [] and len(collection) == 32
    monkeypatch.undo()
    index_folder(source, clean := folder.parent / "clean", clip)
    ours, theirs = by_path(collection), by_path(Collection.open(clean))
    assert ours.keys() == theirs.keys() and all(np.array_equal(ours[path], theirs[path]) for path in ours)


def test_rows_are_the_same_however_often_they_are_asked_for(folder: Path) -> None:
    collection = filled(folder, vectors := unit(40, 8))
    first = [collection.search(vector, top=3, thumbnails=True) for vector in vectors]
    assert [collection.search(vector, top=3, thumbnails=True) for vector in vectors] == first
    assert [hits[0].path for hits in first] == [f"{i}.jpg" for i in range(40)]


def test_more_like_this_leaves_it_out(source: Path, folder: Path, clip: Encoder) -> None:
    shutil.copy(source / "03.png", source / "2026" / "copy.png")
    index_folder(source, folder, clip)
    collection = Collection.open(folder)
    hits = collection.similar("03.png", top=3)
    assert hits[0].path == "2026/copy.png" and hits[0].cosine == pytest.approx(1, abs=1e-6)
    assert hits[0].percentile is None and [hit.rank for hit in hits] == [1, 2, 3]
    assert collection.search(collection.vector_of(source / "03.png", clip), top=2)[0].cosine == pytest.approx(1)
    with pytest.raises(ClipsimError, match=r"99\.png is not in the collection"):
        collection.similar("99.png")


def test_near_duplicates_are_grouped(folder: Path) -> None:
    vectors = unit(40, 64)
    vectors[[3, 20, 39]] = vectors[3]
    vectors[30] = vectors[11]
    assert filled(folder, vectors).duplicates() == [["3.jpg", "20.jpg", "39.jpg"], ["11.jpg", "30.jpg"]]


@pytest.mark.parametrize("block", [1, 7, 40, 4_096])
def test_duplicates_are_joined_by_chains_across_blocks(block: int) -> None:
    angles = np.deg2rad([0, 90, 10, 180, 20, 91])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    groups = group_duplicates(6, lambda rows: vectors[rows], np.cos(np.deg2rad(11)), block)
    assert [group.tolist() for group in groups] == [[0, 2, 4], [1, 5]]


@pytest.mark.parametrize("end", ["npy", "parquet"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_damage_is_found_and_said(folder: Path, end: str, damage: str) -> None:
    collection = filled(folder, unit(300, 16), segments=1)
    path = folder / "segments" / f"{collection.manifest.segments[0][0]}.{end}"
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[len(data) // 3] ^= 0xFF
    path.unlink()
    if damage != "gone":
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else data)
    problems = Collection.open(folder).verify()
    assert problems and all(problem.endswith(".") for problem in problems)
    if damage != "flipped":
        with pytest.raises(ClipsimError, match=r"damaged|gone"):
            Collection.open(folder).search(unit(1, 16)[0])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "config": 3}'])
def test_a_damaged_manifest_is_one_sentence(folder: Path, text: str) -> None:
    filled(folder, unit(3, 4), segments=1)
    (folder / MANIFEST).write_text(text)
    with pytest.raises(ClipsimError, match=r"manifest\.json is damaged"):
        Collection.open(folder)


def test_a_later_format_and_foreign_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    filled(folder, unit(3, 4), segments=1)
    plain = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(plain | {"format": 99}))
    with pytest.raises(ClipsimError, match="later version"):
        Collection.open(folder)
    with pytest.raises(ClipsimError, match="There is no collection"):
        Collection.open(tmp_path / "nothing")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with (
        pytest.raises(ClipsimError, match="holds other files"),
        Writer(tmp_path / "mine", EmbeddingConfig("m", "", 4)),
    ):
        pass
    assert (tmp_path / "mine" / "letter.txt").exists()


def test_what_makes_no_segment_is_refused(folder: Path) -> None:
    for table, vectors in (
        (rows(2), unit(3, 4)),
        (rows(0), unit(0, 4)),
        (rows(2), 2 * unit(2, 4)),
        (rows(2), np.full((2, 4), np.nan)),
        (rows(2).drop_columns(["digest"]), unit(2, 4)),
    ):
        with pytest.raises(ClipsimError):
            write_segment(folder, table, vectors)


def test_bad_questions_are_sentences(folder: Path) -> None:
    collection = filled(folder, unit(30, 16))
    with pytest.raises(ClipsimError, match="not a date"):
        collection.search(unit(1, 16)[0], after="yesterday")
    for vector in (np.zeros(16), np.full(16, np.nan), np.ones(5)):
        with pytest.raises(ClipsimError, match="has 16 finite numbers"):
            collection.search(vector)
    with pytest.raises(ClipsimError, match="pass the encoder"):
        collection.search("a cat")
    assert collection.search(unit(1, 16)[0], path="nothing/*") == []


def test_an_empty_source_never_empties_a_collection(source: Path, folder: Path, clip: Encoder) -> None:
    index_folder(source, folder, clip)
    shutil.rmtree(source)
    with pytest.raises(ClipsimError, match="cannot be listed"):
        index_folder(source, folder, clip)
    source.mkdir()
    with pytest.raises(ClipsimError, match="no pictures"):
        index_folder(source, folder, clip)
    assert len(Collection.open(folder)) == 12


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> tuple[int, str, str]:
        try:
            status = cli.main([str(word) for word in words])
        except SystemExit as end:
            status = int(end.code or 0)
        return (status, *capsys.readouterr())

    return call


def test_the_commands_index_search_describe_and_verify(source: Path, folder: Path, tiny_clip: Path, run: Run) -> None:
    status, out, err = run("index", source, "--to", folder, "--model", tiny_clip)
    assert (status, "12 added" in out, "broken.jpg is not a picture" in err) == (0, True, True)
    status, out, _ = run("search", folder, "a dog in the snow", "--top", 3, "--format", "json")
    hits = json.loads(out)["hits"]
    assert status == 0 and len(hits) == 3 and hits[0]["cosine"] >= hits[2]["cosine"]
    status, out, _ = run("search", folder, "a dog in the snow", "--top", 3)
    assert [line.split()[-1] for line in out.splitlines()[1:]] == [hit["path"].split()[-1] for hit in hits]
    status, out, _ = run("search", folder, "--image", source / "04.png", "--format", "jsonl")
    assert json.loads(out.splitlines()[0])["path"] == "04.png"
    status, out, _ = run("search", folder, "a dog", "--path", "2026/*", "--format", "csv")
    assert status == 0 and len(out.splitlines()) == 3 and out.startswith("rank,path,cosine")
    assert run("search", folder, "a dog", "--after", "2100-01-01")[0] == 1
    status, out, _ = run("search", folder, "--duplicates", "1.5")
    assert (status, out.strip()) == (0, "There are no duplicates.")
    status, out, _ = run("info", folder, "--format", "json")
    assert json.loads(out)["pictures"] == 12 and json.loads(out)["model"] == "tiny-clip"
    assert "tiny-clip" in run("info", folder)[1]
    assert run("verify", folder)[:2] == (0, f"{folder} is sound: 12 pictures.\n")
    next((folder / "segments").glob("*.npy")).write_bytes(b"x")
    status, _, err = run("verify", folder)
    assert status == 1 and "damaged" in err and "Traceback" not in err


def test_wrong_use_of_the_commands_is_a_sentence(source: Path, folder: Path, tiny_clip: Path, run: Run) -> None:
    assert run("index", source)[0] == 2
    assert run("index", source, "--to", folder, "--model", "no-such-model")[0] == 2
    assert run("search", folder, "a dog")[::2] == (
        1,
        f"clipsim: There is no collection in {folder}: make one with index.\n",
    )
    run("index", source, "--to", folder, "--model", tiny_clip)
    for words in ([], ["a dog", "--image", "x.png"], ["a dog", "--duplicates", "0.9"]):
        status, _, err = run("search", folder, *words)
        assert status == 2 and "one of them" in err
    assert run("search", folder, "--image", source / "broken.jpg")[0] == 1
    assert run("search", folder, "a dog", "--top", "0")[0] == 2
    status, _, err = run("index", source, "--to", folder, "--model", "stand-in")
    assert status == 1 and "tiny-clip, not with stand-in" in err
