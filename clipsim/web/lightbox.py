"""A picture close up: where in it the caption and each of its words lie, drawn when somebody asks for it."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any, NamedTuple

import gradio as gr

from clipsim import report
from clipsim.errors import ClipsimError
from clipsim.scoring import STRENGTHS, Heatmap, PictureMaps, Result, Scale, draw_layer, find_peak, find_scale
from clipsim.scoring.heatmaps import RAMP
from clipsim.web import render
from clipsim.web.kept import RecentAnswers
from clipsim.web.monitoring import note_error
from clipsim.web.service import Service
from clipsim.web.shown import ShownPictures

METHODS = {"legrad": "LeGrad"}  # as its authors write it


class Layer(NamedTuple):
    """A map to lay over a picture.

    Attributes:
        of: places of the words that it is of, such as "0 3"; "" for the whole caption, or the reference image.
        word: that word; "" for the whole.
        address: a data: address of the drawing; "" where there was no time for the word.
        style: where it lies in the picture.
        scale: what the ends of its colours stand for; None for the least and the most of this map alone.
        place: where most of it lies, in words; "" where nothing differs.
    """

    of: str
    word: str
    address: str = ""
    style: str = ""
    scale: Scale | None = None
    place: str = ""


class Lightbox:
    """What brings the maps of one picture to the page; the page's script opens it and lays them over the picture.

    Attributes:
        component: sends the event `select` when maps are wanted, and `like` when pictures are wanted that are like it.
    """

    def __init__(self, recent: RecentAnswers, shown: ShownPictures) -> None:
        """Lay out what is not seen; answers are found in `recent`, maps are files among the `shown` pictures."""
        self._recent, self._shown = recent, shown
        script = render.static("lightbox.js").read_text(encoding="utf-8")
        self.component = gr.HTML("", label="Maps of a picture", elem_id="lightbox", padding=False, js_on_load=script)

    def connect(self, service: Service, key: gr.Textbox, queued: dict[str, Any]) -> None:
        """Compute maps by `service`, for the answer whose key is in `key`, in the queue `queued`."""

        def find_maps(key: str, event: gr.EventData) -> str:
            name, ticket = read_event(event)
            try:
                if not key:
                    raise ClipsimError("Where it lies can be seen once all pictures are scored.")
                answer = self._recent.find(key)
                maps = service.map_picture(answer.question, answer.result, name)
                return self._shown.name(show_maps(answer.result, name, maps, ticket))
            except ClipsimError as error:
                note_error(error)
                return render.fill("lightbox.html", ticket=ticket, fault=str(error))

        hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "trigger_mode": "always_last"}
        self.component.select(find_maps, key, self.component, **hidden, **queued)


def read_event(event: gr.EventData) -> tuple[str, str]:
    """Return which picture an event is about, and by what the page knows the answer again."""
    asked = event._data if isinstance(event._data, dict) else {}
    return str(asked.get("name", "")), str(asked.get("ticket", ""))


def show_maps(result: Result, name: str, maps: PictureMaps, ticket: str) -> str:
    """Show what is laid over a picture of an answer, each map with what its colours mean.

    The whole caption's is drawn on the scale of all pictures if the answer has their maps; words have one of their own.
    """
    score = next(score for score in result if score.name == name)
    shared = find_scale(one.heatmap for one in result if one.heatmap)
    strength = STRENGTHS[score.verdict]
    of_words = find_scale(one for one in maps.words if one)
    layers = [_draw("", "", maps.whole, shared or find_scale([maps.whole]), strength)]
    words = result.words or ()
    for word in dict.fromkeys(words[: len(maps.words)]):
        places = [i for i, one in enumerate(words) if one == word]
        layers.append(_draw(" ".join(map(str, places)), word, maps.words[places[0]], of_words, strength))
    values = {"by_caption": result.reference is None, "shared": bool(shared), "method": _name_method(maps.whole)}
    dimmed = score.verdict if strength < 1 else ""
    return render.fill("lightbox.html", ticket=ticket, fault="", layers=layers, dimmed=dimmed, ramp=_ramp(), **values)


def show_legend(result: Result) -> str:
    """Say what the colours of an answer's maps mean; "" where it has none."""
    maps = [score.heatmap for score in result if score.heatmap]
    if not maps:
        return ""
    dimmed = any(STRENGTHS[score.verdict] < 1 for score in result)
    values = {"by_caption": result.reference is None, "method": _name_method(maps[0]), "dimmed": dimmed}
    return render.fill("legend.html", scale=find_scale(maps), ramp=_ramp(), **values)


def _draw(of: str, word: str, heatmap: Heatmap | None, scale: Scale | None, strength: float) -> Layer:
    if heatmap is None:
        return Layer(of, word)
    data = BytesIO()
    draw_layer(heatmap, scale=scale, strength=strength).save(data, "WEBP", quality=80)
    address = "data:image/webp;base64," + base64.b64encode(data.getvalue()).decode("ascii")
    left, top, right, bottom = (f"{100 * share:.2f}%" for share in _place(heatmap))
    style = f"left:{left};top:{top};width:{right};height:{bottom}"
    return Layer(of, word, address, style, scale, _tell_peak(heatmap))


def _place(heatmap: Heatmap) -> tuple[float, float, float, float]:
    """Return left, top, width and height of a map, as shares of the picture."""
    left, top, right, bottom = heatmap.box
    return left, top, right - left, bottom - top


def _tell_peak(heatmap: Heatmap) -> str:
    if heatmap.low == heatmap.high:
        return ""
    return report.describe_place(find_peak(heatmap))


def _name_method(heatmap: Heatmap) -> str:
    return METHODS.get(heatmap.method, heatmap.method)


def _ramp() -> str:
    """Return the colours of maps from least to most, as style sheets take them."""
    return ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in RAMP)
