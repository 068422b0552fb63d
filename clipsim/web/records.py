"""What the endpoints for programs answer beside results: models, collections, what a search found, and errors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from clipsim.collections import Hit
from clipsim.encoders import Model, list_models
from clipsim.errors import Code
from clipsim.images import to_address
from clipsim.judges import JudgeModel, list_judges
from clipsim.scoring import PartScore, Record
from clipsim.web.server_collections import SearchResult, ServerCollections
from clipsim.web.service import Service

ApiVersion = Literal["1"]  # of the answers; fields are added without another one
API_VERSION: ApiVersion = "1"


@dataclass(frozen=True)
class ModelRow(Model):
    """One model that can be chosen.

    Attributes:
        loaded: whether it is in memory: others take longer the first time.
    """

    loaded: bool = False


@dataclass(frozen=True)
class ModelList(Record):
    """The models of a server.

    Attributes:
        models: all that can be chosen by name.
        auto: the name of what "auto" stands for on this server.
        judges: all that can be asked for a second opinion.
    """

    models: tuple[ModelRow, ...]
    auto: str
    judges: tuple[JudgeModel, ...]


@dataclass(frozen=True)
class CollectionRow:
    """One collection of a server.

    Attributes:
        name: as a search takes it.
        pictures: how many there are in it.
        model: whose vectors it holds.
    """

    name: str
    pictures: int
    model: str


@dataclass(frozen=True)
class CollectionList(Record):
    """The collections of a server.

    Attributes:
        collections: those that it was started with.
    """

    collections: tuple[CollectionRow, ...]


@dataclass(frozen=True)
class FoundPicture:
    """One picture of a collection that was found; its figures are those of a score.

    Attributes:
        name: its path in the collection.
        rank: 1 is the best.
        cosine: of its vector and that of the caption, or of the picture to find more like; -1 to 1.
        percentile: of how many unrelated captions in a hundred this one fits it better; None without a caption.
        verdict: "match", "weak", "not recognised" or "no match"; None where the model has no cut-offs, and without a
            caption.
        notes: what was done to it before the model saw it, in words.
        seen: how much of it the model saw, 0 to 1.
        size: width and height, in pixels.
        file_size: bytes of the file.
        mtime: when the file was last written, seconds since 1970.
        thumbnail: a JPEG as a data: address.
        parts: what each part of the caption comes to, those first that have to fit; None where it has none.
        collection: the name of the collection that it is in.
    """

    name: str
    rank: int
    cosine: float
    percentile: float | None
    verdict: str | None
    notes: tuple[str, ...]
    seen: float
    size: tuple[int, int]
    file_size: int
    mtime: float
    thumbnail: str
    parts: tuple[PartScore, ...] | None = None
    collection: str = ""


@dataclass(frozen=True)
class Found(Record):
    """What a search found.

    Attributes:
        collection: where it searched: a name, or a pattern of names.
        pictures: how many there are in it.
        caption: what it searched for; None with `like`.
        like: the picture to find more like; None with a caption.
        model: whose vectors were compared.
        scores: the pictures that were found, best first.
        notes: what the model does not read or see of the caption.
    """

    collection: str
    pictures: int
    caption: str | None
    like: str | None
    model: str
    scores: tuple[FoundPicture, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ErrorAnswer(Record):
    """What went wrong.

    Attributes:
        error: a sentence: what was wrong with which input, and what to do.
        code: the same for programs.
        request_id: the name of the request.
        api_version: of the answers.
    """

    error: str
    code: Code
    request_id: str
    api_version: ApiVersion = API_VERSION


def describe_models(service: Service) -> ModelList:
    """List the models that can be chosen, and which of them are in memory."""
    auto = service.encoder("auto").name
    in_memory = {encoder.name for encoder in service.models.loaded()}
    models = tuple(ModelRow(**asdict(row), loaded=row.name in in_memory) for row in list_models())
    return ModelList(models, auto, list_judges())


def list_collections(collections: ServerCollections) -> CollectionList:
    """List the collections that a server was started with."""
    known = [(name, collections.open(name)) for name in collections.folders]
    return CollectionList(tuple(CollectionRow(name, len(one), one.manifest.embedding.model) for name, one in known))


def describe_found(found: SearchResult) -> Found:
    """Return what a search found, as programs take it."""
    scores = tuple(map(_describe_hit, found.hits))
    return Found(found.collection, found.pictures, found.caption, found.like, found.model, scores, found.notes)


def _describe_hit(hit: Hit) -> FoundPicture:
    # "name" and not "path": gradio's Python client takes a dict with a path for a file to download
    kept = {name: value for name, value in vars(hit).items() if name != "path"}
    return FoundPicture(**kept | {"name": hit.path, "thumbnail": to_address(hit.thumbnail)})
