"""Reports for the people who run the shop."""

from shop.prices import printed, sum_of


def stock_report(stock):
    """One line for each shelf."""
    lines = []
    for shelf in stock.shelves.values():
        lines.append(shelf.article + " " + str(shelf.count))
    return "\n".join(lines)


def order_report(orders, prices):
    """One line for each order, then the sum."""
    lines = []
    total = 0
    for order in orders:
        price = sum_of(order, prices)
        total += price
        lines.append(order.customer + " " + printed(price))
    lines.append("sum " + printed(total))
    return "\n".join(lines)


def waiting_report(orders):
    lines = []
    for order in orders:
        if not order.packed:
            lines.append(order.customer)
    return "\n".join(lines)
