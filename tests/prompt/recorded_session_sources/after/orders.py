"""Orders of customers, and how they are packed."""

from collections import Counter
from dataclasses import dataclass, field

from shop.stock import Stock, StockError


@dataclass(frozen=True)
class Item:
    """So many pieces of one article."""

    article: str
    count: int


@dataclass
class Order:
    """What one customer wants."""

    customer: str
    items: list = field(default_factory=list)
    packed: bool = False

    def add(self, article, count=1):
        if count < 1:
            raise ValueError("an order is for one piece at least")
        self.items.append(Item(article, count))

    def articles(self):
        return [item.article for item in self.items]

    def wanted(self):
        """Pieces of each article, also if it was added twice."""
        counts = Counter()
        for item in self.items:
            counts[item.article] += item.count
        return counts


def pack(order, stock: Stock):
    """Take the items of an order out of the shelves; all of them or, if one is missing, none."""
    if not can_be_packed(order, stock):
        raise StockError(f"the order of {order.customer} has to wait")
    for item in order.items:
        stock.shelf(item.article).take(item.count)
    order.packed = True


def can_be_packed(order, stock: Stock):
    """Whether everything the customer wants is there."""
    return all(stock.shelf(article).count >= count for article, count in order.wanted().items())


def pack_all(orders, stock):
    """Pack what can be packed, in the order in which customers came; the rest is returned."""
    waiting = []
    for order in orders:
        if can_be_packed(order, stock):
            pack(order, stock)
        else:
            waiting.append(order)
    return waiting


def read_order(text):
    """An order from lines: the customer, then "article count" each."""
    customer, *lines = text.splitlines()
    order = Order(customer.strip())
    for line in lines:
        article, _, count = line.partition(" ")
        order.add(article, int(count or 1))
    return order
