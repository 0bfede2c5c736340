"""What one user may ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.serve.caller import Overloaded
from midspan.serve.config import Limits
from midspan.serve.limits import UserLimits


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def asks(users: UserLimits, user: str = "ann") -> float | None:
    """Ask once and be done; None if that was allowed, else how long to wait."""
    try:
        with users.admitted(user):
            return None
    except Overloaded as error:
        assert error.status == 429
        return error.retry_after_s


def test_a_burst_then_the_rate():
    clock = Clock()
    users = UserLimits(Limits(requests_per_minute=60, burst=3), clock)
    assert [asks(users) for _ in range(4)] == [None, None, None, 1.0]
    clock.now = 0.5
    assert asks(users) == 0.5
    assert asks(users, "bob") is None
    clock.now = 1.0
    assert asks(users) is None
    assert asks(users) == 1.0


@given(st.lists(st.floats(0, 3), max_size=200), st.integers(1, 600), st.integers(1, 20))
def test_never_more_than_burst_and_rate_allow_and_the_wait_is_true(steps, rate, burst):
    clock = Clock()
    users = UserLimits(Limits(requests_per_minute=rate, burst=burst), clock)
    allowed = 0
    for step in steps:
        clock.now += step
        wait = asks(users)
        if wait is None:
            allowed += 1
            assert allowed <= burst + clock.now * rate / 60 + 1e-6
        else:
            clock.now += wait + 1e-6
            assert asks(users) is None
            allowed += 1


def test_requests_at_one_time_are_counted_however_they_end():
    users = UserLimits(Limits(concurrent=2))
    with users.admitted("ann"), pytest.raises(ValueError), users.admitted("ann"):
        assert asks(users) == 1.0
        raise ValueError
    with users.admitted("ann"):
        assert asks(users) is None


def test_new_limits_hold_at_once():
    clock = Clock()
    users = UserLimits(Limits(burst=2), clock)
    assert asks(users) is None
    users.limits = Limits(burst=1, requests_per_minute=1)
    assert [asks(users), asks(users)] == [None, 60.0]
