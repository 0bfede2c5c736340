"""What articles cost, in cents."""

TAX = 0.19


class Prices:
    """Prices by article."""

    def __init__(self, prices):
        self.prices = prices

    def price(self, article):
        return self.prices[article]

    def raise_by(self, percent):
        for article in self.prices:
            self.prices[article] = int(self.prices[article] * (1 + percent / 100))


def sum_of(order, prices):
    """The price of an order."""
    total = 0
    for item in order.items:
        total += prices.price(item.article) * item.count
    return total


def with_tax(cents):
    """A price with tax."""
    return int(cents * (1 + TAX))


def discount(order, prices):
    """Customers who buy for more than 100 get 5 percent."""
    total = sum_of(order, prices)
    if total > 10000:
        return int(total * 0.05)
    return 0


def printed(cents):
    return str(cents / 100)
