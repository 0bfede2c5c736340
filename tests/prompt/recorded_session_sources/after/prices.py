"""What articles cost, in cents."""

TAX_PERCENT = {"books": 7, "food": 7}
DEFAULT_TAX_PERCENT = 19


class Prices:
    """Prices by article."""

    def __init__(self, prices, groups=None):
        self.prices = prices
        self.groups = groups or {}

    def price(self, article):
        return self.prices[article]

    def tax_percent(self, article):
        return TAX_PERCENT.get(self.groups.get(article), DEFAULT_TAX_PERCENT)

    def raise_by(self, percent):
        for article in self.prices:
            self.prices[article] = int(self.prices[article] * (1 + percent / 100))


def sum_of(order, prices):
    """The price of an order."""
    return sum(prices.price(item.article) * item.count for item in order.items)


def tax_of(order, prices):
    """The tax on an order, rounded to cents for every item."""
    total = 0
    for item in order.items:
        price = prices.price(item.article) * item.count
        total += round(price * prices.tax_percent(item.article) / 100)
    return total


def discount(order, prices):
    """Customers who buy for more than 100 get 5 percent."""
    total = sum_of(order, prices)
    if total > 10000:
        return int(total * 0.05)
    return 0


def printed(cents):
    """Cents as the customer reads them."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02}"
