"""The app as a program meets it: through the real Gradio client, and with requests that no client would send."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from support import ROOT, Server, call

import clipsim
from clipsim.encoders import Encoder
from clipsim.settings import Limits

LIMITS = Limits()
STATUS, RANKED, BARS, TABLE, CSV, JSON, NOTES, PUBLISHED, BANNER = range(9)
EXAMPLES = ROOT / "examples"
CAPTION = "a golden retriever standing in the snow"
RETRIEVER, CAT = EXAMPLES / "hiking-golden-retriever.jpg", EXAMPLES / "cat-in-rucksack.jpg"


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return Client(server.url, verbose=False)


def ask(
    client: Client,
    pictures: list[Path],
    caption: str = CAPTION,
    reference: list[Path] | None = None,
    model: str = "auto",
) -> Any:
    return client.predict(
        uploads(pictures),
        "caption" if reference is None else "reference image",
        caption,
        uploads(reference or []),
        model,
        api_name="/score",
    )


def uploads(paths: list[Path]) -> list[dict[str, Any]]:
    return [{"image": handle_file(path), "caption": None} for path in paths]


def test_the_client_gets_the_numbers_that_python_gets(client: Client, stand_in: Encoder) -> None:
    got = json.loads(Path(ask(client, [RETRIEVER, CAT])[JSON]).read_text())
    expected = clipsim.score_images([RETRIEVER, CAT], CAPTION, stand_in)
    assert [score["name"] for score in got["scores"]] == [score.name for score in expected.scores]
    assert [score["cosine"] for score in got["scores"]] == pytest.approx([s.cosine for s in expected.scores], abs=1e-6)


def test_gallery_bars_table_and_csv_tell_the_same_story(client: Client) -> None:
    answer = ask(client, [CAT, RETRIEVER])
    scores = json.loads(Path(answer[JSON]).read_text())["scores"]
    labels = [f"{s['rank']} · {Path(s['name']).stem} · {s['cosine']:.3f}" for s in scores]
    assert [picture["caption"] for picture in answer[RANKED]] == labels
    bars = answer[BARS]["value"]["data"]
    assert [f"{name} · {cosine:.3f}" for name, cosine, _ in bars] == labels
    assert all(f"{score['cosine']:.3f}" in answer[TABLE] for score in scores)
    rows = list(csv.DictReader(Path(answer[CSV]).read_text().splitlines()))
    assert [float(row["cosine"]) for row in rows] == [score["cosine"] for score in scores]


def test_every_screen_says_that_the_stand_in_is_not_clip_and_why(client: Client) -> None:
    answer = ask(client, [CAT])
    assert "not CLIP" in answer[STATUS] and "not CLIP" in answer[TABLE]
    assert "not CLIP" in answer[BANNER] and "HF_HUB_OFFLINE" in answer[BANNER]
    assert "not CLIP" in Path(answer[CSV]).read_text()


def test_bars_start_from_zero_and_negative_ones_are_in_view(client: Client) -> None:
    bars = ask(client, [RETRIEVER, EXAMPLES / "snowy-street-at-night.jpg"])[BARS]
    cosines = [row[1] for row in bars["value"]["data"]]
    low, high = bars["y_lim"]
    assert min(cosines) < 0, "this test needs a negative cosine"
    assert low <= min(cosines) and high >= max(cosines)
    assert ask(client, [RETRIEVER])[BARS]["y_lim"][0] == 0


def test_reference_mode_compares_picture_with_picture(client: Client) -> None:
    answer = ask(client, [CAT, RETRIEVER], caption="not used", reference=[RETRIEVER])
    result = json.loads(Path(answer[JSON]).read_text())
    assert result["caption"] is None and result["reference"] == RETRIEVER.name
    assert result["scores"][0]["name"] == RETRIEVER.name
    assert result["scores"][0]["cosine"] == pytest.approx(1, abs=1e-5)


def test_published_figures_stand_beside_the_examples_only(client: Client) -> None:
    gallery = [RETRIEVER, CAT, EXAMPLES / "children-playing-in-snow.jpg", EXAMPLES / "snowy-street-at-night.jpg"]
    answer = ask(client, gallery)
    assert all(figure in answer[PUBLISHED] for figure in ("0.834", "0.669", "0.744", "0.564"))
    assert ask(client, [CAT])[PUBLISHED] == ""


def test_a_bad_file_is_named_and_does_not_cost_the_others(client: Client, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(CAT.read_bytes()[:5000])
    answer = ask(client, [broken, CAT])
    assert [picture["caption"][:3] for picture in answer[RANKED]] == ["1 ·"]
    assert "broken.jpg is damaged" in answer[NOTES]


def test_pictures_of_one_name_stay_apart(client: Client, tmp_path: Path) -> None:
    twin = tmp_path / CAT.name
    shutil.copy(RETRIEVER, twin)
    answer = ask(client, [CAT, twin])
    assert len({row[0] for row in answer[BARS]["value"]["data"]}) == 2


def test_markup_in_names_and_captions_is_shown_not_run(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "a&b <i>x.png"
    Image.new("RGBA", (40, 30)).save(path)
    answer = ask(client, [path], caption="<script>alert(1)</script>")
    shown = answer[STATUS] + answer[TABLE] + answer[NOTES]
    assert "<script>" not in shown and "<i>" not in shown
    assert "&lt;script&gt;" in shown


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"pictures": [], "caption": "x"}, "no pictures"),
        ({"pictures": [CAT], "caption": "  "}, "caption is empty"),
        ({"pictures": [CAT], "caption": "", "reference": []}, "no reference image"),
        ({"pictures": [CAT], "caption": "", "reference": [CAT, RETRIEVER]}, "2 reference images"),
        ({"pictures": [Path(__file__)], "caption": "x"}, "test_app.py is not a picture"),
        ({"pictures": [CAT], "caption": "x", "model": "clip-vit-b-32"}, "could not be had from the model hub"),
        ({"pictures": [CAT], "caption": "x", "model": "resnet"}, "clip-vit-b-32"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(client: Client, request_: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AppError, match=sentence):
        ask(client, **request_)


@pytest.mark.parametrize("path", ["/etc/passwd", str(CAT), "app.py", "../../etc/passwd", ""])
@pytest.mark.parametrize("place", ["pictures", "reference"])
def test_a_path_that_was_not_uploaded_is_refused(server: Server, path: str, place: str) -> None:
    good = server.uploads / "good.jpg"
    shutil.copy(CAT, good)
    data = {"pictures": [{"image": {"path": str(good)}}], "reference": [{"image": {"path": str(good)}}]}
    data[place] = [{"image": {"path": path}}]  # no "meta", which gets past gradio's own check
    message = call(server, "score", [data["pictures"], "reference image", "", data["reference"], "auto"])
    assert "upload it first" in message
    assert "root:" not in message


def test_a_link_out_of_the_upload_folder_is_refused(server: Server) -> None:
    link = server.uploads / "link.jpg"
    link.unlink(missing_ok=True)
    link.symlink_to(CAT)
    assert "was not uploaded" in call(server, "score", [[{"image": {"path": str(link)}}], "caption", "x", [], "auto"])


def test_the_page_has_an_icon_of_its_own(server: Server) -> None:
    assert httpx.get(f"{server.url}/favicon.ico").text == (ROOT / "clipsim/web/static/favicon.svg").read_text()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("name", ["similarity", "upload"])  # only gradio's own route takes more
def test_a_call_over_the_limit_is_refused_before_it_is_read(server: Server, name: str, chunked: bool) -> None:
    size = LIMITS.body_bytes + 1
    body = (b" " * 1_000_000 for _ in range(size // 1_000_000 + 1)) if chunked else b" " * size
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{server.url}/gradio_api/call/{name}", content=body, headers=headers, timeout=60)
    assert answer.status_code == 413
    assert "longer than 64 MB" in answer.text


@pytest.mark.parametrize("name", ["score", "similarity", "search"])
def test_no_model_runs_past_the_queue(server: Server, name: str) -> None:
    answer = httpx.post(f"{server.url}/gradio_api/run/{name}", json={"data": []}, timeout=60)
    assert answer.status_code in (401, 403, 404)


def test_no_model_at_all_is_the_one_that_is_chosen_alone(server: Server) -> None:
    cat = server.uploads / "cat.jpg"
    shutil.copy(CAT, cat)
    picture = {"image": {"path": str(cat), "meta": {"_type": "gradio.FileData"}}, "caption": None}
    assert "event: complete" in call(server, "score", [[picture], "caption", "a cat", [], None])
