"""gradio's queue, with a fair share for each client.

What is overridden of gradio: who is let in (`push`), the order in which requests run (`get_events`, and the positions
that clients are told), what is counted when one has run (`process_events`), and where messages to clients are kept, as
`unfetched` says.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

import gradio as gr
from fastapi import HTTPException, Request
from gradio.block_function import BlockFunction
from gradio.context import LocalContext
from gradio.data_classes import PredictBodyInternal
from gradio.queueing import Event, EventQueue, Queue
from gradio.server_messages import EstimationMessage, EventMessage, ProcessCompletedMessage
from gradio.utils import error_payload

from clipsim.errors import BusyError
from clipsim.settings import Limits
from clipsim.web.refusals import refuse
from clipsim.web.runs import still_wanted
from clipsim.web.shares import Client, Shares, Ticket, find_address
from clipsim.web.unfetched import MOST_SESSIONS, Unfetched

FIRST_GUESS = 1.0  # seconds that a request is expected to run before any did
PENDING = 32  # answers for one session, after which it is told by the status alone that it is refused
UNREAD = 16  # messages that wait for a client, after which it is told no more of its position


class FairQueue(Queue):
    """A queue in which no client keeps the others waiting, or fills it."""

    def __init__(self, page: gr.Blocks, limits: Limits) -> None:
        """Make ready to take the place of the queue that `page` has."""
        super().__init__(
            live_updates=True, concurrency_count=page.max_threads, update_intervals=1, max_size=None, blocks=page
        )
        self.unfetched = Unfetched(lambda session: self.pending_event_ids_session.pop(session, None))
        self.pending_messages_per_session = self.unfetched
        self._shares = Shares(limits.queue, limits.per_address, limits.per_session)
        self._proxies, self._on_spaces = limits.proxies, bool(os.environ.get("SPACE_ID"))
        self._tickets: WeakKeyDictionary[Event, Ticket] = WeakKeyDictionary()

    async def push(self, body: PredictBodyInternal, request: Request, username: str | None) -> Any:
        """Let a request in, or refuse it with a sentence that says when to come back."""
        try:
            return await self.enter(body, request, username)
        except BusyError as error:
            return self._refuse(body, request, error)

    async def enter(self, body: PredictBodyInternal, request: Request, username: str | None = None) -> Any:
        """Let a request in as gradio does.

        Raises:
            BusyError: the client has its share, or the queue is full.
        """
        leaving = self._shares.admit(self._waiting(), self._identify(request, body.session_hash))
        if leaving is not None:
            self._put_out(leaving)
        return await super().push(body, request, username)

    async def begin(self, body: PredictBodyInternal, request: Request) -> Event:
        """Let in a request that comes by another door than gradio's; raise as `enter`. It has to be ended."""
        if self.server_app is None:
            self.set_server_app(self.blocks.app)
        _, event_id, _ = await self.enter(body, request)
        return self.event_ids_to_events[event_id]

    async def end(self, event: Event) -> None:
        """Forget a request that came by another door, and what still waits or runs of it."""
        await self.clean_events(event_id=event._id)
        self.unfetched.pop(event.session_hash, None)
        self.pending_event_ids_session.pop(event.session_hash, None)

    def why_put_out(self, event: Event) -> BusyError | None:
        """Return why a request had to leave the queue, if it had to."""
        return self._ticket(event).error

    def _refuse(self, body: PredictBodyInternal, request: Request, error: BusyError) -> Any:
        """Refuse a request by HTTP's own means, or such that gradio's clients show the sentence: not by the status."""
        session = body.session_hash
        if session and "x-gradio-user" in request.headers and len(self.unfetched) < MOST_SESSIONS // 2:
            if session not in self.unfetched:
                self.unfetched[session] = asyncio.Queue()
            pending = self.pending_event_ids_session.setdefault(session, set())
            if len(pending) < PENDING:
                event_id = uuid4().hex
                pending.add(event_id)
                self.unfetched[session].put_nowait(_failed(error, event_id, request))
                return True, event_id, "success"
        raise HTTPException(error.http_status, str(error), {"Retry-After": str(error.retry_after)})

    def _put_out(self, ticket: Ticket) -> None:
        """Take a request out of the queue, and tell its client when to come back."""
        event = next(event for event, one in self._tickets.items() if one is ticket)
        waiting = self.event_queue_per_concurrency_id[event.concurrency_id].queue
        ticket.error = self._shares.put_out(ticket, self._waiting())
        waiting.remove(event)
        self.event_ids_to_events.pop(event._id, None)
        self.send_message(event, _failed(ticket.error, event._id, event.request))

    def get_events(self) -> tuple[list[Event], bool, str] | None:
        """Return whose turn it is, as gradio does, after putting those that wait in order."""
        for queue in self.event_queue_per_concurrency_id.values():
            limit = queue.concurrency_limit
            if queue.queue and limit is not None and queue.current_concurrency < limit:
                self._arrange(queue)
        with self._held_back():
            found = super().get_events()
        if found and self.event_queue_per_concurrency_id[found[2]].concurrency_limit is not None:
            for event in found[0]:
                self._shares.start(self._ticket(event))
        return found

    @contextmanager
    def _held_back(self) -> Iterator[None]:
        """Hide from gradio the requests of clients that have their places already."""
        before = [(queue, queue.queue) for queue in self.event_queue_per_concurrency_id.values()]
        for queue, waiting in before:
            if (limit := queue.concurrency_limit) is not None:
                queue.queue = [event for event in waiting if self._shares.may_start(self._ticket(event), limit)]
        shown = [set(queue.queue) for queue, _ in before]
        try:
            yield
        finally:
            for (queue, waiting), visible in zip(before, shown, strict=True):
                gone = visible.difference(queue.queue)
                queue.queue = [event for event in waiting if event not in gone]

    def broadcast_estimations(self, concurrency_id: str, after: int | None = None) -> None:
        """Tell clients their positions, all whose position may be another than before."""
        queue = self.event_queue_per_concurrency_id[concurrency_id]
        changed = self._arrange(queue)
        super().broadcast_estimations(concurrency_id, None if after is None else min(after, changed))

    def send_message(self, event: Event, event_message: EventMessage) -> None:
        """Send a message as gradio does, but no positions to those who do not read them."""
        if isinstance(event_message, EstimationMessage) and self.unfetched[event.session_hash].qsize() >= UNREAD:
            return
        super().send_message(event, event_message)

    async def process_events(self, events: list[Event], batch: bool, begin_time: float, fn: BlockFunction) -> None:
        """Run requests as gradio does, and count what they took; who works on them can ask if they are still wanted."""
        began = time.monotonic()
        still_wanted.set(lambda: any(event.alive for event in events))  # in the context of this task alone
        try:
            await super().process_events(events, batch, begin_time, fn)
        finally:
            for event in events:
                self._shares.finish(self._ticket(event), time.monotonic() - began)
            self._forget_read()

    def compute_analytics_summary(self, records: Any) -> Any:  # noqa: ARG002
        """Compute nothing: gradio would make a table of the last 10,000 requests after each, for a page that is off."""
        return self.cached_event_analytics_summary

    def _waiting(self) -> list[Ticket]:
        queues = self.event_queue_per_concurrency_id.values()
        return [self._ticket(event) for queue in queues for event in queue.queue]

    def _arrange(self, queue: EventQueue) -> int:
        """Put the requests of one queue in order; return the first place at which there is another one than before."""
        before = list(queue.queue)
        events = {self._ticket(event): event for event in before}
        queue.queue[:] = [events[ticket] for ticket in self._shares.order(list(events))]
        return next((i for i, event in enumerate(queue.queue) if event is not before[i]), len(before))

    def _ticket(self, event: Event) -> Ticket:
        if event not in self._tickets:
            # gradio names a session that has no name after its request
            session = None if event.session_hash == event._id else event.session_hash
            messages = self.unfetched.get(event.session_hash)
            known = event.fn in self.process_time_per_fn  # else to ask would add it
            self._tickets[event] = self._shares.join(
                self._identify(event.request, session),
                self.process_time_per_fn[event.fn].avg_time if known else FIRST_GUESS,
                messages.is_read if messages else lambda: False,
            )
        return self._tickets[event]

    def _identify(self, request: Request, session: str | None) -> Client:
        """Return who asks: who has no session is told apart by the connection, unless that is a proxy's."""
        peer, port = request.client or ("", 0)
        forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
        address = find_address(peer, forwarded, self._proxies, self._on_spaces)
        connection = "" if self._proxies or self._on_spaces else f":{port}"
        return Client(address, session or connection)

    def _forget_read(self) -> None:
        """Forget the messages of sessions that have fetched all, of which gradio keeps as many as fit."""
        for session, messages in list(self.unfetched.items()):
            if not self.pending_event_ids_session.get(session) and not messages.is_read():
                del self.unfetched[session]
                self.pending_event_ids_session.pop(session, None)


def _failed(error: BusyError, event_id: str, request: Request) -> ProcessCompletedMessage:
    """Return the message that gradio's clients show as an error, in the form for whoever sent the request."""
    before = LocalContext.request.set(gr.Request(request))
    try:
        output: Any = error_payload(refuse(error), show_error=True)
    finally:
        LocalContext.request.reset(before)
    return ProcessCompletedMessage(output=output, title=output["title"], success=False, event_id=event_id)
