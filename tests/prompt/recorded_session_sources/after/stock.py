"""What lies in the shelves of a shop, and what has to be ordered."""

from dataclasses import dataclass, field


class StockError(ValueError):
    """Something asked of a stock that it cannot do."""


@dataclass
class Shelf:
    """One article and how many pieces of it there are."""

    article: str
    count: int = 0
    minimum: int = 0

    def take(self, count):
        if count > self.count:
            raise StockError(f"{self.article}: {count} pieces wanted, {self.count} left")
        self.count -= count

    def put(self, count):
        self.count += count


@dataclass
class Stock:
    """All shelves by article."""

    shelves: dict = field(default_factory=dict)

    def shelf(self, article):
        if article not in self.shelves:
            raise StockError(f"no shelf for {article}")
        return self.shelves[article]

    def add(self, article, count):
        if article not in self.shelves:
            self.shelves[article] = Shelf(article)
        self.shelves[article].put(count)

    def missing(self):
        low = [shelf for shelf in self.shelves.values() if shelf.count < shelf.minimum]
        return {shelf.article: shelf.minimum - shelf.count for shelf in low}

    def total(self):
        return sum(shelf.count for shelf in self.shelves.values())


def read_stock(lines):
    """Stock from lines like "article;count;minimum"."""
    stock = Stock()
    for number, line in enumerate(lines, 1):
        try:
            article, count, minimum = line.split(";")
            stock.shelves[article] = Shelf(article, int(count), int(minimum))
        except ValueError:
            raise StockError(f"line {number} is not a shelf") from None
    return stock


def write_stock(stock):
    """The lines that `read_stock` reads."""
    for shelf in stock.shelves.values():
        yield f"{shelf.article};{shelf.count};{shelf.minimum}"
