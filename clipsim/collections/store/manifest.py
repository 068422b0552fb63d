"""What a collection consists of: the one file that says which others count, and the lists beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Unpack

import numpy as np

from clipsim.collections.store import ann
from clipsim.collections.store.segments import FOLDER
from clipsim.embedding import Rejected
from clipsim.encoders.base import Encoder
from clipsim.encoders.registry import MODELS, load
from clipsim.errors import ClipsimError, UsageError
from clipsim.images import storage
from clipsim.images.storage import UNKNOWN, Location
from clipsim.options import Choices, Options
from clipsim.scoring import resolve_precision

FORMAT = 2  # in 1, which is still read, vectors lay in flat indexes of FAISS
MANIFEST = "manifest.json"
_LATER = "written by a later version of clipsim"


@dataclass(frozen=True)
class EmbeddingConfig:
    """How the vectors of a collection came about; those of another config have no place in it.

    Attributes:
        model: name of the encoder.
        revision: of its weights; "" where it has none.
        width: length of a vector.
        origin: what `clipsim.load` takes to load the model again; "" for an encoder of the caller's own.
        options: framing and contrast of the pictures, and the precision: "full" or "half".
    """

    model: str
    revision: str
    width: int
    origin: str = ""
    options: Options = Options(precision="full")

    @classmethod
    def of(cls, encoder: Encoder, options: Options = Options()) -> EmbeddingConfig:
        """That of an encoder; its weights are loaded.

        Raises:
            ClipsimError: the framing gives several vectors a picture, or a choice is not known.
            EncoderError: the model cannot be loaded.
        """
        if options.framing == "tiles-best":
            raise UsageError(
                "A collection holds one vector a picture, and framing tiles-best makes several: use crop, pad or "
                "tiles-mean."
            )
        return cls(encoder.name, encoder.revision, encoder.width, _origin(encoder), resolve_precision(options, encoder))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> EmbeddingConfig:
        """Read what a manifest holds; older ones have the options among the other fields."""
        options = Options.from_dict(plain.get("options", plain))
        return cls(plain["model"], plain["revision"], int(plain["width"]), plain["origin"], options)

    def load(self, device: str = "auto") -> Encoder:
        """The encoder again.

        Raises:
            EncoderError: it cannot be had.
            ClipsimError: it is not what it was, or was the caller's own.
        """

        if not self.origin:
            raise ClipsimError(f"The collection's model {self.model} is not one that can be loaded: pass the encoder.")
        encoder = load(self.origin, device, self.options.precision)
        self.check(encoder)
        return encoder

    def check(self, encoder: Encoder) -> None:
        """Raise a `ClipsimError` unless the encoder's captions can be compared with these vectors."""
        if encoder.name != self.model:
            raise ClipsimError(
                f"The collection was made with {self.model}, not with {encoder.name}: use that model, or make another "
                "collection."
            )
        if encoder.revision != self.revision:
            raise ClipsimError(
                f"The weights of {self.model} have changed since the collection was made (revision "
                f"{self.revision or 'unknown'}, now {encoder.revision or 'unknown'}): make another collection."
            )

    def check_same(self, other: EmbeddingConfig) -> None:
        """Raise a `ClipsimError` that names both unless vectors of the other config may be added."""
        theirs = other._facts()
        for what, ours in self._facts().items():
            self.check_choice(what, theirs[what], ours)

    def check_options(self, **choices: Unpack[Choices]) -> None:
        """Raise a `UsageError` that names both where another choice is given than was made."""
        for what, choice in choices.items():
            self.check_choice(what, choice, self.options.to_dict()[what])

    def _facts(self) -> dict[str, Any]:
        """Return what vectors must share to be compared, by the words of an error."""
        return {"model": self.model, "revision": self.revision, "width": self.width, **self.options.to_dict()}

    @staticmethod
    def check_choice(what: str, choice: Any, ours: Any) -> None:
        """Raise a `UsageError` that names both where another choice was made than the collection's."""
        if choice != ours:
            raise UsageError(
                f"The collection was made with {what} {ours}, not {choice}: use that one, or make another collection."
            )


def _origin(encoder: Encoder) -> str:

    if any(encoder.name == model.name for model in MODELS) or "/" in encoder.name:
        return encoder.name
    return str(encoder.folder.resolve()) if encoder.folder else ""


@dataclass(frozen=True)
class Manifest:
    """What a collection consists of.

    Attributes:
        embedding: how its vectors came about.
        source: where the pictures lie; "" where that is not one folder.
        segments: id and number of rows of each, in the collection's order.
        removed: name of the file that says which of these rows are removed; "" if none are.
        rejected: name of the file with the pictures that could not be read; "" if there are none.
        index: files of the approximate index, each with the segments that it covers.
        rows: pictures in the collection.
        generation: how often it was written to.
        format: version of all this.
    """

    embedding: EmbeddingConfig
    source: str = ""
    segments: tuple[tuple[str, int], ...] = ()
    removed: str = ""
    rejected: str = ""
    index: tuple[ann.Part, ...] = ()
    rows: int = 0
    generation: int = 0
    format: int = FORMAT

    @classmethod
    def read(cls, folder: Location) -> Manifest:
        """That of a folder.

        Raises:
            ClipsimError: there is none, or it is damaged, or of a later version.
        """
        try:
            plain = json.loads(storage.read(folder / MANIFEST))
            config = plain.pop("recipe", None) or plain["embedding"]  # "recipe" until format 1
            if plain["format"] > FORMAT:
                raise ClipsimError(f"The collection in {folder} was {_LATER}: update this one.")
            return cls(
                **plain
                | {
                    "embedding": EmbeddingConfig.from_dict(config),
                    "segments": tuple((str(name), int(rows)) for name, rows in plain["segments"]),
                    "index": tuple(ann.Part(part["file"], tuple(part["segments"])) for part in plain["index"]),
                }
            )
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ClipsimError(f"There is no collection in {folder}: make one with index.") from error
        except OSError as error:
            raise ClipsimError(f"{folder / MANIFEST} cannot be read ({error}): see that it can be reached.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ClipsimError(
                f"{folder / MANIFEST} is damaged ({error}): index the pictures anew into an empty folder."
            ) from error

    def write(self, folder: Location) -> None:
        """Make this the state of the collection, at once."""
        storage.write(folder / MANIFEST, json.dumps(asdict(self), indent=1).encode())
        storage.sync(folder)

    def files(self) -> set[str]:
        """Every file that counts, by its path in the collection: vectors by both names that they may have."""
        segments = {f"{FOLDER}/{name}.{end}" for name, _ in self.segments for end in ("npy", "faiss", "parquet")}
        return {name for name in (self.removed, self.rejected) if name} | {part.file for part in self.index} | segments


@dataclass(frozen=True)
class FailedFile:
    """A picture that could not be read; while size and times are the same it is not tried again.

    Attributes:
        name, reason: as `clipsim.embedding.pipeline.Rejected`.
        size: bytes.
        times: when its content, and when its content or rights were last changed, nanoseconds since 1970.
    """

    name: str
    reason: str
    size: int = UNKNOWN
    times: tuple[int, int] = (-1, -1)

    @property
    def rejected(self) -> Rejected:
        """What a person is told of it."""
        return Rejected(self.name, self.reason)


def read_removed(folder: Location, manifest: Manifest) -> dict[str, np.ndarray]:
    """Removed rows, rising, by the segment's id."""
    plain = _json(folder, manifest.removed) or {}
    return {name: np.array(rows, np.int64) for name, rows in plain.items()}


def read_rejected(folder: Location, manifest: Manifest) -> list[FailedFile]:
    """Pictures that could not be read."""
    return [
        FailedFile(bad["name"], bad["reason"], bad["size"], tuple(bad["times"]))
        for bad in _json(folder, manifest.rejected) or []
    ]


def _json(folder: Location, name: str) -> Any:
    if not name:
        return None
    try:
        return json.loads(storage.read(folder / name))
    except (OSError, ValueError) as error:
        raise ClipsimError(
            f"{folder / name} cannot be read ({error}): open the collection again, or see verify."
        ) from error
