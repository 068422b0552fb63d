"""What every way of tuning needs: pictures and texts encoded and split, and what is known before a model is saved."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from clipsim.embedding import Gallery, Progress
from clipsim.encoders import Encoder
from clipsim.errors import UsageError
from clipsim.tuning.choosing import Trial
from clipsim.tuning.data import Material, Split, check_material, split_pictures
from clipsim.tuning.elsewhere import Elsewhere, encode_material, find_elsewhere
from clipsim.tuning.features import look_at
from clipsim.tuning.head import Seen
from clipsim.tuning.measures import Texts
from clipsim.tuning.results import Tuned
from clipsim.tuning.settings import TuneOptions

LIBRARIES = ("numpy", "torch", "transformers", "pillow")


@dataclass(frozen=True)
class Task:
    """All that a method needs.

    Attributes:
        base: the model.
        given: the pictures' files and texts.
        gallery: the pictures that could be read; its vectors are features.
        seen: these as the base sees them.
        texts: by which they are found.
        learned: the texts as they are learned.
        split: what is held out.
        elsewhere: general pictures.
        options: what was asked for.
    """

    base: Encoder
    given: Material
    gallery: Gallery
    seen: Seen
    texts: Texts
    learned: Texts
    split: Split
    elsewhere: Elsewhere
    options: TuneOptions

    @property
    def rows(self) -> np.ndarray:
        """The rows of pictures that are not held out for the test, shape (n,)."""
        return np.flatnonzero(~self.split.test)


def check_folder(folder: Path) -> None:
    """Raise a `UsageError` unless a folder can be made there, or is there and empty."""
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} is not empty: give --to a folder that is not there yet.")
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.absolute().parent):  # else it would be told when all the work is done
            pass
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} cannot be made a folder: give --to another one.") from error


def prepare(given: Material, base: Encoder, now: Encoder, options: TuneOptions, progress: Progress | None) -> Task:
    """Encode everything by the base, and split it; `now` is the model that people have."""
    gallery, seen = look_at([(path, name) for name, path in given.files.items()], base, progress)
    names = [info.name for info in gallery.pictures]
    rejected = gallery.rejected
    why = (
        f" that could be read ({len(rejected)} could not: {rejected[0].name} {rejected[0].reason})" if rejected else ""
    )
    kept = replace(
        given, files={name: given.files[name] for name in names}, texts={name: given.texts[name] for name in names}
    )
    check_material(kept, why)
    texts, learned = encode_material(kept, names, base)
    kinds = texts.owner if given.labelled else np.zeros(len(names), int)
    split = split_pictures(seen.vectors, kinds, options.seed)
    return Task(
        base, kept, gallery, seen, texts, learned, split, find_elsewhere(base, now, options.keep_general), options
    )


def start_outcome(task: Task, best: Trial | None, before: float, refused: str, counts: dict[str, int]) -> Tuned:
    """Return what is known before anything is saved."""
    groups = np.bincount(task.split.groups)
    after = {"after": best.score} if best else {}
    return Tuned(
        model=task.base.name,
        revision=task.base.revision,
        settings=task.options,
        pictures=len(task.seen.vectors),
        texts=len(task.texts.vectors),
        labelled=task.texts.labelled,
        duplicates=int(groups[groups > 1].sum()),
        counts=counts | {"test": int(task.split.test.sum())},
        strength=best.strength if best else None,
        ridge=best.ridge if best else None,
        test=None,
        elsewhere=None,
        validation={"before": before} | after,
        cutoffs=None,
        saved=None,
        refused=refused,
        versions={"clipsim": _version("clipsim")} | {name: _version(name) for name in LIBRARIES},
        rejected=task.gallery.rejected,
    )


def _version(library: str) -> str:
    if library == "clipsim":
        from clipsim import __version__

        return __version__
    return version(library)


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """Give a folder beside `folder` to write into, which takes its place once it is whole."""
    fresh = folder.absolute().with_name(f".{folder.absolute().name}-{uuid.uuid4().hex[:8]}")
    try:
        fresh.mkdir(parents=True)
        yield fresh
        if folder.exists():
            folder.rmdir()  # which is empty
        fresh.rename(folder)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written ({error.strerror or error}): give --to another folder."
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
