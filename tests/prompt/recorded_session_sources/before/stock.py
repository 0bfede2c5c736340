"""What lies in the shelves of a shop."""

from dataclasses import dataclass, field


@dataclass
class Shelf:
    """One article and how many pieces of it there are."""

    article: str
    count: int = 0
    minimum: int = 0

    def take(self, count):
        if count > self.count:
            raise ValueError("not enough pieces")
        self.count -= count

    def put(self, count):
        self.count += count


@dataclass
class Stock:
    """All shelves by article."""

    shelves: dict = field(default_factory=dict)

    def shelf(self, article):
        return self.shelves[article]

    def add(self, article, count):
        if article not in self.shelves:
            self.shelves[article] = Shelf(article)
        self.shelves[article].put(count)

    def missing(self):
        result = []
        for shelf in self.shelves.values():
            if shelf.count < shelf.minimum:
                result.append(shelf.article)
        return result

    def total(self):
        total = 0
        for shelf in self.shelves.values():
            total += shelf.count
        return total


def read_stock(lines):
    """Stock from lines like "article;count;minimum"."""
    stock = Stock()
    for line in lines:
        article, count, minimum = line.split(";")
        stock.shelves[article] = Shelf(article, int(count), int(minimum))
    return stock


def write_stock(stock):
    """The lines that `read_stock` reads."""
    for shelf in stock.shelves.values():
        yield shelf.article + ";" + str(shelf.count) + ";" + str(shelf.minimum)
