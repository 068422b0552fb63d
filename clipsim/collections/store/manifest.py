"""The manifest, which says what files belong to a collection, the lists beside it, and the kinds of index."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from clipsim.collections.store.numbered import POINTER, list_numbers, name_manifest, probe_numbers, seal, unseal
from clipsim.collections.store.segments import FOLDER
from clipsim.embedding import PREPARATION
from clipsim.encoders import MODELS, Encoder, load
from clipsim.errors import ClipsimError, UsageError
from clipsim.images import Location, storage
from clipsim.options import FRAMINGS, SEVERAL_VECTORS, Options
from clipsim.scoring import resolve_precision

FORMAT = 3
UNSEALED = 2  # the last format with one manifest, which is still read; format 1 kept vectors in flat indexes of FAISS
_WRONG = (ValueError, KeyError, TypeError, AttributeError)  # what a damaged manifest raises
EXACT, PQ, IVF_PQ = "exact", "pq", "ivf-pq"


@dataclass(frozen=True)
class EmbeddingConfig:
    """How the vectors of a collection were made; those of another config cannot be compared with them."""

    model: str  # name of the encoder
    revision: str  # of its weights; "" where it has none
    width: int  # length of a vector
    origin: str = ""  # what `clipsim.load` takes to load the model again; "" for an encoder of the caller's own
    options: Options = Options(precision="full")  # framing and contrast of the pictures; precision is never "auto"
    preparation: int = PREPARATION  # version of how pictures were decoded and framed

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
        preparation = int(plain.get("preparation", 1))  # what does not say was all made by the first
        return cls(plain["model"], plain["revision"], int(plain["width"]), plain["origin"], options, preparation)

    def to_json(self) -> str:
        """Return it as text, from which `from_dict` makes it again."""
        return json.dumps(asdict(self))

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

    def check_preparation(self) -> None:
        """Raise a `ClipsimError` if pictures that are encoded now cannot be compared with those of the collection."""
        if self.preparation != PREPARATION:
            raise ClipsimError(
                f"Pictures are decoded and framed in another way now (version {PREPARATION}) than when the collection "
                f"was made (version {self.preparation}): make another collection, or use the clipsim of then."
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
    lists: int = 0  # of the inverted file, of which as many are searched as are found to be needed; 0 without one


KINDS = {  # as measured by `python -m benchmarks.performance.index`
    EXACT: Kind(up_to=1_000_000),
    PQ: Kind(up_to=4_000_000, candidates=250),
    IVF_PQ: Kind(up_to=float("inf"), candidates=600, lists=4096),
}


@dataclass(frozen=True)
class IndexPart:
    """A file of an approximate index, and the segments that it covers, in its order."""

    file: str
    segments: tuple[str, ...]


class LostError(ClipsimError):
    """A folder has segments of a collection, and no manifest that can be read."""


@dataclass(frozen=True)
class ListPart:
    """A file of a list that grows by parts."""

    file: str
    entries: int


@dataclass(frozen=True)
class Manifest:
    """What a collection consists of. Every file that it names never changes, and is named by its SHA-256."""

    embedding: EmbeddingConfig  # how its vectors were made
    source: str = ""  # where the pictures lie; "" where that is not one folder
    segments: tuple[tuple[str, int], ...] = ()  # id and number of rows of each, in the collection's order
    removed: tuple[ListPart, ...] = ()  # files that list the removed rows
    rejected: tuple[ListPart, ...] = ()  # files that list the pictures that could not be read; later ones hold
    index: tuple[IndexPart, ...] = ()  # files of the approximate index
    sizes: Mapping[str, int] = field(default_factory=dict)  # bytes of files, by path; not of those of older formats
    rows: int = 0  # pictures in the collection
    generation: int = 0  # its number: how often the collection was written to
    format: int = FORMAT  # version of the files
    notes: tuple[str, ...] = ()  # what is to be said of how it was found; like the next not written
    newest: int = 0  # number of the newest manifest when it was found, which may be gone or damaged

    @classmethod
    def read(cls, folder: Location) -> Manifest:
        """Read the manifest as `find` does, and raise a `ClipsimError` if there is none."""
        if manifest := cls.find(folder):
            return manifest
        raise ClipsimError(f"There is no collection in {folder}: make one with index.")

    @classmethod
    def find(cls, folder: Location, *, tries: int = 5) -> Manifest | None:
        """Read the newest manifest, if there is one, or where that is damaged or gone the one before, with a note.

        It is looked for again, up to so many `tries`, if other writers have swept it meanwhile.

        Raises:
            LostError: all are damaged or gone.
            ClipsimError: they cannot be reached, or the newest is of a later version.
        """
        pointer, problem = _read_pointer(folder)
        told = int(pointer.get("generation", 0)) if pointer else 0
        numbers = list_numbers(folder) or (probe_numbers(folder, told) if pointer else [])
        found = None
        for number in numbers:
            path = folder / name_manifest(number)
            try:
                found = cls._from_dict(unseal(_read(path)))
                break
            except _WRONG as error:
                problem = f"{path} is damaged ({error})"
            except FileNotFoundError:
                if tries > 1:
                    return cls.find(folder, tries=tries - 1)
        if found is None and pointer and pointer["format"] <= UNSEALED:
            try:
                found = cls._from_dict(pointer)
            except _WRONG as error:
                problem = f"{folder / POINTER} is damaged ({error})"
        if found is None:
            if pointer or problem or any(name.endswith(".parquet") for name in storage.list_names(folder / FOLDER)):
                raise LostError(f"{problem or f'{folder} has lost its manifests'}: run index with --repair.")
            return None
        found = replace(found, newest=max([told, found.generation, *numbers]))
        if found.generation < found.newest:
            lost = f"{folder / name_manifest(found.newest)} is gone or damaged, and the one before it is used"
            return replace(found, notes=(f"{lost}: what was written last is missing until index has run.",))
        return found

    @classmethod
    def load(cls, folder: Location, number: int) -> Manifest | None:
        """Return the manifest with a number, or None if it is gone or damaged."""
        try:
            return cls._from_dict(unseal(storage.read(folder / name_manifest(number))))
        except (OSError, *_WRONG):
            return None

    @classmethod
    def _from_dict(cls, plain: Mapping[str, Any]) -> Manifest:
        """Read the entries of a manifest: a `ClipsimError` if it is of a later version, or what wrong ones cause."""
        _check_format(plain)
        plain = dict(plain)
        config = plain.pop("recipe", None) or plain["embedding"]  # the key was "recipe" in format 1
        plain["embedding"] = EmbeddingConfig.from_dict(config)
        plain["segments"] = tuple((str(name), int(rows)) for name, rows in plain["segments"])
        plain["index"] = tuple(IndexPart(part["file"], tuple(part["segments"])) for part in plain["index"])
        for kind in ("removed", "rejected"):
            parts = plain[kind]
            if isinstance(parts, str):  # in formats 1 and 2, of one file
                parts = [{"file": parts, "entries": 0}] if parts else []
            plain[kind] = tuple(ListPart(part["file"], int(part["entries"])) for part in parts)
        return cls(**plain)

    def to_bytes(self) -> bytes:
        """Return it as it is written."""
        plain = asdict(self)
        del plain["notes"], plain["newest"]
        return seal(plain)

    def files(self) -> set[str]:
        """Return every file that counts, by its path in the collection; vectors by both names that they may have."""
        segments = {f"{FOLDER}/{name}.{end}" for name, _ in self.segments for end in ("npy", "faiss", "parquet")}
        lists = {part.file for part in (*self.removed, *self.rejected)}
        return lists | {part.file for part in self.index} | segments


def find_newest(folder: Location) -> int:
    """Return the number of the newest manifest that there was."""
    pointer, _ = _read_pointer(folder)
    return max([int(pointer.get("generation", 0)) if pointer else 0, *list_numbers(folder)])


def write_pointer(folder: Location, manifest: Manifest) -> None:
    """Write which manifest is the newest; earlier versions of clipsim read there that a later one wrote."""
    about = {"embedding": asdict(manifest.embedding), "source": manifest.source}
    plain = {"format": manifest.format, "generation": manifest.generation, **about}
    storage.write(folder / POINTER, seal(plain))


def read_pointer(folder: Location) -> dict[str, Any] | None:
    """Return what `write_pointer` wrote, or None where that is damaged or not there."""
    return _read_pointer(folder)[0]


def check_pointer(folder: Location) -> str:
    """Return what is wrong with what `write_pointer` wrote, a clause; "" where it is sound or not there."""
    return _read_pointer(folder)[1]


def _read_pointer(folder: Location) -> tuple[dict[str, Any] | None, str]:
    """Return the entries of `manifest.json`, or None where there is none, and what is wrong with it."""
    path = folder / POINTER
    try:
        data = _read(path)
        plain = json.loads(data)
        _check_format(plain)
        return (plain if plain["format"] <= UNSEALED else unseal(data)), ""
    except FileNotFoundError:
        return None, ""
    except _WRONG as error:
        return None, f"{path} is damaged ({error})"


def _check_format(plain: Mapping[str, Any]) -> None:
    if plain["format"] > FORMAT:
        raise ClipsimError("The collection was written by a later version of clipsim: update this one.")


def _read(path: Location) -> bytes:
    """Read a manifest: a `FileNotFoundError` if there is none, and a `ClipsimError` if it cannot be reached."""
    try:
        return storage.read(path)
    except FileNotFoundError:
        raise
    except NotADirectoryError as error:
        raise FileNotFoundError from error
    except OSError as error:
        raise ClipsimError(f"{path} cannot be read ({error}): see that it can be reached.") from error
