from hypothesis import given
from hypothesis import strategies as st

from midspan.engine.slots import Slots

COUNT = 3


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=40))
def test_a_document_stays_until_a_newcomer_finds_no_older_one_at_rest(requests):
    slots, holds, used, running = Slots(COUNT), {}, {}, []
    for time, (document, ends) in enumerate(requests):
        slot = slots.claim(document)
        if document in holds.values():
            assert holds[slot] == document
        else:
            resting = [one for one in range(COUNT) if one not in running] or list(range(COUNT))
            assert used.get(slot, -1) == min(used.get(one, -1) for one in resting)
        holds[slot], used[slot] = document, time
        running.append(slot)
        if ends:
            slots.release(running.pop(0))


def test_requests_of_no_document_follow_each_other_but_do_not_wait_for_each_other():
    slots = Slots(2)
    first = slots.claim("")
    second = slots.claim("")
    assert {first, second} == {0, 1}
    slots.release(first)
    slots.release(second)
    assert slots.claim("") in (first, second)
    third = slots.claim("")
    assert {slots.claim(""), slots.claim("")} <= {0, 1}
    assert third in (0, 1)
