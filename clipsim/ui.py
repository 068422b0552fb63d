"""The page: Gradio Blocks and thin handlers around `score_images`."""

from __future__ import annotations

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

import json
import secrets
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
from gradio.events import api as endpoint
from gradio.utils import get_upload_folder
from gradio_client.utils import python_type_to_json_schema  # type: ignore[import-untyped]
from starlette.middleware import Middleware

from clipsim import api, report, service
from clipsim.api import sentences
from clipsim.errors import ClipsimError
from clipsim.images import Source, read
from clipsim.limits import LIMITS
from clipsim.models import MODELS, STAND_IN
from clipsim.scoring import Item, Result, named

CAPTION, REFERENCE = "caption", "reference image"
EXAMPLES = Path(__file__).parent.parent / "examples"
SHOWN_BY_BROWSERS = {".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp"}
CACHE_SECONDS = 3600  # for how long uploaded and produced files are kept

Uploads = list[tuple[str | None, str | None]] | None  # what gr.Gallery hands over: (path, caption) pairs


def score(
    pictures: Uploads,
    compare: str,
    caption: str,
    reference: Uploads,
    model: str,
    progress: gr.Progress = gr.Progress(),  # noqa: B008  # this is how gradio hands one over
) -> tuple[Any, ...]:
    """Score pictures against a caption, or against a reference image, and rank them."""
    with sentences():
        names = {name: source for source, name in named([service.received(path) for path, _ in pictures or []])}
        against = _reference(reference) if compare == REFERENCE else None
        progress(0, desc="Loading the model")
        result = service.answer(
            [(path, name) for name, path in names.items()],
            None if against else caption,
            against,
            model,
            lambda done, total: progress((done, total), desc="Scoring", unit="pictures"),
        )
    return _shown(result, names)


def _reference(pictures: Uploads) -> Item:
    if not pictures:
        raise ClipsimError("There is no reference image: add one, or compare with a caption.")
    if len(pictures) > 1:
        raise ClipsimError(f"There are {len(pictures)} reference images: keep one.")
    return service.received(pictures[0][0])


def _shown(result: Result, sources: dict[str, Source]) -> tuple[Any, ...]:
    """What the page's outputs take, in the order of `build`."""
    pictures = [_viewable(sources[score.name], score.name) for score in result.scores]
    folder = Path(get_upload_folder()) / secrets.token_hex(16)  # below it, so that it is cleared away like an upload
    folder.mkdir(parents=True)
    csv, whole = folder / "clipsim.csv", folder / "clipsim.json"
    csv.write_text(report.to_csv(result), encoding="utf-8", errors="replace")
    whole.write_text(report.to_json(result), encoding="utf-8", errors="replace")
    return (
        _status_html(result),
        list(zip(pictures, report.labels(result), strict=True)),
        _bars(result),
        _table_html(result),
        str(csv),
        str(whole),
        _remarks_html(result),
        _published_html(result),
        _banner_html(_standin_note(result)),
    )


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


def _status_html(result: Result) -> str:
    compared = f"caption “{result.caption}”" if result.reference is None else f"reference image {result.reference}"
    return f'<p class="cs-status"><b>{escape(report.status(result))}</b><span>{escape(compared)}</span></p>'


def _standin_note(result: Result) -> str:
    return result.notes[0] if result.model == STAND_IN.name else ""


def _banner_html(reason: str) -> str:
    return f'<p class="cs-banner" role="note">{escape(reason)}</p>' if reason else ""


def _banner_at_start() -> str:
    try:
        notes = getattr(service.encoder("auto"), "notes", ())
    except ClipsimError as error:
        notes = (str(error),)
    return _banner_html(notes[0] if notes else "")


def _asked(event: gr.EventData) -> tuple[Any, Any, str]:
    """What the page's address asks for, as `ADDRESS` reads it: caption, model, and a note where that is not known."""
    asked = event._data if isinstance(event._data, dict) else {}
    caption, model = asked.get("caption"), asked.get("model")
    known = [name for _, name in _model_choices()]
    fill = gr.Textbox(value=caption) if isinstance(caption, str) else gr.skip()
    if not isinstance(model, str) or not model:
        return fill, gr.skip(), ""
    if model in known:
        return fill, gr.Dropdown(value=model), ""
    note = f"The address asks for the model “{model[:60]}”, which is not on the list: auto is kept."
    return fill, gr.skip(), _banner_html(note)


def _table_html(result: Result) -> str:
    heads = ["Rank", "Picture", "Cosine", "CLIPScore", "Share"]
    body = [
        [
            str(score.rank),
            title,
            f"{score.cosine:.3f}",
            "" if score.clipscore is None else f"{score.clipscore:.3f}",
            "" if score.share is None else report.percent(score.share),
        ]
        for score, title in zip(result.scores, report.titles([s.name for s in result.scores]), strict=True)
    ]
    return _html_table(f"Scores by {report.model_title(result)}", heads, body)


def _html_table(caption: str, heads: list[str], body: list[list[str]]) -> str:
    """A table in which the picture's name heads its row; columns without an entry are left out."""
    used = [place for place in range(len(heads)) if any(row[place] for row in body)]
    head = "".join(f'<th scope="col">{escape(heads[place])}</th>' for place in used)
    rows = "".join(
        "<tr>" + "".join(_cell(escape(row[place]), heads[place] == "Picture") for place in used) + "</tr>"
        for row in body
    )
    return (
        f'<table class="cs-table"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _cell(content: str, heads_row: bool) -> str:
    return f'<th scope="row">{content}</th>' if heads_row else f"<td>{content}</td>"


def _remarks_html(result: Result) -> str:
    notes = [remark for remark in report.remarks(result) if remark != _standin_note(result)]  # that one is the banner
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<section class="cs-remarks"><h2>Notes</h2><ul>{items}</ul></section>' if items else ""


def _published_html(result: Result) -> str:
    """The published golden-retriever figures beside the computed ones, if it is those pictures that were scored."""
    published = PUBLISHED
    if not published or {score.name for score in result.scores} != set(published):
        return ""
    body = [
        [title, f"{published[score.name]:.3f}", f"{score.cosine:.3f}"]
        for score, title in zip(result.scores, report.titles([s.name for s in result.scores]), strict=True)
    ]
    table = _html_table("Published and computed", ["Picture", "Published", "Computed here"], body)
    way = "the caption with each image" if result.reference is None else "the reference image with each image"
    return (
        f'<section class="cs-published"><h2>Beside the published figures</h2>{table}<p>The published figures are '
        "image-image cosines: their author's notebook first generates an image from the caption and compares that with "
        f"four photographs. The computed ones compare {way}, and the images are this project's own paintings. So the "
        "numbers differ; what carries over is that the retriever comes first.</p></section>"
    )


def _examples() -> tuple[list[list[Any]], list[str], dict[str, float]]:
    """Rows for `gr.Examples`, their labels, and the published figure of each picture that has one."""
    rows: list[list[Any]] = []
    labels: list[str] = []
    published: dict[str, float] = {}
    listing = EXAMPLES / "examples.json"
    for entry in json.loads(listing.read_text(encoding="utf-8")) if listing.is_file() else []:
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
**Cosine** is the number to read: how far the picture and the caption point the same way, from -1 to 1. It is not a
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
const asked = own.has("caption") || own.has("model") ? own : page;
if (asked.has("caption") || asked.has("model"))
  trigger("submit", { caption: asked.get("caption"), model: asked.get("model") });
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
    "css_paths": [Path(__file__).parent / "data" / "page.css"],
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


def _label(demo: gr.Blocks, made: Any, inputs: list[str], output: str, shape: Any) -> None:
    """What gradio's own API page and `view_api` show; `gr.api` numbers the values and leaves the output untyped."""
    function: Any = next(one for one in demo.fns.values() if one.fn is made)
    for component, label in zip(function.inputs, inputs, strict=True):
        component.label = label
    (answer,) = function.outputs
    answer.label, answer._api_info = output, python_type_to_json_schema(shape)


def build() -> gr.Blocks:
    """The page, ready for `launch(**LAUNCH)`."""
    with api.Checked(title="clipsim", analytics_enabled=False, delete_cache=(CACHE_SECONDS, CACHE_SECONDS)) as demo:
        gr.HTML(HEADER)
        address = gr.HTML(label="Address note", elem_id="address", padding=False, js_on_load=ADDRESS)
        banner = gr.HTML(label="Model note", elem_id="banner", padding=False)
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
                with gr.Row(elem_id="downloads"):
                    csv = gr.DownloadButton("Download CSV", size="sm")
                    whole = gr.DownloadButton("Download JSON", size="sm")
                published = gr.HTML(label="Published figures", elem_id="published", padding=False)
        inputs = [pictures, compare, caption, reference, model]
        outputs = [status, ranked, bars, table, csv, whole, remarks, published, banner]
        with gr.Accordion("How to read a score", open=False, elem_id="reading"):
            gr.Markdown(READING)
        aside: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
        compare.change(_switch, compare, [caption, reference], **aside)
        address.submit(_asked, None, [caption, model, address], **aside)
        run: dict[str, Any] = {"fn": score, "inputs": inputs, "outputs": outputs, "show_progress_on": [ranked, status]}
        one_queue: dict[str, Any] = {"concurrency_limit": LIMITS.concurrent, "concurrency_id": "model"}
        run |= one_queue
        demo.load(_banner_at_start, None, banner, **aside)
        gr.on([button.click, caption.submit], api_name="score", **run)
        examples.load_input_event.success(api_visibility="private", **run)
        endpoint(api.similarity, api_name="similarity", **one_queue)
        endpoint(api.models, api_name="models", queue=False)
        _label(demo, api.similarity, ["Pictures", "Caption", "Reference image", "Model"], "Result", Result)
        _label(demo, api.models, [], "Models", dict)
    demo.queue(max_size=LIMITS.queue)
    return demo  # type: ignore[no-any-return]
