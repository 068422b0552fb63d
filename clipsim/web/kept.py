"""Answers that are kept: the one that the page opens with, and the last ones, to be looked into and saved."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from clipsim.errors import ClipsimError
from clipsim.scoring import Calibration, CaptionTable, Comparison, Result
from clipsim.web.service import Question, Service

MOST_KEPT = 64  # answers: about as many as people look at within an hour, 10 kB each without their thumbnails


@dataclass(frozen=True)
class Answer:
    """What there is to show: the question, its result, the model's cut-offs, further captions, a second model.

    `table` and `comparison` are there if they were asked for. It is `kept` if nobody waited for it.
    """

    question: Question
    result: Result
    calibration: Calibration | None = None
    table: CaptionTable | None = None
    comparison: Comparison | None = None
    kept: bool = False


class KeptAnswer:
    """The answer to one question, had in the background and kept: to ask it also reads the weights of its model."""

    def __init__(self, service: Service, ask: Callable[[], Question]) -> None:
        """Ask nothing before `start`."""
        self._service, self._ask = service, ask
        self._starting = threading.Lock()
        self._answer: Future[Result] | None = None

    def start(self) -> Future[Result]:
        """Return the answer, or what will be the answer once it is had; after a failure it is asked for anew."""
        with self._starting:
            if self._answer is None or (self._answer.done() and self._answer.exception()):
                self._answer = Future()
                threading.Thread(target=self._run, args=(self._answer,), daemon=True, name="kept answer").start()
            return self._answer

    def _run(self, answer: Future[Result]) -> None:
        try:
            answer.set_result(self._service.answer(self._ask()))
        except Exception as error:  # whoever waits for the answer meets it
            answer.set_exception(error)


class RecentAnswers:
    """The last answers of a server, each found again by its key alone, which is a secret of 128 bits.

    Their pictures stay where they were uploaded, and go from there in their time.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        """Keep the last `most` of them."""
        self._most = most
        self._answers: dict[str, Answer] = {}
        self._changing = threading.Lock()

    def keep(self, answer: Answer) -> str:
        """Keep an answer without its thumbnails, which are for the page, and return its key."""
        key, result = secrets.token_hex(16), answer.result
        scores = tuple(replace(score, thumbnail=None) for score in result.scores)
        with self._changing:
            self._answers[key] = replace(answer, result=replace(result, scores=scores))
            while len(self._answers) > self._most:
                del self._answers[next(iter(self._answers))]
        return key

    def find(self, key: str) -> Answer:
        """Return the answer with that key.

        Raises:
            ClipsimError: there is none, or none any more.
        """
        answer = self._answers.get(key)
        if answer is None:
            raise ClipsimError("This answer is no longer kept: score the pictures again.", code="not_kept")
        return answer
