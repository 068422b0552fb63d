"""Collections of a server: named, never by path; found by what a search asks; kept for a session."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import EXAMPLES

from clipsim import ClipsimError, Encoder, index_folder, score_images
from clipsim.embedding import Item
from clipsim.errors import DiskFullError
from clipsim.settings import Limits
from clipsim.web.server_collections import VARIABLE, ServerCollections, folders_from_environment
from clipsim.web.service import Service

CAPTION = "a golden retriever standing in the snow"
FIRST = "golden-retriever-in-snow.jpg"


@pytest.fixture
def service(tmp_path: Path, stand_in: Encoder) -> Service:
    return Service(Limits(), tmp_path / "uploads", lambda *_, **__: stand_in)


@pytest.fixture
def collections(service: Service, paintings: Path) -> ServerCollections:
    return ServerCollections(service, {"paintings": paintings})


def test_a_search_gives_what_a_gallery_of_the_same_pictures_gives(
    collections: ServerCollections, stand_in: Encoder
) -> None:
    found = collections.search("paintings", CAPTION, top=5)
    scores = score_images(EXAMPLES, CAPTION, stand_in).scores
    assert [hit.path for hit in found.hits] == [score.name for score in scores]
    for hit, score in zip(found.hits, scores, strict=True):
        assert hit.cosine == pytest.approx(score.cosine, abs=1e-6)
        assert hit.percentile == pytest.approx(score.percentile, abs=1e-6)
    assert found.pictures == 5 and found.model == "stand-in"


def test_more_like_a_picture_leaves_it_out(collections: ServerCollections) -> None:
    found = collections.search("paintings", like=FIRST, top=3)
    assert [hit.rank for hit in found.hits] == [1, 2, 3]
    assert found.hits[0].path == "hiking-golden-retriever.jpg" and found.caption is None
    one = collections.search("paintings", like=FIRST, path="*street*")
    assert [hit.path for hit in one.hits] == ["snowy-street-at-night.jpg"]


def test_only_names_are_taken_never_paths(collections: ServerCollections, paintings: Path) -> None:
    for name in (str(paintings), "../paintings", "", "own-" + "0" * 32, "own-../../etc", "paintings/"):
        with pytest.raises(ClipsimError, match=r"not known: use paintings|no longer kept"):
            collections.open(name)


def test_without_collections_a_search_tells_a_visitor_how_to_make_one(service: Service) -> None:
    with pytest.raises(ClipsimError, match="keep them as one") as caught:
        ServerCollections(service, {}).search("paintings", CAPTION)
    assert VARIABLE not in str(caught.value)


def test_collections_of_one_name_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, service: Service
) -> None:
    monkeypatch.setenv(VARIABLE, os.pathsep.join([str(tmp_path / "a" / "x"), str(tmp_path / "b" / "x"), ""]))
    folders = folders_from_environment()
    assert folders == {"x": tmp_path / "a" / "x", "x (2)": tmp_path / "b" / "x"}
    with pytest.raises(ClipsimError, match=r"CLIPSIM_COLLECTIONS: There is no collection in .*a/x"):
        ServerCollections(service, folders).check()


@pytest.mark.parametrize("question", [{}, {"caption": " "}, {"caption": "a dog", "like": FIRST}])
def test_a_search_takes_a_caption_or_a_picture(collections: ServerCollections, question: dict[str, str]) -> None:
    with pytest.raises(ClipsimError, match="give one of them"):
        collections.search("paintings", question.get("caption"), question.get("like"))


def test_a_search_that_makes_no_sense_is_refused_with_a_sentence(collections: ServerCollections) -> None:
    with pytest.raises(ClipsimError, match="not in the collection"):
        collections.search("paintings", like="/etc/passwd")
    with pytest.raises(ClipsimError, match="1 to 100"):
        collections.search("paintings", CAPTION, top=101)
    with pytest.raises(ClipsimError, match="limit is 2000"):
        collections.search("paintings", "x" * 2001)
    with pytest.raises(ClipsimError, match="not a date"):
        collections.search("paintings", CAPTION, after="yesterday")


def test_a_collection_that_grows_is_searched_in_its_newest_state(
    tmp_path: Path, picture_file: Callable[..., Path], service: Service
) -> None:
    folder = tmp_path / "growing"
    collections = ServerCollections(service, {"growing": folder})
    picture_file("in/a.png", seed=1)
    index_folder(tmp_path / "in", folder, "stand-in", device="cpu")
    assert len(collections.open("growing")) == 1
    picture_file("in/b.png", seed=2)
    index_folder(tmp_path / "in", folder)
    assert len(collections.open("growing")) == 2


def test_what_a_visitor_keeps_is_found_under_its_own_name_alone_and_without_the_pictures(
    collections: ServerCollections, service: Service
) -> None:
    pictures: list[Item] = [(EXAMPLES[0], "one.jpg"), (EXAMPLES[1], "one.jpg"), (b"no picture", "two.jpg")]
    name = collections.keep(pictures, "stand-in")
    assert re.fullmatch("own-[0-9a-f]{32}", name) and name not in collections.folders
    found = collections.search(name, CAPTION)
    assert {hit.path for hit in found.hits} == {"one.jpg", "one.jpg (2).jpg"}
    assert [path.name for path in (service.uploads / name).iterdir()] == ["collection"]
    with pytest.raises(ClipsimError, match=r"None of the pictures could be kept: two\.jpg is not a picture"):
        collections.keep([(b"no picture", "two.jpg")], "stand-in")


@pytest.mark.parametrize("name", ["", ".hidden.png", "x" * 300, "\0", "a\ud800"])
def test_a_picture_whose_name_no_file_can_have_is_kept_by_its_place(collections: ServerCollections, name: str) -> None:
    kept = collections.search(collections.keep([(EXAMPLES[0], name)], "stand-in"), CAPTION)
    assert [hit.path for hit in kept.hits] == ["picture 1.jpg"]


def test_what_a_visitor_keeps_goes_after_a_while_and_needs_no_thread(tmp_path: Path, stand_in: Encoder) -> None:
    service = Service(Limits(), tmp_path, lambda *_, **__: stand_in, kept_seconds=0.2)
    collections, threads = ServerCollections(service, {}), threading.active_count()
    name = collections.keep([(EXAMPLES[0], "one.jpg")], "stand-in")
    collections.open(name)
    assert threading.active_count() == threads
    time.sleep(0.5)
    service.files.sweep()
    assert not (service.uploads / name).exists()
    with pytest.raises(ClipsimError, match="no longer kept"):
        collections.open(name)


def test_of_too_many_kept_collections_those_go_that_were_used_longest_ago(tmp_path: Path, stand_in: Encoder) -> None:
    service = Service(Limits(kept=2), tmp_path, lambda *_, **__: stand_in)
    collections = ServerCollections(service, {})
    first, second = (collections.keep([(EXAMPLES[0], "one.jpg")], "stand-in") for _ in range(2))
    for name in (first, second):
        os.utime(tmp_path / name, (time.time() - 4000, time.time() - 4000))
    collections.search(first, CAPTION)
    third = collections.keep([(EXAMPLES[0], "one.jpg")], "stand-in")
    assert collections.count_kept([second, first, third, None, "../x", "paintings"]) == {first: 1, third: 1}
    assert not (tmp_path / second).exists()
    assert set(collections._open) == {first, third}


def test_of_too_large_kept_collections_the_last_one_stays(tmp_path: Path, stand_in: Encoder) -> None:
    service = Service(Limits(kept_bytes=1), tmp_path, lambda *_, **__: stand_in)
    collections = ServerCollections(service, {})
    names = [collections.keep([(EXAMPLES[i], "one.jpg")], "stand-in") for i in range(3)]
    assert collections.count_kept(names) == {names[-1]: 1}


def test_a_pattern_of_names_searches_several_collections_in_one_ranking(
    tmp_path: Path, service: Service, paintings: Path, stand_in: Encoder
) -> None:
    for name in ("sea", "snow"):
        (tmp_path / name).mkdir()
    shutil.copy(EXAMPLES[0], tmp_path / "sea" / "sea.jpg")
    shutil.copy(EXAMPLES[0], tmp_path / "snow" / FIRST)
    folders = {name: tmp_path / "made" / name for name in ("sea", "snow")}
    for name, folder in folders.items():
        index_folder(tmp_path / name, folder, stand_in)
    collections = ServerCollections(service, {"paintings": paintings, **folders})
    found = collections.search("*", CAPTION)
    assert found.pictures == len(found.hits) == 7 and found.collection == "*"
    assert {hit.collection for hit in found.hits} == {"paintings", "sea", "snow"}
    assert [hit.rank for hit in found.hits] == [1, 2, 3, 4, 5, 6, 7]
    assert {hit.collection for hit in collections.search("s*", CAPTION).hits} == {"sea", "snow"}
    like = collections.search("*", like="sea.jpg", top=1)
    assert like.hits[0].cosine == pytest.approx(1) and like.hits[0].collection != "sea"
    with pytest.raises(ClipsimError, match=r"in 2 of these collections: name the one"):
        collections.search("*", like=FIRST)
    with pytest.raises(ClipsimError, match=r"not in the collection"):
        collections.search("*", like="gone.jpg")
    with pytest.raises(ClipsimError, match=r"“x\*” is not known: use paintings, sea, snow"):
        collections.search("x*", CAPTION)


def test_nothing_is_kept_where_there_is_no_room(tmp_path: Path, stand_in: Encoder) -> None:
    service = Service(Limits(disk_bytes=1), tmp_path, lambda *_, **__: stand_in)
    (tmp_path / "uploaded.jpg").write_bytes(b"x")
    service.files.sweep()
    with pytest.raises(DiskFullError):
        ServerCollections(service, {}).keep([(EXAMPLES[0], "one.jpg")], "stand-in")
