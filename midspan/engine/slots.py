"""Which cache slot of llama.cpp a request runs in."""

from dataclasses import dataclass


@dataclass
class _Slot:
    number: int
    document: str | None = None
    running: int = 0


class Slots:
    """`count` slots, each with the document that it holds.

    A document keeps its slot; a newcomer takes the one unused longest, at rest if any is. llama.cpp sets
    the prompt it finds there aside and brings back what it had set aside of the newcomer, so changing places costs a
    copy, not the prompt. Requests of no document ("") follow each other like those of one, but do not wait for each
    other where there is another slot at rest.
    """

    def __init__(self, count: int) -> None:
        self._slots = [_Slot(number) for number in range(count)]  # the one unused longest first

    def claim(self, document: str) -> int:
        """The slot for a request of the document; `release` it when the request has ended."""
        slot = next((slot for slot in self._slots if slot.document == document), None)
        if slot is None or (slot.running and not document):
            slot = next((slot for slot in self._slots if not slot.running), slot or self._slots[0])
        self._slots.remove(slot)
        self._slots.append(slot)
        slot.document = document
        slot.running += 1
        return slot.number

    def release(self, number: int) -> None:
        """A request that claimed the slot has ended."""
        next(slot for slot in self._slots if slot.number == number).running -= 1
