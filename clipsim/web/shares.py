"""Who may wait in a queue, and whose turn it is: a fair share for each client, counted in requests and in seconds."""

from __future__ import annotations

import heapq
import ipaddress
import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from clipsim.errors import BusyError

ALIKE = 3  # a request that runs up to so many times longer or shorter than others counts as they do: machines vary
REQUEST_SECONDS = 0.1  # what a request counts for beside the seconds that it runs
KNOWN = 2_000  # clients of which it is remembered that they were served
LONGEST_WAIT = 600  # seconds after which at most a client is told to come back

Key = TypeVar("Key", bound=Hashable)
Groups = dict[str, list["Ticket"]]


class FullError(BusyError):
    """The queue is full, with the requests of all clients."""

    @property
    def http_status(self) -> int:
        """The status of a server's answer."""
        return 503


class Client(NamedTuple):
    """Who asks: an address, and which of those behind it, "" if that is not known."""

    address: str
    session: str = ""


@dataclass(eq=False)
class Ticket:
    """One request that waits or runs.

    Attributes:
        client: who asked.
        seconds: how long it is expected to run.
        is_heard: whether someone is connected who will get its answer.
        number: which one it was to come.
        error: why it was put out of the queue, if it was.
    """

    client: Client
    seconds: float
    is_heard: Callable[[], bool]
    number: int
    error: BusyError | None = None


def find_address(peer: str, forwarded: str, proxies: int, any_proxy: bool = False) -> str:
    """Return the address of the client behind a connection.

    Args:
        peer: the address of the other end.
        forwarded: the header X-Forwarded-For, to which each proxy adds the address that it was called from.
        proxies: how many proxies of one's own there are; what others wrote into the header is not believed.
        any_proxy: whether there is a proxy in any case, which begins the header anew.

    Returns:
        an IPv4 address, the /64 network of an IPv6 address (which one client has whole), or what else was found.
    """
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    place = -proxies if proxies else 0
    found = hops[place] if (proxies or any_proxy) and len(hops) >= max(1, proxies) else peer
    with suppress(ValueError):
        address = ipaddress.ip_address(found)
        if isinstance(address, ipaddress.IPv6Address):
            return str(address.ipv4_mapped or ipaddress.ip_network((int(address), 64), strict=False))
    return found[:64] or "unknown"


class _Rounds:
    """How much of the machine each of several has had, against what it is due: an equal part while it wants some.

    Who comes, comes with what is due until then, so that neither a newcomer nor who was away is ahead of the others.
    """

    def __init__(self) -> None:
        self.used: dict[str, float] = {}
        self._now = 0.0  # what each of those is due who wanted some all the time
        self._active: set[str] = set()

    def settle(self, active: set[str]) -> None:
        """Take note of who wants some now; who is done is forgotten, unless it had more than its due."""
        for key in active - self._active:
            self.used[key] = max(self._now, self.used.get(key, 0.0))
        self.used = {key: used for key, used in self.used.items() if key in active or (active and used > self._now)}
        self._active = active

    def charge(self, key: str, seconds: float) -> None:
        """Take note that one of them had so many seconds."""
        self.used[key] = self.used.get(key, self._now) + seconds
        self._now += seconds / max(1, len(self._active))

    def interleave(self, groups: Mapping[str, Iterable[Ticket]]) -> Iterator[Ticket]:
        """Yield the tickets of all, each time one of whoever has used least by then; of equals, who came first."""
        rests = {key: iter(tickets) for key, tickets in groups.items()}
        firsts = {key: next(rest) for key, rest in rests.items()}
        heads = [(self.used.get(key, self._now), first.number, first, key) for key, first in firsts.items()]
        heapq.heapify(heads)
        while heads:
            used, _, ticket, key = heapq.heappop(heads)
            yield ticket
            if following := next(rests[key], None):
                heapq.heappush(heads, (used + ticket.seconds + REQUEST_SECONDS, following.number, following, key))


@dataclass
class Shares:
    """The shares of all who use one queue. Addresses take turns, and the sessions behind one address among themselves.

    Attributes:
        most: requests that may wait.
        per_address: those of one address, at most all but one.
        per_session: those of one session.
    """

    most: int
    per_address: int
    per_session: int
    _addresses: _Rounds = field(default_factory=_Rounds)
    _sessions: dict[str, _Rounds] = field(default_factory=dict)  # by address
    _running: set[Ticket] = field(default_factory=set)
    _known: dict[Client, None] = field(default_factory=dict)  # the one that was served last is last
    _heard: dict[str, None] = field(default_factory=dict)  # addresses that fetched an answer, alike
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        """Keep a place in the queue for a second address."""
        self.per_address = min(self.per_address, max(1, self.most - 1))

    def join(self, client: Client, seconds: float, is_heard: Callable[[], bool]) -> Ticket:
        """Return the ticket of a client's request, which is admitted and expected to run for so many seconds."""
        return Ticket(client, seconds, is_heard, next(self._numbers))

    def admit(self, waiting: Sequence[Ticket], client: Client) -> Ticket | None:
        """Let a client's request in, and return which one of those that wait has to leave for it, if any.

        Raises:
            BusyError: the client has its share.
            FullError: the queue is full, and nobody has more in it than the client's address.
        """
        addresses = _group(waiting, _address_of)
        own = addresses.get(client.address, [])
        mine = sum(ticket.client == client for ticket in own)
        if client.session and mine >= self.per_session:
            raise BusyError(self._wait(waiting, own), f"{mine} requests of yours wait already, the limit")
        if len(own) >= self.per_address:
            leaving = self._find_leaving(own, client)
            why = f"{len(own)} requests of your network wait already, the limit"
            if leaving is None:
                raise BusyError(self._wait(waiting, own), why)
            return leaving
        if len(waiting) < self.most:
            return None
        longest = max(addresses.values(), key=len)
        if len(longest) <= len(own) + 1:
            raise FullError(self._wait(waiting, waiting), f"The queue is full with {len(waiting)} requests")
        return next((ticket for ticket in longest if not ticket.is_heard()), longest[-1])

    def _find_leaving(self, own: Sequence[Ticket], client: Client) -> Ticket | None:
        """Return which request of its address leaves for one more of a client.

        First those leave whose answer nobody is there to fetch, if others of the address fetch theirs. Then, for a
        client that was served before, one of those that were not: one flooding client could seem to be many new ones.
        Then the last one of a session that has more than the client.
        """
        unheard = next((ticket for ticket in own if not ticket.is_heard()), None)
        if unheard and client.address in self._heard:
            return unheard
        known = client in self._known
        new = [ticket for ticket in own if ticket.client not in self._known]
        if known and new:
            return new[-1]
        longest = max(_group(own, _session_of).values(), key=len)
        more = len(longest) > sum(ticket.client == client for ticket in own) + 1
        return longest[-1] if known and more else None

    def put_out(self, ticket: Ticket, waiting: Sequence[Ticket]) -> BusyError:
        """Return what to tell the client whose request leaves the queue for another one."""
        own = [one for one in waiting if one.client.address == ticket.client.address]
        return BusyError(self._wait(waiting, own), "Your request left the queue for others'")

    def order(self, waiting: Sequence[Ticket]) -> list[Ticket]:
        """Return the requests that wait in the order in which they would run if no more came.

        Those come last whose answer nobody is there to fetch.
        """
        heard = [ticket for ticket in waiting if ticket.is_heard()]
        unheard = [ticket for ticket in waiting if ticket not in heard]
        for address in {ticket.client.address for ticket in heard}:
            _remember(self._heard, address)
        self._settle(heard or waiting)
        return [ticket for part in (heard, unheard) for ticket in self._take_turns(part)]

    def _take_turns(self, waiting: Sequence[Ticket]) -> Iterator[Ticket]:
        addresses = {
            address: self._sessions.setdefault(address, _Rounds()).interleave(_group(own, _session_of))
            for address, own in _group(waiting, _address_of).items()
        }
        return self._addresses.interleave(addresses)

    def may_start(self, ticket: Ticket, places: int) -> bool:
        """Return whether a request may take one of so many places: a client leaves one of them to the others."""
        running = sum(one.client == ticket.client for one in self._running)
        return running < max(1, places - 1)

    def start(self, ticket: Ticket) -> None:
        """Take note that a request runs."""
        self._running.add(ticket)
        self._charge(ticket, ticket.seconds + REQUEST_SECONDS)

    def finish(self, ticket: Ticket, seconds: float) -> None:
        """Take note that a request has run for so many seconds, if it was started."""
        if ticket not in self._running:
            return
        if not ticket.seconds / ALIKE < seconds < ticket.seconds * ALIKE:
            self._charge(ticket, seconds - ticket.seconds)
        self._running.remove(ticket)
        if ticket.client.session:
            _remember(self._known, ticket.client)

    def _charge(self, ticket: Ticket, seconds: float) -> None:
        self._addresses.charge(ticket.client.address, seconds)
        self._sessions.setdefault(ticket.client.address, _Rounds()).charge(ticket.client.session, seconds)

    def _settle(self, waiting: Iterable[Ticket]) -> None:
        active = _group(itertools.chain(waiting, self._running), _address_of)
        self._addresses.settle(set(active))
        self._sessions = {address: self._sessions.get(address) or _Rounds() for address in active}
        for address, own in active.items():
            self._sessions[address].settle(set(map(_session_of, own)))

    def _wait(self, waiting: Sequence[Ticket], own: Sequence[Ticket]) -> int:
        """Return after how many seconds half of a client's own requests will have run."""
        half = set(sorted(own, key=lambda ticket: ticket.number)[: (len(own) + 1) // 2])
        seconds = 0.0
        for ticket in self.order(waiting):
            seconds += ticket.seconds
            half.discard(ticket)
            if not half:
                break
        return min(LONGEST_WAIT, max(1, math.ceil(seconds)))


def _address_of(ticket: Ticket) -> str:
    return ticket.client.address


def _session_of(ticket: Ticket) -> str:
    return ticket.client.session


def _group(tickets: Iterable[Ticket], key: Callable[[Ticket], str]) -> Groups:
    groups: Groups = {}
    for ticket in tickets:
        groups.setdefault(key(ticket), []).append(ticket)
    return groups


def _remember(known: dict[Key, None], key: Key) -> None:
    """Take note of a key as the last one, and forget the first ones if there are too many."""
    known.pop(key, None)
    known[key] = None
    while len(known) > KNOWN:
        del known[next(iter(known))]
