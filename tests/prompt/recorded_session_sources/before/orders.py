"""Orders of customers, and how they are packed."""

from dataclasses import dataclass, field

from shop.stock import Stock


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
        self.items.append(Item(article, count))

    def articles(self):
        return [item.article for item in self.items]


def pack(order, stock: Stock):
    """Take the items of an order out of the shelves."""
    for item in order.items:
        stock.shelf(item.article).take(item.count)
    order.packed = True


def can_be_packed(order, stock: Stock):
    """Whether everything the customer wants is there."""
    return all(stock.shelf(item.article).count >= item.count for item in order.items)


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
    order = Order(customer)
    for line in lines:
        article, count = line.split()
        order.add(article, int(count))
    return order
