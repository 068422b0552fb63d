"""The manifest, which says what files belong to a collection, the lists beside it, and the kinds of index."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipsim.collections.store.segments import FOLDER
from clipsim.embedding import Rejected
from clipsim.encoders import MODELS, Encoder, load
from clipsim.errors import ClipsimError, UsageError
from clipsim.images import UNKNOWN, Location, storage
from clipsim.options import FRAMINGS, SEVERAL_VECTORS, Options
from clipsim.scoring import resolve_precision

FORMAT = 2  # format 1, which is still read, kept vectors in flat indexes of FAISS
MANIFEST = "manifest.json"
EXACT, PQ, IVF_PQ = "exact", "pq", "ivf-pq"


@dataclass(frozen=True)
class EmbeddingConfig:
    """How the vectors of a collection were made; those of another config cannot be compared with them."""

    model: str  # name of the encoder
    revision: str  # of its weights; "" where it has none
    width: int  # length of a vector
    origin: str = ""  # what `clipsim.load` takes to load the model again; "" for an encoder of the caller's own
    options: Options = Options(precision="full")  # framing and contrast of the pictures; precision is "full" or "half"

    @classmethod
    def from_encoder(cls, encoder: Encoder, options: Options = Options()) -> EmbeddingConfig:
        """Return the config of what an encoder makes; its weights are loaded.

        Raises:
            UsageError: the framing gives several vectors a picture.
            EncoderError: the model cannot be loaded.
        """
        if options.framing in SEVERAL_VECTORS:
            *others, last = (framing for framing in FRAMINGS if framing not in SEVERAL_VECTORS)
            raise UsageError(
                f"A collection holds one vector a picture, and framing {options.framing} makes several: use "
                f"{', '.join(others)} or {last}."
            )
        known = "/" in encoder.name or encoder.name in {model.name for model in MODELS}
        origin = encoder.name if known else str(encoder.folder.resolve()) if encoder.folder else ""
        return cls(encoder.name, encoder.revision, encoder.width, origin, resolve_precision(options, encoder))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> EmbeddingConfig:
        """Read what a manifest holds; older ones have the options among the other fields."""
        options = Options.from_dict(plain.get("options", plain))
        return cls(plain["model"], plain["revision"], int(plain["width"]), plain["origin"], options)

    def facts(self) -> dict[str, object]:
        """Return what vectors must share to be compared, as an error names it."""
        return {"model": self.model, "revision": self.revision, "width": self.width, **self.options.to_dict()}

    def load(self, device: str = "auto") -> Encoder:
        """Load the encoder and `check` it: a `UsageError` if it was the caller's own, else raise as `clipsim.load`."""
        if not self.origin:
            raise UsageError(f"The collection's model {self.model} is not one that can be loaded: pass the encoder.")
        encoder = load(self.origin, device, self.options.precision)
        self.check(encoder)
        return encoder

    def check(self, encoder: Encoder) -> None:
        """Raise a `UsageError` if an encoder is another model, and a `ClipsimError` if its weights have changed."""
        self.check_facts({"model": encoder.name})
        if encoder.revision != self.revision:
            raise ClipsimError(
                f"The weights of {self.model} have changed since the collection was made (revision "
                f"{self.revision or 'unknown'}, now {encoder.revision or 'unknown'}): make another collection."
            )

    def check_facts(self, facts: Mapping[str, object]) -> None:
        """Raise a `UsageError` that names both where one of `facts` is not the collection's."""
        ours = self.facts()
        for what, theirs in facts.items():
            if theirs != ours[what]:
                raise UsageError(
                    f"The collection was made with {what} {ours[what]}, not {theirs}: use that one, or make another "
                    "collection."
                )


@dataclass(frozen=True)
class Kind:
    """A kind of index."""

    up_to: float  # largest number of pictures for which it is chosen
    candidates: int = 0  # how many are re-scored for ten hits
    lists: int = 0  # of the inverted file; 0 without one
    probes: int = 0  # lists that are searched


KINDS = {  # as measured by `python -m benchmarks.performance.index`
    EXACT: Kind(up_to=1_000_000),
    PQ: Kind(up_to=10_000_000, candidates=250),
    IVF_PQ: Kind(up_to=float("inf"), candidates=600, lists=4096, probes=64),
}


@dataclass(frozen=True)
class IndexPart:
    """A file of an approximate index, and the segments that it covers, in its order."""

    file: str
    segments: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """What a collection consists of."""

    embedding: EmbeddingConfig  # how its vectors were made
    source: str = ""  # where the pictures lie; "" where that is not one folder
    segments: tuple[tuple[str, int], ...] = ()  # id and number of rows of each, in the collection's order
    removed: str = ""  # name of the file that lists the removed rows; "" if none are
    rejected: str = ""  # name of the file that lists the pictures that could not be read; "" if there are none
    index: tuple[IndexPart, ...] = ()  # files of the approximate index
    rows: int = 0  # pictures in the collection
    generation: int = 0  # how often it was written to
    format: int = FORMAT  # version of the files

    @classmethod
    def read(cls, folder: Location) -> Manifest:
        """Read the manifest as `find` does, and raise a `ClipsimError` if there is none."""
        if manifest := cls.find(folder):
            return manifest
        raise ClipsimError(f"There is no collection in {folder}: make one with index.")

    @classmethod
    def find(cls, folder: Location) -> Manifest | None:
        """Read the manifest, if there is one; a `ClipsimError` if it is unreadable, damaged or of a later version."""
        path = folder / MANIFEST
        try:
            plain = json.loads(storage.read(path))
            config = plain.pop("recipe", None) or plain["embedding"]  # the key was "recipe" in format 1
            if plain["format"] > FORMAT:
                raise ClipsimError(
                    f"The collection in {folder} was written by a later version of clipsim: update this one."
                )
            plain["embedding"] = EmbeddingConfig.from_dict(config)
            plain["segments"] = tuple((str(name), int(rows)) for name, rows in plain["segments"])
            plain["index"] = tuple(IndexPart(part["file"], tuple(part["segments"])) for part in plain["index"])
            return cls(**plain)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ClipsimError(f"{path} cannot be read ({error}): see that it can be reached.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ClipsimError(f"{path} is damaged ({error}): index the pictures anew into an empty folder.") from error

    def files(self) -> set[str]:
        """Return every file that counts, by its path in the collection; vectors by both names that they may have."""
        segments = {f"{FOLDER}/{name}.{end}" for name, _ in self.segments for end in ("npy", "faiss", "parquet")}
        return {name for name in (self.removed, self.rejected) if name} | {part.file for part in self.index} | segments


@dataclass(frozen=True)
class FailedFile(Rejected):
    """A picture that could not be read; it is not tried again while its size and times, as of `File`, are the same."""

    size: int = UNKNOWN
    times: tuple[int, int] = (-1, -1)


def read_removed(folder: Location, manifest: Manifest) -> dict[str, list[int]]:
    """Return the removed rows, rising, by the segment's id."""
    removed: dict[str, list[int]] = _read_json(folder, manifest.removed, {})
    return removed


def read_failed(folder: Location, manifest: Manifest) -> list[FailedFile]:
    """Return the pictures that could not be read."""
    failed = _read_json(folder, manifest.rejected, [])
    return [FailedFile(**plain | {"times": tuple(plain["times"])}) for plain in failed]


def _read_json(folder: Location, name: str, missing: Any) -> Any:
    try:
        return json.loads(storage.read(folder / name)) if name else missing
    except (OSError, ValueError) as error:
        raise ClipsimError(
            f"{folder / name} cannot be read ({error}): open the collection again, or see verify."
        ) from error
