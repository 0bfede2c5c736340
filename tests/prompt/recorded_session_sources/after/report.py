"""Reports for the people who run the shop."""

from shop.prices import printed, sum_of, tax_of


def stock_report(stock):
    """One line for each shelf, those that are nearly empty first."""
    lines = []
    for shelf in sorted(stock.shelves.values(), key=lambda shelf: shelf.count - shelf.minimum):
        mark = " (order more)" if shelf.count < shelf.minimum else ""
        lines.append(f"{shelf.article:<20} {shelf.count:>6}{mark}")
    return "\n".join(lines)


def order_report(orders, prices):
    """One line for each order, then the sum."""
    lines = []
    total = 0
    for order in orders:
        price = sum_of(order, prices) + tax_of(order, prices)
        total += price
        lines.append(f"{order.customer:<30} {printed(price):>10}")
    lines.append("sum " + printed(total))
    return "\n".join(lines)


def waiting_report(orders):
    """Customers whose orders are not packed yet, each once."""
    return "\n".join(sorted({order.customer for order in orders if not order.packed}))


def best_articles(orders, count=10):
    """The articles of which most pieces were packed, the best first."""
    pieces = {}
    for order in orders:
        for item in order.items:
            pieces[item.article] = pieces.get(item.article, 0) + item.count
    return sorted(pieces, key=lambda article: (-pieces[article], article))[:count]
