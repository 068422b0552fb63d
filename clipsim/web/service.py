"""A request on a server, from what a stranger sends to a `Result`: checked, within limits, by one encoder for all."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from clipsim import scoring
from clipsim.embedding import Item, Progress, Rejected, VectorCache
from clipsim.encoders import Encoder, load
from clipsim.errors import ChoiceError, ClipsimError, ImageError, LimitError
from clipsim.images import Decoder, Here
from clipsim.judges import Judge, list_judges, load_judge
from clipsim.options import Options, Precision
from clipsim.pairs import Pair, PairScore, PairSettings, score_pairs
from clipsim.scoring import CaptionTable, CheckList, Comparison, PictureMaps, Result
from clipsim.settings import Limits
from clipsim.web.loading import Step, Tell
from clipsim.web.models import Models
from clipsim.web.monitoring import Metrics, TimedDecoder
from clipsim.web.runs import CancelledError, still_wanted
from clipsim.web.sweeper import KEPT_SECONDS, UploadFolder

MOST_MAPS = 100  # of one check list: each takes a forward pass
PAIRS = PairSettings(block=32)  # rows, after which it is looked whether the time is up


@dataclass(frozen=True)
class Question:
    """What one request asks: pictures and reference as `Service.receive` gives them, the rest as in `score_images`.

    `second_opinion` is the name of a judge of this server, or "".
    """

    pictures: Sequence[Item]
    caption: str | None
    reference: Item | None = None
    model: str = "auto"
    options: Options = Options()
    words: bool = False
    heatmap: bool = False
    thumbnails: bool = False
    checks: bool = False
    second_opinion: str = ""
    opinions: int = scoring.OPINIONS


class Service:
    """What answers every request of one server: within `limits`, of files that lie below the folder `uploads`."""

    def __init__(
        self,
        limits: Limits,
        uploads: Path,
        load_encoder: Callable[..., Encoder] = load,
        kept_seconds: float = KEPT_SECONDS,
        decode: Decoder | None = None,
        load_judge: Callable[..., Judge] = load_judge,
    ) -> None:
        """Take `load_encoder` in place of `clipsim.load`; nothing is loaded before it is needed.

        Every picture that was sent is opened by `decode`, by default in this process, which is for pictures of one's
        own: `clipsim.images.make_decoder` is for those of strangers.

        What was sent goes `kept_seconds` after it was last used.
        """
        self.limits, self.uploads = limits, uploads
        self.files = UploadFolder(uploads, limits.disk_bytes, kept_seconds)
        self.metrics = Metrics()
        self.decode = TimedDecoder(decode or Here(), self.metrics)
        clock = partial(self.metrics.observe, "encode")
        self.models = Models(load_encoder, VectorCache(limits.cache_bytes), self.decode, clock, load_judge)

    def encoder(self, name: str, precision: Precision = "auto") -> Encoder:
        """Return the encoder of that name and precision, one for all visitors; raise as `clipsim.load`."""
        with self.metrics.measure("load"):
            return self.models.get(name, precision)

    def make_ready(self, question: Question, other: str, tell: Tell) -> None:
        """Load the question's model, and the `other` unless it is "", for `answer` to begin at once; raise as that."""
        self.check_size(question.pictures, [question.caption or ""], question.model, other)
        for name in filter(None, (question.model, other)):
            self.models.make_ready(name, question.options.precision, tell)

    def answer(self, question: Question, progress: Progress | None = None, may_be_empty: bool = False) -> Result:
        """Score the pictures against the caption or the reference image, within the limits.

        Raises:
            ClipsimError: more pictures or a longer caption than the limits allow, too slow, nothing that could be
                scored (unless that `may_be_empty`), or what `score_images` raises.
        """
        keywords = self._prepare(question, progress)
        encoder = self.encoder(question.model, question.options.precision)
        self.metrics.note(len(question.pictures), encoder.name)
        with self.metrics.measure("score"):
            result = scoring.score_images(question.pictures, question.caption, encoder, **keywords)
        if not may_be_empty:
            _check_answered(result.scores, result.rejected)
        return result

    def ask_again(self, question: Question, result: Result, tell: Tell | None = None) -> Result:
        """Return a result with the second opinion that the question asks for; the scores stay whatever goes wrong.

        `tell` hears of a judge that is loaded and of each of its opinions.

        Raises:
            ChoiceError: the judge is none of this server.
        """
        name, judges = question.second_opinion, [row.name for row in list_judges()]
        if not name:
            return result
        if name not in judges:
            raise ChoiceError("second_opinion", name, judges)
        check = self._in_time(None, "second opinions were had")

        def hear(step: Step, model: str, done: int, total: int) -> None:
            if tell:
                tell(step, model, done, total)
            check(0, question.opinions)

        def find() -> Judge:
            with self.metrics.measure("load"):
                return self.models.get_judge(name, question.options.precision, hear)

        def count(done: int, total: int) -> None:
            if tell:
                tell("judging", name, done, total)
            check(done, total)

        with self.metrics.measure("judge"):
            return scoring.ask_again(result, find, opinions=question.opinions, progress=count)

    def answer_captions(
        self, question: Question, captions: Sequence[str], progress: Progress | None = None
    ) -> CaptionTable:
        """Score the pictures against several captions instead; raise as `answer`, and for too many captions."""
        self.check_size(question.pictures, captions, question.model)
        options, check = question.options, self._in_time(progress)
        encoder = self.encoder(question.model, options.precision)
        self.metrics.note(len(question.pictures), encoder.name)
        with self.metrics.measure("score"):
            table = scoring.score_captions(question.pictures, captions, encoder, options=options, progress=check)
        _check_answered(table.pictures, table.rejected)
        return table

    def check_text(self, question: Question, places: bool = True, progress: Progress | None = None) -> CheckList:
        """Check the caption statement by statement instead; raise as `answer`, and for too many statements.

        Where too many maps would have to be drawn it is not said where statements lie.
        """
        caption = question.caption or ""
        self.check_size(question.pictures, [caption], question.model)
        options, check = question.options, self._in_time(progress)
        encoder = self.encoder(question.model, options.precision)
        self.metrics.note(len(question.pictures), encoder.name)
        few = len(question.pictures) * len(scoring.split_statements(caption)) <= MOST_MAPS
        with self.metrics.measure("score"):
            found = scoring.check_text(
                question.pictures, caption, encoder, options=options, places=places and few, progress=check
            )
        _check_answered(found.pictures, found.rejected)
        return found

    def answer_models(self, question: Question, other: str, progress: Progress | None = None) -> Comparison:
        """Score the pictures by the `other` model too, side by side; raise as `answer`, and for the same model."""
        self.check_texts(other)
        keywords = self._prepare(question, progress)
        encoders = [self.encoder(model, question.options.precision) for model in (question.model, other)]
        self.metrics.note(len(question.pictures), encoders[0].name)
        with self.metrics.measure("score"):
            comparison = scoring.compare_models(question.pictures, question.caption, encoders, **keywords)
        _check_answered(comparison.pictures, comparison.results[0].rejected)
        return comparison

    def answer_pairs(
        self, question: Question, pairs: Sequence[Pair], progress: Progress | None = None
    ) -> tuple[list[PairScore], Encoder]:
        """Score every picture with its own caption, and return by which model; raise as `answer`."""
        if not pairs:
            raise ClipsimError("There are no pictures to score: add at least one.", code="no_pictures")
        longest = max((pair.caption for pair in pairs), key=len, default="")
        self.check_size([pair.picture for pair in pairs if pair.picture is not None], [longest], question.model)
        options, check = question.options, self._in_time(progress)
        encoder = self.encoder(question.model, options.precision)
        self.metrics.note(len(pairs), encoder.name)

        def tell(done: int, _: int) -> None:
            check(done, len(pairs))

        with self.metrics.measure("score"):
            scores = list(score_pairs(pairs, encoder, options, settings=PAIRS, progress=tell))
        rejected = [Rejected(one.name, one.rejected) for one in scores if one.rejected]
        _check_answered([one for one in scores if not one.rejected], rejected)
        return scores, encoder

    def map_picture(self, question: Question, result: Result, name: str) -> PictureMaps:
        """Find where the caption, or the reference image, and each of its words lie in one picture of an answer.

        Raises:
            ClipsimError: there is no such picture, or it cannot be read any more.
        """
        score = next((score for score in result if score.name == name), None)
        if score is None or name not in result.pictures:
            sentence = "This picture is not among those that were scored: score it first."
            raise ClipsimError(sentence, code="unknown_picture")
        return scoring.map_picture(
            (result.pictures[name], name),
            result.caption,
            self.encoder(question.model, question.options.precision),
            reference=question.reference,
            options=question.options,
            words=result.words or () if score.words else (),
            added=score.words or (),
        )

    def _prepare(self, question: Question, progress: Progress | None) -> dict[str, Any]:
        """Check the question's size, and return what `score_images` takes by name."""
        self.check_size(question.pictures, [question.caption or ""], question.model)
        named = ("reference", "options", "words", "heatmap", "thumbnails", "checks")
        return {name: vars(question)[name] for name in named} | {"progress": self._in_time(progress)}

    def check_size(self, pictures: Sequence[Item], captions: Sequence[str], *texts: str) -> None:
        """Raise a `LimitError` for more pictures or captions, or a longer caption or text, than the limits allow."""
        counts = {"images": len(pictures), "captions": len(captions), "caption": max(map(len, captions), default=0)}
        for what, count in counts.items():
            if count > (limit := vars(self.limits)[what]):
                raise LimitError(what, count, limit)
        self.check_texts(*texts)

    def check_texts(self, *texts: str | None) -> None:
        """Raise a `LimitError` if one of the texts, which are no captions, is longer than the limit."""
        longest, limit = max((len(text or "") for text in texts), default=0), self.limits.text
        if longest > limit:
            raise LimitError("text", longest, limit)

    def receive(self, sent: Any) -> Item:
        """Return what a client sent as a picture, checked: an uploaded file, or the bytes in a data: address.

        Raises:
            ImageError: a path that was not uploaded, a web address (they are never fetched), or too large a file.
            LimitError: too long a path or name.
        """
        path, name = (sent.get("path"), sent.get("orig_name")) if isinstance(sent, dict) else (sent, None)
        if not isinstance(path, str) or not path:
            raise ImageError("A picture", "has no file: upload it first, then score it.", code="not_uploaded")
        name = str(name).encode(errors="replace").decode() if name else None  # no half characters in answers
        self.check_texts(name, "" if path.startswith("data:") else path)
        if path.startswith("data:"):
            return self._decode_address(path), Path(name or "picture").name
        if path.startswith(("http:", "https:")):
            reason = "is a web address, which is not fetched: upload the file, or send it as a data: address."
            raise ImageError(path, reason, code="web_address")
        return self._check_upload(path), Path(name or path).name

    def _check_upload(self, path: str) -> Path:
        """Return the path of a file below the upload folder; a caller of the API can put any string in its place."""
        file = Path(path)
        with suppress(OSError, ValueError):  # a name that no file can have
            if file.resolve().is_relative_to(self.uploads.resolve()):
                self._check_bytes(file.name, file.stat().st_size)
                self.files.use(file)
                return file
        raise ImageError(file.name, "was not uploaded: upload it first, then score it.", code="not_uploaded")

    def _decode_address(self, address: str) -> bytes:
        """Return the bytes in a data: address (RFC 2397) in base64."""
        head, comma, data = address.partition(",")
        self._check_bytes("A data: address", len(data) * 3 // 4)
        try:
            if not comma or not head.endswith(";base64"):
                raise ValueError(head)
            return base64.b64decode(data, validate=True)
        except ValueError as error:  # which binascii.Error is too
            raise ImageError("A data: address", "is not in base64: send data:image/jpeg;base64,...") from error

    def _check_bytes(self, name: str, size: int) -> None:
        if size > (limit := self.limits.file_bytes):
            reason = f"is larger than {limit / 1e6:g} MB, the limit: make it smaller first."
            raise ImageError(name, reason, code="file_too_large")

    def _in_time(self, progress: Progress | None, what: str = "pictures were scored") -> Progress:
        """Return `progress` as a check that ends the request once its time is up, with how many of `what` so far."""
        seconds = self.limits.seconds
        until = time.monotonic() + seconds
        is_wanted = still_wanted.get()  # here, as progress may be told on another thread

        def check(done: int, total: int) -> None:
            if not is_wanted():
                raise CancelledError("The client is gone.")
            if progress:
                progress(done, total)
            if done < total and time.monotonic() > until:
                reached = f"After {seconds} s only {done} of {total} {what}"
                raise ClipsimError(f"{reached}: send fewer at once.", code="too_slow")

        return check


def _check_answered(scored: Sequence[Any], rejected: Sequence[Rejected]) -> None:
    if not scored:
        reasons = " ".join(f"{one.name} {one.reason}." for one in rejected)
        raise ClipsimError(f"Nothing could be scored: {reasons}", code="nothing_scored")
