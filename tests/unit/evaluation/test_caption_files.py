"""Files of captions: each layout is told by its content, mistakes are answered by a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from clipsim.errors import CaptionError
from clipsim.evaluation.caption_files import Captioned, read_captions

Written = Callable[[str], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(text: str) -> Path:
        path = tmp_path / "captions.any"
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        "file,caption\na.jpg,a dog\nb.jpg,a cat\n",
        "\ufeffFile Name,Caption\r\na.jpg,a dog\r\nb.jpg,a cat\r\n",
        'id;text;image_name\n1;" a  dog ";a.jpg\n\n2;a cat;b.jpg\n',
        "image_name| comment_number| comment\na.jpg| 0| a dog\nb.jpg| 0| a cat\n",
        "a.jpg#0\ta dog\nb.jpg#12\ta cat\n",
        json.dumps(
            {
                "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
                "annotations": [{"image_id": 7, "caption": "a dog"}, {"image_id": 8, "caption": "a cat\n"}],
            }
        ),
    ],
    ids=["csv", "csv of a spreadsheet", "csv with semicolons", "csv with bars", "token file", "coco"],
)
def test_each_layout_is_told_by_its_content(written: Written, text: str) -> None:
    assert read_captions(written(text)) == [Captioned("a.jpg", "a dog"), Captioned("b.jpg", "a cat")]


def test_a_quoted_caption_keeps_its_commas_and_becomes_one_line(written: Written) -> None:
    text = 'file,caption\na.jpg,"a dog,\nrunning"\n"b, c.jpg",a cat\n'
    assert read_captions(written(text)) == [Captioned("a.jpg", "a dog, running"), Captioned("b, c.jpg", "a cat")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "columns for files and captions"),
        ("a.jpg,a dog\n", "columns for files and captions"),
        ("file,caption\n", "has no captions"),
        ("file,caption\na.jpg\n", "Line 2 of .* has fewer columns"),
        ("a.jpg#0\ta dog\nb.jpg a cat\n", "Line 2 of .* is not a picture#number"),
        ("{", "is not valid JSON"),
        ("[1]", "is not COCO captions"),
        ('{"images": [], "annotations": [{"image_id": 1, "caption": "a"}]}', "is not COCO captions"),
        ('{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 1, "bbox": []}]}', "'caption' is mis"),
    ],
)
def test_a_mistake_is_answered_by_a_sentence_that_names_the_file(written: Written, text: str, sentence: str) -> None:
    path = written(text)
    with pytest.raises(CaptionError, match=sentence) as caught:
        read_captions(path)
    assert str(path) in str(caught.value)


def test_what_is_no_text_or_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(CaptionError, match="is not text in UTF-8"):
        read_captions(tmp_path / "a.jpg")
    with pytest.raises(CaptionError, match="cannot be read"):
        read_captions(tmp_path / "none.csv")
