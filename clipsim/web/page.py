"""The page: Gradio Blocks and thin handlers around `score_images`."""

from __future__ import annotations

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
from gradio.events import api as endpoint
from gradio.utils import get_upload_folder
from gradio_client.utils import python_type_to_json_schema
from starlette.middleware import Middleware

from clipsim import report
from clipsim.embedding import Item, name_sources
from clipsim.encoders.registry import MODELS, STAND_IN
from clipsim.errors import ClipsimError
from clipsim.images.reading import Source, read
from clipsim.options import PROMPTS, Options, Precision
from clipsim.scoring import Calibration, CaptionTable, Comparison, Result, find_calibration, overlay
from clipsim.web import api, search_tab, service
from clipsim.web import render as markup
from clipsim.web import server_collections as shelf
from clipsim.web.api import sentences
from clipsim.web.service import LIMITS

CAPTION, REFERENCE = "caption", "reference image"
PACKAGE = Path(__file__).parents[1]
# Inside the package where it is installed (see setup.py), beside it in the repository.
EXAMPLES = next(home / "examples" for home in (PACKAGE, PACKAGE.parent) if (home / "examples").is_dir())
SHOWN_BY_BROWSERS = {".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp"}
FIRST_SHOWN, PATIENCE = 16, 1.0  # pictures, and seconds of work, after which the best so far are shown
OUTPUTS = 14  # of `score`
CACHE_SECONDS = 3600  # for how long uploaded and produced files are kept

Uploads = list[tuple[str | None, str | None]] | None  # what gr.Gallery hands over: (path, caption) pairs


def score(
    pictures: Uploads,
    compare: str,
    caption: str,
    reference: Uploads,
    model: str,
    others: str = "",
    second: str = "",
    framing: str = "crop",
    contrast: str = "as-is",
    prompt: str = "as-written",
    where: bool = False,
    precision: str = "auto",
    progress: gr.Progress = gr.Progress(),  # noqa: B008  # this is how gradio hands one over
) -> tuple[Any, ...]:
    """Score pictures against a caption, or against a reference image, and rank them."""
    with sentences():
        names, against = _received(pictures, compare, reference)
        items: list[Item] = [(path, name) for name, path in names.items()]
        caption = "" if against else caption
        options = Options(framing, contrast, prompt, precision)  # type: ignore[arg-type]  # which checks them
        progress(0, desc="Loading the model")

        def count(done: int, total: int) -> None:
            progress((done, total), desc="Scoring", unit="pictures")

        choices: dict[str, Any] = {"options": options, "words": True, "heatmap": where, "thumbnails": True}
        captions = [] if against else [line for line in (others or "").splitlines() if line.strip()]
        compared = asked = None
        if second:
            compared = service.answer_models(items, caption, [model, second], count, reference=against, **choices)
            result = compared.results[0]
        else:
            result = service.answer(items, caption, against, model, count, **choices)
        if captions:
            asked = service.answer_captions(items, [caption, *captions], model, count, options=options)
        known = find_calibration(service.encoder(model, options.precision))
    return _shown(result, names, known, asked, compared)


def score_live(
    pictures: Uploads,
    *asked: Any,
    progress: gr.Progress = gr.Progress(),  # noqa: B008
) -> Iterator[tuple[Any, ...]]:
    """What the page runs: `score`, and before it the best so far of a gallery that takes long. `asked` as there."""
    compare, caption, reference, model, _, _, framing, contrast, prompt, _, precision = asked
    total, count, since = len(pictures or []), FIRST_SHOWN, time.monotonic()

    def told(done: int, _: int) -> None:
        progress((done, total), desc="Scoring", unit="pictures")

    while count < total <= LIMITS.images:
        with sentences():
            options = Options(framing, contrast, prompt, precision)
            names, against = _received((pictures or [])[:count], compare, reference)
            items: list[Item] = [(path, name) for name, path in names.items()]
            result = service.answer(items, "" if against else caption, against, model, told, True, options=options)
        if result.scores and time.monotonic() - since > PATIENCE:
            shown = [_viewable(names[score.name], score.name) for score in result.scores]
            ranked = list(zip(shown, report.labels(result), strict=True))
            yield markup.so_far(count, total), ranked, *[gr.skip()] * (OUTPUTS - 2)
            since = time.monotonic()
        count *= 2
    # what was encoded so far comes from the cache
    yield score(pictures, *asked, progress=progress)  # type: ignore[misc]  # mypy counts `asked` as any number


def _received(pictures: Uploads, compare: str, reference: Uploads) -> tuple[dict[str, Source], Item | None]:
    """The uploaded pictures by names of their own, and the reference image if they are compared with one."""
    names = {name: source for source, name in name_sources([service.received(path) for path, _ in pictures or []])}
    return names, _reference(reference) if compare == REFERENCE else None


def _reference(pictures: Uploads) -> Item:
    if not pictures:
        raise ClipsimError("There is no reference image: add one, or compare with a caption.")
    if len(pictures) > 1:
        raise ClipsimError(f"There are {len(pictures)} reference images: keep one.")
    return service.received(pictures[0][0])


def _shown(
    result: Result,
    sources: dict[str, Source],
    known: Calibration | None,
    asked: CaptionTable | None,
    compared: Comparison | None,
) -> tuple[Any, ...]:
    """What the page's outputs take, in the order of `build`."""
    pictures = [_viewable(sources[score.name], score.name) for score in result.scores]
    csv, whole = _files(result)
    maps = _overlays(result, sources)
    return (
        markup.status(result),
        list(zip(pictures, report.labels(result), strict=True)),
        _bars(result),
        markup.scores(result, known),
        str(csv),
        str(whole),
        markup.remarks(result),
        markup.published(result, PUBLISHED),
        markup.banner(markup.standin_note(result)),
        markup.words(result),
        gr.Gallery(maps, visible=bool(maps)),
        markup.seen(result),
        markup.several(asked) if asked else "",
        markup.models(compared) if compared else "",
    )


def _files(result: Result) -> tuple[Path, Path]:
    """CSV and JSON to download; the JSON without thumbnails, which are for the page."""
    folder = Path(get_upload_folder()) / secrets.token_hex(16)  # below it, so that it is cleared away like an upload
    folder.mkdir(parents=True)
    csv, whole = folder / "clipsim.csv", folder / "clipsim.json"
    plain = replace(result, scores=tuple(replace(score, thumbnail=None) for score in result.scores))
    csv.write_text(report.to_csv(plain), encoding="utf-8", errors="replace")
    whole.write_text(report.to_json(plain), encoding="utf-8", errors="replace")
    return csv, whole


def _overlays(result: Result, sources: dict[str, Source]) -> list[tuple[Any, str]]:
    """The pictures with their heatmaps laid over them, and their labels."""
    return [
        (
            overlay(read(sources[score.name], score.name).image, score.heatmap),
            f"{label} · {score.verdict}" if score.verdict else label,
        )
        for score, label in zip(result.scores, report.labels(result), strict=True)
        if score.heatmap
    ]


def _viewable(source: Source, name: str) -> Any:
    """The file itself, or the decoded picture where browsers do not show its format."""
    shown = isinstance(source, Path) and source.suffix.lower() in SHOWN_BY_BROWSERS
    return str(source) if shown else read(source, name).image


def _bars(result: Result) -> Any:
    titles = report.titles([score.name for score in result.scores])
    names = [f"{score.rank} · {title}" for score, title in zip(result.scores, titles, strict=True)]
    cosines = [round(score.cosine, 3) for score in result.scores]
    every_figure = [report.figures(score) for score in result.scores]
    return gr.BarPlot(
        pd.DataFrame({"picture": names, "cosine": cosines, "figures": every_figure}),
        sort=names,
        y_lim=[min(cosines[-1] * 1.1, 0), max(cosines[0] * 1.1, 0.05)],  # from zero; negative cosines hang below it
    )


def _banner_at_start() -> str:
    try:
        notes = service.encoder("auto").notes
    except ClipsimError as error:
        notes = (str(error),)
    return markup.banner(notes[0] if notes else "")


def _asked(event: gr.EventData) -> tuple[Any, ...]:
    """What the page's address asks for, as `ADDRESS` reads it: caption, model, a note where that is not known; and what
    the second tab takes."""
    asked = event._data if isinstance(event._data, dict) else {}
    to_search, problem = search_tab.filled_in(*(asked.get(key) for key in ("collection", "caption", "like")))
    if asked.get("collection"):
        return gr.skip(), gr.skip(), markup.banner(problem), *to_search
    return *_asked_to_score(asked.get("caption"), asked.get("model")), *to_search


def _asked_to_score(caption: Any, model: Any) -> tuple[Any, Any, str]:
    known = [name for _, name in _model_choices()]
    fill = gr.Textbox(value=caption) if isinstance(caption, str) else gr.skip()
    if not isinstance(model, str) or not model:
        return fill, gr.skip(), ""
    if model in known:
        return fill, gr.Dropdown(value=model), ""
    note = f"The address asks for the model “{model[:60]}”, which is not on the list: auto is kept."
    return fill, gr.skip(), markup.banner(note)


def _examples() -> tuple[list[list[Any]], list[str], dict[str, float]]:
    """Rows for `gr.Examples`, their labels, and the published figure of each picture that has one."""
    rows: list[list[Any]] = []
    labels: list[str] = []
    published: dict[str, float] = {}
    listing = EXAMPLES / "examples.json"
    for entry in json.loads(listing.read_text(encoding="utf-8")):
        home = Path(str(files(entry["package"]))) if "package" in entry else EXAMPLES
        pictures = [str(home / image) for image in entry["images"]]
        for caption in entry["captions"]:
            rows.append([pictures, CAPTION, caption, None])
            labels.append(caption)
        if "reference" in entry:
            rows.append([pictures, REFERENCE, "", [str(home / entry["reference"])]])
            labels.append(f"the same pictures, compared with {Path(entry['reference']).stem}")
        published.update(zip(entry["images"], entry.get("published", []), strict=False))
    return rows, labels, published


EXAMPLE_ROWS, EXAMPLE_LABELS, PUBLISHED = _examples()


HEADER = """
<header class="cs-header">
  <h1>clipsim</h1>
  <p>How well does this caption fit these pictures?</p>
</header>
"""
EMPTY = """
<div class="cs-empty">
  <p>Add pictures, write a caption, press <b>Score</b>.</p>
  <p>Or click an example: it fills everything in and scores it.</p>
</div>
"""
READING = """
**Better than** is the figure to read first: the caption fits this picture better than so many of a few hundred
unrelated captions. Captions that fit everything (“a photo”) and pictures that everything fits are corrected for, so
that it can be compared between captions, pictures and models, which a cosine cannot.

**Verdict** puts that into words: match, weak, no match. Where the cut-offs lie was learned for each model from
captioned pictures, and what they get wrong stands under the table. *Nothing here matches* is an answer too: of many
pictures some look good by chance, so that the best of them has to be better.

**Cosine** is the plain number: how far the picture and the caption point the same way, from -1 to 1. It is not a
percentage. With CLIP ViT-B/32 a caption that fits usually gives 0.25 to 0.35 and an unrelated one 0.10 to 0.22, so 0.31
is a strong match. Other models have other ranges: compare scores of one model only. The stand-in spreads wider, from
about 0 for unrelated to 0.3 and more for a match, and it knows things, not scenes or moods.

**CLIPScore** is 2.5 · max(cosine, 0) ([Hessel et al. 2021](https://arxiv.org/abs/2104.08718)); defined for CLIP models.

**Share** answers “of these pictures, which one?”: a softmax over the pictures of one request. It always adds up to
100 %, also when nothing fits. Look at the cosine before you believe it.

**Reference image** compares picture with picture. Such cosines are much higher, and are not to be compared with those
of a caption.
"""
# In the browser: what the address asks for. A web component's address is its `src`; where that asks for nothing, the
# address of the page around it counts. Values go to `_asked` as text, and nothing is scored.
ADDRESS = """
const widget = element.closest("gradio-app");
const embedded = Boolean(widget) && widget.getAttribute("embed") !== "false";
const page = new URLSearchParams(location.search);
const own = embedded ? new URL(widget.getAttribute("src") || "", location.href).searchParams : page;
const compact = own.get("compact") ?? (embedded ? "1" : "0");
if (compact === "1") element.closest(".gradio-container").dataset.compact = "";
const keys = ["caption", "model", "collection", "like"];
const asked = keys.some((key) => own.has(key)) ? own : page;
if (keys.some((key) => asked.has(key)))
  trigger("submit", Object.fromEntries(keys.map((key) => [key, asked.get(key)])));
"""
# In the browser: screen readers watch the element that stays while the status in it changes. Controls get their own
# names, where Gradio calls every upload "Click to upload" and every ranked picture "Thumbnail 1 of 4".
SPOKEN = """
element.setAttribute("role", "status");
const page = element.closest(".gradio-container");
const call = (button, name) => { if (name && button.ariaLabel !== name) button.ariaLabel = name; };
const speak = () => {
  for (const image of page.querySelectorAll("#ranked button > img")) call(image.parentElement, image.alt);
  for (const button of page.querySelectorAll("#pictures [aria-dropeffect]")) call(button, "Upload pictures");
  for (const button of page.querySelectorAll("#reference [aria-dropeffect]")) call(button, "Upload a reference image");
};
speak();
new MutationObserver(speak).observe(page, { subtree: true, childList: true, attributeFilter: ["alt", "aria-label"] });
"""
FRAMING_TITLES = {
    "crop": "the model's own way",
    "pad": "all of it, on a square",
    "tiles-best": "many crops, the best counts",
    "tiles-mean": "many crops, averaged",
}
CONTRAST_TITLES = {"as-is": "untouched", "auto": "stretched to the full range"}
PROMPT_TITLES = {
    "as-written": "the caption itself",
    "photo": f"“{PROMPTS['photo'][0].format('…')}”",
    "ensemble": f"the mean of {len(PROMPTS['ensemble'])} sentences, for labels",
}
PRECISION_TITLES = {
    "auto": "half on CUDA, else full",
    "full": "float32",
    "half": "faster, third decimals differ",
}
FONT = ["Inter", "ui-sans-serif", "system-ui", "sans-serif"]  # what the visitor's machine has; nothing is fetched
LINK_STATES = ("", "_active", "_hover", "_visited")
THEME = gr.themes.Base(
    primary_hue=gr.themes.colors.amber,
    neutral_hue=gr.themes.colors.stone,
    font=FONT,
    font_mono=["ui-monospace", "Consolas", "monospace"],
    radius_size=gr.themes.sizes.radius_md,
).set(
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_400",
    button_primary_background_fill_hover_dark="*primary_300",
    button_primary_text_color="white",
    button_primary_text_color_dark="*neutral_950",
    color_accent="*primary_700",
    body_text_color_subdued="*neutral_500",  # AA on the page's background, which the theme's own grey is not
    body_text_color_subdued_dark="*neutral_400",
    input_placeholder_color="*neutral_600",
    input_placeholder_color_dark="*neutral_300",
    input_border_color_focus="*primary_700",
    input_border_color_focus_dark="*primary_400",
    **dict.fromkeys([f"link_text_color{state}" for state in LINK_STATES], "*primary_700"),
    **dict.fromkeys([f"link_text_color{state}_dark" for state in LINK_STATES], "*primary_400"),
)
LAUNCH: dict[str, Any] = {
    "theme": THEME,
    "css_paths": [Path(__file__).parents[1] / "data" / "page.css"],
    "footer_links": ["api"],
    "ssr_mode": False,
    "enable_monitoring": False,
    "share": False,
    "show_error": False,
    "max_file_size": LIMITS.file_bytes,
    "mcp_server": True,
    "app_kwargs": {"middleware": [Middleware(api.BodyLimit)]},
}


def _switch(compare: str) -> tuple[Any, Any]:
    return gr.Textbox(visible=compare == CAPTION), gr.Gallery(visible=compare == REFERENCE)


def _upload(label: str, **look: Any) -> gr.Gallery:
    """An input for picture files. For a single one too: gr.Image decodes any path before it can be checked."""
    return gr.Gallery(
        label=label, type="filepath", sources=["upload", "clipboard"], interactive=True, buttons=[], **look
    )


def _model_choices() -> list[tuple[str, str]]:
    titles = {model.name: f"{model.name} · {model.imagenet} % ImageNet" for model in MODELS if model.imagenet}
    titles[STAND_IN.name] = "stand-in · small, offline, not CLIP"
    return [("auto · CLIP, else the stand-in", "auto"), *((title, name) for name, title in titles.items())]


def _choices(described: dict[str, str]) -> list[tuple[str, str]]:
    return [(f"{name} · {description}", name) for name, description in described.items()]


def _label(demo: gr.Blocks, made: Any, inputs: list[str], output: str, shape: Any) -> None:
    """What gradio's own API page and `view_api` show; `gr.api` numbers the values and leaves the output untyped."""
    function: Any = next(one for one in demo.fns.values() if one.fn is made)
    for component, label in zip(function.inputs, inputs, strict=True):
        component.label = label
    (answer,) = function.outputs
    answer.label, answer._api_info = output, python_type_to_json_schema(shape)


def _more() -> list[Any]:
    """What most visitors never need: further inputs of `score`, in its order."""
    with gr.Accordion("More ways to look", open=False, elem_id="more"):
        return [
            gr.Textbox(
                value="",
                label="Other captions, one a line",
                info="Scored beside the first: captions by pictures, as a table",
                lines=2,
                max_lines=6,
                elem_id="others",
            ),
            gr.Dropdown([("none", ""), *_model_choices()[1:]], value="", label="Second model", elem_id="second"),
            gr.Dropdown(_choices(FRAMING_TITLES), value="crop", label="Framing", elem_id="framing"),
            gr.Dropdown(_choices(CONTRAST_TITLES), value="as-is", label="Contrast", elem_id="contrast"),
            gr.Dropdown(_choices(PROMPT_TITLES), value="as-written", label="Prompt", elem_id="prompt"),
            gr.Checkbox(label="Show where in the picture", elem_id="show-where"),
            gr.Dropdown(_choices(PRECISION_TITLES), value="auto", label="Precision", elem_id="precision"),
        ]


def _unfolding() -> list[Any]:
    """What unfolds below an answer: the last outputs of `score`, in its order."""
    several = gr.HTML(label="Several captions", elem_id="several", padding=False)
    models = gr.HTML(label="Two models", elem_id="models", padding=False)
    maps = gr.Gallery(
        label="Where in the picture",
        columns=2,
        object_fit="contain",
        interactive=False,
        buttons=["fullscreen"],
        height="auto",
        visible=False,
        elem_id="maps",
    )
    with gr.Accordion("Which words carry it?", open=False, elem_id="which-words"):
        words = gr.HTML(label="Words", elem_id="words", padding=False)
    with gr.Accordion("What did the model see?", open=False, elem_id="what-seen"):
        seen = gr.HTML(label="What the model saw", elem_id="seen", padding=False)
    return [words, maps, seen, several, models]


def build() -> gr.Blocks:
    """The page, ready for `launch(**LAUNCH)`."""
    shelf.check()
    with api.Checked(title="clipsim", analytics_enabled=False, delete_cache=(CACHE_SECONDS, CACHE_SECONDS)) as demo:
        gr.HTML(HEADER)
        address = gr.HTML(label="Address note", elem_id="address", padding=False, js_on_load=ADDRESS)
        banner = gr.HTML(label="Model note", elem_id="banner", padding=False)
        one_queue: dict[str, Any] = {"concurrency_limit": LIMITS.concurrent, "concurrency_id": "model"}
        aside: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Score pictures", id="score"):
                scoring = _scoring(banner, one_queue, aside)
            with gr.Tab("Search a collection", id=search_tab.SEARCH):
                tab = search_tab.build(one_queue, aside)
        filled = [*scoring.asked, address, tabs, tab.collection, tab.caption, tab.like]
        address.submit(_asked, None, filled, **aside).success(**tab.by_address)
        own: dict[str, Any] = {"outputs": [tabs, tab.collection, tab.status], "show_progress_on": [scoring.keep]}
        scoring.keep.click(_keep, scoring.kept_from, **own, api_visibility="private", **one_queue)
        with gr.Accordion("How to read a score", open=False, elem_id="reading"):
            gr.Markdown(READING)
        demo.load(_banner_at_start, None, banner, **aside)
        _endpoints(demo, one_queue)
    demo.queue(max_size=LIMITS.queue)
    return demo  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Scoring:
    """What the rest of the page needs of the first tab."""

    asked: list[Any]  # what the address fills in
    keep: gr.Button
    kept_from: list[Any]  # inputs of `_keep`


def _scoring(banner: gr.HTML, one_queue: dict[str, Any], aside: dict[str, Any]) -> _Scoring:
    """Lay the first tab out, and connect it."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300, elem_id="asking"):
            pictures = _upload("Pictures", columns=3, height=260, object_fit="cover", elem_id="pictures")
            compare = gr.Radio([CAPTION, REFERENCE], value=CAPTION, label="Compare with", elem_id="compare")
            caption = gr.Textbox(
                label="Caption",
                placeholder="a golden retriever standing in the snow",
                lines=1,
                max_lines=1,
                elem_id="caption",
            )
            reference = _upload(
                "Reference image",
                columns=1,
                height=220,
                object_fit="contain",
                visible=False,
                elem_id="reference",
            )
            model = gr.Dropdown(_model_choices(), value="auto", label="Model", elem_id="model")
            button = gr.Button("Score", variant="primary", elem_id="score")
            more = _more()
            examples = gr.Examples(
                EXAMPLE_ROWS,
                [pictures, compare, caption, reference],
                cache_examples=False,
                example_labels=EXAMPLE_LABELS,
                label="Examples: one click scores them",
                elem_id="examples",
            )
        with gr.Column(scale=3, min_width=300, elem_id="answer"):
            status = gr.HTML(EMPTY, label="Status", elem_id="status", padding=False, js_on_load=SPOKEN)
            ranked = gr.Gallery(
                label="Ranked pictures",
                columns=2,
                object_fit="contain",
                interactive=False,
                buttons=["fullscreen"],
                height="auto",
                elem_id="ranked",
            )
            bars = gr.BarPlot(
                x="picture",
                y="cosine",
                x_title="picture",
                y_title="cosine",
                tooltip=["figures"],
                height=300,
                x_label_angle=-20,
                label="Cosine similarity",
                show_label=True,
                elem_id="bars",
            )
            table = gr.HTML(label="Scores", elem_id="table", padding=False)
            remarks = gr.HTML(label="Notes", elem_id="remarks", padding=False)
            unfolding = _unfolding()
            with gr.Row(elem_id="downloads"):
                csv = gr.DownloadButton("Download CSV", size="sm")
                whole = gr.DownloadButton("Download JSON", size="sm")
                keep = gr.Button("Keep as a collection", size="sm", elem_id="keep")
            published = gr.HTML(label="Published figures", elem_id="published", padding=False)
    inputs = [pictures, compare, caption, reference, model, *more]
    outputs = [status, ranked, bars, table, csv, whole, remarks, published, banner, *unfolding]
    compare.change(_switch, compare, [caption, reference], **aside)
    run: dict[str, Any] = {"fn": score, "inputs": inputs, "outputs": outputs, "show_progress_on": [ranked, status]}
    run |= one_queue
    # programs get one answer, which clients of a function that answers in parts would not wait for
    gr.Button("Score", visible=False).click(api_name="score", **run)
    live = run | {"fn": score_live, "api_visibility": "private"}
    gr.on([button.click, caption.submit], **live)
    examples.load_input_event.success(**live)
    return _Scoring([caption, model], keep, [pictures, model, more[-1]])


def _keep(pictures: Uploads, model: str, precision: Precision) -> tuple[Any, ...]:
    with sentences():
        items = [(source, name) for name, source in _received(pictures, CAPTION, None)[0].items()]
        return search_tab.kept(items, model, precision)


def _endpoints(demo: gr.Blocks, one_queue: dict[str, Any]) -> None:
    """What is for programs alone."""
    endpoint(api.similarity, api_name="similarity", **one_queue)
    endpoint(api.models, api_name="models", queue=False)
    endpoint(api.captions, api_name="captions", **one_queue)
    endpoint(api.compare, api_name="compare", **one_queue)
    endpoint(api.search, api_name="search", **one_queue)
    endpoint(api.collections, api_name="collections", queue=False)
    treatment = ["Framing", "Contrast", "Prompt"]
    extras = ["Words", "Heatmap", "Thumbnails", "Precision"]
    asked = ["Pictures", "Caption", "Reference image", "Model", *treatment, *extras]
    _label(demo, api.similarity, asked, "Result", Result)
    several = ["Pictures", "Captions", "Model", *treatment, "Precision"]
    _label(demo, api.captions, several, "Captions by pictures", CaptionTable)
    compared = ["Pictures", "Caption", "Model", "Other model", *treatment, "Precision"]
    _label(demo, api.compare, compared, "Comparison", Comparison)
    _label(demo, api.models, [], "Models", dict)
    narrowed = ["Results", "Path", "Written on or after", "Written before"]
    _label(demo, api.search, ["Collection", "Caption", "More like", *narrowed], "Found", dict)
    _label(demo, api.collections, [], "Collections", dict)
