"""Answers that are kept: the one that the page opens with, and the last ones, to be looked into and saved."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from clipsim.errors import ClipsimError
from clipsim.scoring import Calibration, CaptionTable, CheckList, Comparison, Result
from clipsim.web.service import Question, Service
from clipsim.web.sizes import measure

MOST_KEPT = 64  # answers: about as many as people look at within an hour, 10 kB each without their thumbnails
MOST_BYTES = 64_000_000  # of all of them: maps of a hundred pictures take megabytes


def _make_key() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Answer:
    """What there is to show: the question, its result, the model's cut-offs, further captions, a second model.

    `table` and `comparison` are there if they were asked for, `checklist` if the caption has several sentences. It is
    `kept` if nobody waited for it. Its `key`, a secret of 128 bits, stays its own however often it is shown.
    """

    question: Question
    result: Result
    calibration: Calibration | None = None
    table: CaptionTable | None = None
    comparison: Comparison | None = None
    checklist: CheckList | None = None
    kept: bool = False
    key: str = field(default_factory=_make_key)


class KeptAnswer:
    """The answer to one question, had in the background and kept: to ask it also reads the weights of its model.

    Attributes:
        key: of the answer, the same for all to whom it is shown.
    """

    def __init__(self, service: Service, ask: Callable[[], Question]) -> None:
        """Ask nothing before `start`."""
        self._service, self._ask = service, ask
        self.key = _make_key()
        self._starting = threading.Lock()
        self._answer: Future[Result] | None = None

    def start(self) -> Future[Result]:
        """Return the answer, or what will be the answer once it is had; after a failure it is asked for anew."""
        with self._starting:
            if self._answer is None or (self._answer.done() and self._answer.exception()):
                self._answer = Future()
                threading.Thread(target=self._run, args=(self._answer,), daemon=True, name="kept answer").start()
            return self._answer

    def why_not_ready(self) -> str:
        """Say why the answer is not there yet, and ask for it anew after a failure; "" if it is there."""
        answer = self._answer
        if answer is None or not answer.done():
            return "The default model is being loaded."
        if error := answer.exception():
            self.start()
            return str(error) if isinstance(error, ClipsimError) else "The default model cannot be loaded."
        return ""

    def _run(self, answer: Future[Result]) -> None:
        try:
            answer.set_result(self._service.answer(self._ask()))
        except Exception as error:  # whoever waits for the answer meets it
            answer.set_exception(error)


class RecentAnswers:
    """The last answers of a server, each kept once and found again by its key alone, which is a secret of 128 bits.

    Their pictures stay where they were uploaded, and go from there in their time.
    """

    def __init__(self, most: int = MOST_KEPT, most_bytes: int = MOST_BYTES) -> None:
        """Keep the last `most` of them, or fewer that take `most_bytes` together."""
        self._most, self._most_bytes, self._bytes = most, most_bytes, 0
        self._answers: dict[str, tuple[Answer, int]] = {}
        self._changing = threading.Lock()

    def keep(self, answer: Answer) -> str:
        """Keep an answer without its thumbnails, which are for the page, and return its key."""
        scores = tuple(replace(score, thumbnail=None) for score in answer.result.scores)
        kept = replace(answer, result=replace(answer.result, scores=scores))
        size = measure(kept)
        with self._changing:
            self._bytes += size - self._answers.pop(kept.key, (kept, 0))[1]
            self._answers[kept.key] = kept, size  # the last is the one that was shown last
            while len(self._answers) > self._most or (self._bytes > self._most_bytes and len(self._answers) > 1):
                self._bytes -= self._answers.pop(next(iter(self._answers)))[1]
        return kept.key

    def find(self, key: str) -> Answer:
        """Return the answer with that key.

        Raises:
            ClipsimError: there is none, or none any more.
        """
        answer, _ = self._answers.get(key, (None, 0))
        if answer is None:
            raise ClipsimError("This answer is no longer kept: score the pictures again.", code="not_kept")
        return answer
