"""Checkpoints from the model hub: from its local cache, else downloaded."""

from __future__ import annotations

import fnmatch
import hashlib
import importlib.util
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import huggingface_hub  # which imports what it has when it is used
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils.tqdm import tqdm

from clipsim.errors import ClipsimError, EncoderError

# What a checkpoint's folder must hold, each in one of these forms.
PARTS = (
    ("config.json",),
    ("preprocessor_config.json", "processor_config.json"),
    ("tokenizer.json", "vocab.json", "tokenizer.model", "spiece.model"),
    ("model*.safetensors", "pytorch_model*.bin"),  # the latter of a folder, and of `fetch` where it may be
)
OPEN_CLIP = ("open_clip_config.json", "open_clip_model.safetensors")  # what a checkpoint of open_clip holds
MAIN = "main"  # the branch that a repository's name stands for
SMALL, WEIGHTS = ("*.json", "*.txt", "*.model"), "model*.safetensors"  # what is downloaded
PICKLED = "pytorch_model*.bin"  # weights in the older form

Progress = Callable[[int, int], None]
OWN_FILES = "calibration-clipsim"  # what files begin with that clipsim itself puts into a checkpoint's folder


def digest_checkpoint(folder: Path) -> str:
    """Return a digest of the content of a checkpoint's files, wherever they lie; it takes a second for 600 MB."""
    whole = hashlib.sha256()
    for path in sorted({path for forms in PARTS for form in forms for path in folder.glob(form)}):
        with path.open("rb") as file:
            whole.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def fetch(
    hub_id: str,
    patience: float,
    progress: Progress | None = None,
    revision: str = MAIN,
    *,
    pickled: bool = False,
) -> Path:
    """Return the folder with a hub repository's files: from the local cache, else downloaded.

    No code of the repository is ever run.

    Args:
        hub_id: "owner/name".
        patience: seconds to wait for the hub's first answer. A download that has begun takes as long as it takes.
        progress: called with the bytes that are downloaded and in all, from any thread; what it raises ends the
            download, if that is a `ClipsimError`.
        revision: of the repository; a commit's hash stands for the same files for ever, a branch for its last commit
            at the first download: what the cache has of it is kept.
        pickled: whether weights are taken in the older form, pickled, if there are no safetensors.

    Raises:
        EncoderError: neither the cache nor the hub has the files; the message says what was tried.
    """
    cached = _find_cached(hub_id, revision)
    if cached:
        return cached if pickled else _refuse_pickled(hub_id, [path.name for path in cached.iterdir()], cached)
    try:
        info = _call_within(patience, lambda: huggingface_hub.HfApi().model_info(hub_id, revision=revision))
        files = [sibling.rfilename for sibling in info.siblings or []]
        # one copy of the weights: repositories also carry them for other libraries
        weights = next((form for form in (WEIGHTS, OPEN_CLIP[1]) if fnmatch.filter(files, form)), PICKLED)
        if not pickled:
            _refuse_pickled(hub_id, files)
        # by the name that is asked for later: what was had as a commit is not found again, without the hub, as a branch
        chosen: dict[str, Any] = {"revision": revision, "allow_patterns": [*SMALL, weights]}
        return Path(huggingface_hub.snapshot_download(hub_id, **chosen, tqdm_class=_make_bars(progress)))
    except ClipsimError:
        raise
    except Exception as error:  # no network, no such repository, a gate, a full disk: one sentence for all, cause kept
        pinned = "" if revision == MAIN else f" --revision {revision}"
        raise EncoderError(
            f"{hub_id} is not on this machine and could not be had from the model hub ({explain_failure(error)}): "
            f"check the name and the network, fetch it where there is one (hf download {hub_id}{pinned}), give the "
            "folder of a checkpoint, or use stand-in"
        ) from error


def _refuse_pickled(hub_id: str, files: list[str], folder: Path = Path()) -> Path:
    """Return the folder, or raise an `EncoderError` if the weights among the files are pickled only."""
    if fnmatch.filter(files, PICKLED) and not any(fnmatch.filter(files, form) for form in (WEIGHTS, OPEN_CLIP[1])):
        raise EncoderError(
            f"{hub_id} has its weights as a pickle only (pytorch_model.bin), which could run code when it is read: "
            "take a repository with model.safetensors, or convert it and give the folder"
        )
    return folder


def is_open_clip(folder: Path) -> bool:
    """Return whether a folder holds a checkpoint of open_clip, and none of transformers."""
    own = any(any(folder.glob(form)) for form in (WEIGHTS, PICKLED))
    return (folder / OPEN_CLIP[0]).is_file() and not own


def check_open_clip(name: str) -> None:
    """Raise an `EncoderError` unless open_clip is installed, which `name` needs."""
    if importlib.util.find_spec("open_clip") is None:
        raise EncoderError(f'{name} needs open_clip, which is not installed: pip install "clipsim[open-clip]"')


def is_offline() -> bool:
    """Return whether the hub is switched off (`HF_HUB_OFFLINE`)."""
    return huggingface_hub.is_offline_mode()


def is_cached(hub_id: str, revision: str = MAIN) -> bool:
    """Return whether a hub repository's files of that revision are on this machine; the network is not asked."""
    return _find_cached(hub_id, revision) is not None


def find_missing_part(folder: Path) -> str:
    """Return what a checkpoint's folder lacks, or "" if it is whole."""
    parts = tuple((form,) for form in OPEN_CLIP) if is_open_clip(folder) else PARTS
    for forms in parts:
        if not any(any(folder.glob(form)) for form in forms):
            return " or ".join(forms)
    return ""


def explain_failure(error: BaseException) -> str:
    """Return the first sentence of what a library says went wrong, without the codes of an operating system."""
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if "[Errno" in str(error):
        return "it cannot be reached from here"
    return (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0].rstrip(".")


def _make_bars(progress: Progress | None) -> type[tqdm] | None:
    """Return what huggingface_hub takes for its bars: draws nothing, and tells `progress`; None for its own."""
    if progress is None:
        return None
    tell = progress
    bars: list[tqdm] = []  # bytes from the network, and bytes written, which are as many or more; both of one total

    class Bar(tqdm):
        def __init__(self, *args: Any, unit: str = "it", **options: Any) -> None:
            options["disable"] = True
            super().__init__(*args, unit=unit, **options)  # type: ignore[no-untyped-call]
            if unit == "B":
                bars.append(self)

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            if self in bars:
                done, total = max(bar.n for bar in bars), min(bar.total or 0 for bar in bars)
                tell(int(min(done, total)), int(total))

    return Bar


def _call_within(seconds: float, call: Callable[[], Any]) -> Any:
    """Return what `call` returns, if in time; a library's own time-outs bound each step of each try, not the whole."""
    answer: Future[Any] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()  # a thread of a pool would keep the process from ending
    try:
        return answer.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"no answer within {seconds:g} s") from None


def _find_cached(hub_id: str, revision: str) -> Path | None:
    # without patterns it would miss what other libraries need; weights of the older form need not match
    chosen: dict[str, Any] = {"revision": revision, "allow_patterns": [*SMALL, WEIGHTS]}
    try:
        folder = Path(huggingface_hub.snapshot_download(hub_id, **chosen, local_files_only=True))
    except (FileNotFoundError, ValueError):  # not a file of it, or no such name
        return None
    return None if find_missing_part(folder) else folder  # an interrupted download leaves a folder that lacks some
