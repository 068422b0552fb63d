"""Who may wait, and whose turn it is."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import pytest

from clipsim.errors import BusyError
from clipsim.web.shares import Client, FullError, Shares, Ticket, find_address


def make_shares(most: int = 64, per_address: int = 32, per_session: int = 8) -> Shares:
    return Shares(most, per_address, per_session)


def heard() -> bool:
    return True


def unheard() -> bool:
    return False


class Line:
    """A queue of one machine, on which a request takes the seconds of its client."""

    def __init__(self, shares: Shares) -> None:
        self.shares = shares
        self.waiting: list[Ticket] = []
        self.seconds: dict[Client, float] = {}
        self.served: list[Client] = []

    def ask(self, client: Client, seconds: float = 1.0, is_heard: bool = True) -> Ticket:
        leaving = self.shares.admit(self.waiting, client)
        if leaving:
            self.waiting.remove(leaving)
        ticket = self.shares.join(client, 1.0, heard if is_heard else unheard)
        self.seconds[client] = seconds
        self.waiting.append(ticket)
        self.waiting = self.shares.order(self.waiting)
        return ticket

    def serve(self) -> Client:
        self.waiting = self.shares.order(self.waiting)
        ticket = self.waiting.pop(0)
        self.shares.start(ticket)
        self.shares.order(self.waiting)
        self.shares.finish(ticket, self.seconds[ticket.client])
        self.served.append(ticket.client)
        return ticket.client


def test_addresses_take_turns_whoever_came_first() -> None:
    line = Line(make_shares())
    for _ in range(5):
        line.ask(Client("a", "1"))
    line.ask(Client("b", "1"))
    line.ask(Client("c", "1"))
    assert [line.serve().address for _ in range(4)] == ["a", "b", "c", "a"]


def test_requests_of_one_client_run_in_the_order_in_which_they_came() -> None:
    line = Line(make_shares())
    tickets = [line.ask(Client("a", "1")) for _ in range(5)]
    assert line.waiting == tickets


def test_a_client_of_long_requests_gets_no_more_of_the_machine_than_one_of_short_ones() -> None:
    line = Line(make_shares())
    heavy, light = Client("a", "1"), Client("b", "1")
    line.ask(heavy, 20.0)
    line.ask(light, 1.0)
    used: Counter[Client] = Counter()
    for _ in range(200):
        served = line.serve()
        used[served] += int(line.seconds[served])
        line.ask(served, line.seconds[served])
    assert used[heavy] <= 1.1 * used[light] + 20  # a request counts for a little beside its seconds


def test_a_client_leaves_one_of_the_places_to_others() -> None:
    shares = make_shares()
    mine = [shares.join(Client("a", "1"), 1.0, heard) for _ in range(4)]
    for ticket in mine[:3]:
        assert shares.may_start(ticket, 4)
        shares.start(ticket)
    assert not shares.may_start(mine[3], 4)
    assert shares.may_start(shares.join(Client("a", "2"), 1.0, heard), 4)
    shares.finish(mine[0], 1.0)
    assert shares.may_start(mine[3], 4)


def test_the_only_place_is_anybodys() -> None:
    shares = make_shares()
    assert shares.may_start(shares.join(Client("a", "1"), 1.0, heard), 1)


def test_who_was_away_is_not_ahead_of_those_who_stayed_and_nobody_starves() -> None:
    line = Line(make_shares())
    line.ask(Client("old", "1"))
    for i in range(50):  # ever new addresses
        line.ask(Client(f"new {i}", "1"))
        line.ask(Client(f"other {i}", "1"))
        if line.serve().address == "old":
            line.ask(Client("old", "1"))
            break
    else:
        pytest.fail("the first client was never served")


def test_sessions_of_an_address_are_served_alike_while_one_floods_it_with_new_ones() -> None:
    line = Line(make_shares())
    honest = [Client("a", f"{i}") for i in range(4)]
    for client in honest:
        line.ask(client)
        line.serve()
    for client in honest:
        line.ask(client)
    line.served.clear()
    for i in range(200):
        with suppress(BusyError):
            line.ask(Client("a", f"flood {i}"))
        served = line.serve()
        if served in honest:
            line.ask(served)
    times = Counter(line.served)
    assert min(times[client] for client in honest) >= 200 // 32
    assert max(times[client] for client in honest) - min(times[client] for client in honest) <= 1


def test_one_session_has_its_share_and_is_told_when_to_come_back() -> None:
    line = Line(make_shares(per_session=3))
    for _ in range(3):
        line.ask(Client("a", "1"))
    with pytest.raises(BusyError, match=r"3 requests of yours wait already, the limit: ask again in 2 s\.") as refusal:
        line.ask(Client("a", "1"))
    assert (refusal.value.http_status, refusal.value.retry_after) == (429, 2)
    line.ask(Client("a", "2"))


def test_one_address_has_its_share_and_cannot_fill_the_queue() -> None:
    line = Line(make_shares(most=4, per_address=9, per_session=9))
    for i in range(3):
        line.ask(Client("a", f"{i}"))
    with pytest.raises(BusyError, match="3 requests of your network wait already") as refusal:
        line.ask(Client("a", "new"))
    assert refusal.value.http_status == 429
    line.ask(Client("b", "1"))


def test_a_full_queue_refuses_those_who_have_as_much_in_it_as_the_others() -> None:
    line = Line(make_shares(most=4))
    for address in "abcd":
        line.ask(Client(address, "1"))
    with pytest.raises(FullError, match="full with 4 requests") as refusal:
        line.ask(Client("e", "1"))
    assert refusal.value.http_status == 503
    assert refusal.value.retry_after >= 1


def test_a_full_queue_makes_room_where_an_address_has_more_than_others() -> None:
    line = Line(make_shares(most=4, per_address=3))
    tickets = [line.ask(Client("a", "1")) for _ in range(3)]
    line.ask(Client("b", "1"))
    line.ask(Client("c", "1"))
    assert tickets[-1] not in line.waiting
    assert Counter(ticket.client.address for ticket in line.waiting) == {"a": 2, "b": 1, "c": 1}


def test_requests_whose_answer_nobody_fetches_run_last_and_leave_first() -> None:
    line = Line(make_shares(per_address=3))
    line.ask(Client("a", "1"), is_heard=False)
    line.ask(Client("a", "2"))
    line.ask(Client("a", "3"), is_heard=False)
    line.ask(Client("a", "4"))
    line.ask(Client("b", "1"), is_heard=False)
    line.ask(Client("b", "2"))
    order = [(ticket.client.address, ticket.client.session) for ticket in line.waiting]
    assert order == [("a", "2"), ("b", "2"), ("a", "4"), ("a", "3"), ("b", "1")]


def test_where_nobody_fetches_answers_what_came_first_stays() -> None:
    line = Line(make_shares(per_address=3))
    for i in range(3):
        line.ask(Client("a", f"{i}"), is_heard=False)
    with pytest.raises(BusyError):
        line.ask(Client("a", "4"), is_heard=False)


def test_one_who_was_served_before_has_room_among_new_ones() -> None:
    line = Line(make_shares(per_address=3))
    line.ask(Client("a", "old"))
    line.serve()
    for i in range(3):
        line.ask(Client("a", f"{i}"))
    line.ask(Client("a", "old"))
    assert [ticket.client.session for ticket in line.waiting] == ["0", "1", "old"]


def test_who_waits_no_more_is_forgotten() -> None:
    line = Line(make_shares())
    for i in range(100):
        line.ask(Client(f"{i}", "1"))
        line.serve()
    line.waiting = line.shares.order([])
    line.ask(Client("a", "1"))
    assert len(line.shares._addresses.used) == 1


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "any_proxy", "address"),
    [
        ("10.0.0.1", "", 0, False, "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, 2.2.2.2", 0, False, "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, 2.2.2.2", 1, False, "2.2.2.2"),
        ("10.0.0.1", "1.1.1.1, 2.2.2.2", 2, False, "1.1.1.1"),
        ("10.0.0.1", "1.1.1.1", 2, False, "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, 2.2.2.2", 0, True, "1.1.1.1"),
        ("10.0.0.1", "", 0, True, "10.0.0.1"),
        ("2001:db8:1:2:3::4", "", 0, False, "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "", 0, False, "10.0.0.1"),
        ("", "", 0, False, "unknown"),
        ("", "x" * 1000, 1, False, "x" * 64),
    ],
)
def test_the_address_of_a_client_is_found(
    peer: str, forwarded: str, proxies: int, any_proxy: bool, address: str
) -> None:
    assert find_address(peer, forwarded, proxies, any_proxy) == address
