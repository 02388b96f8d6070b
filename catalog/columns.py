"""Column types that mean the same on SQLite and on PostgreSQL: aware times, exact prices and shares."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import BigInteger, DateTime, Dialect, SmallInteger
from sqlalchemy.types import TypeDecorator

MAX_PRICE = Decimal("9999999999.99")
CENT = Decimal("0.01")


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite has no time zones and gives naive times back, so we add what we took away."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive time cannot be stored: {value}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Price(TypeDecorator[Decimal]):
    """A price as whole hundredths: SQLite would keep a decimal as a float, which is neither exact nor comparable."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else int(checked_price(value) * 100)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-2)


class Share(TypeDecorator[Decimal]):
    """A part of the whole, 0 to 1, as hundredths: URLs spell it with two places, and one spelling is one picture."""

    impl = SmallInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else int(checked_share(value) * 100)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-2)


def checked_share(share: Decimal) -> Decimal:
    """The share with two places; ValueError when it has more, is not a number, or lies outside 0 and 1."""
    if not (share.is_finite() and 0 <= share <= 1) or share.quantize(CENT) != share:
        raise ValueError(f"a share lies between 0 and 1 and has two places at most: {share}")
    return share.quantize(CENT).copy_abs()


def checked_price(price: Decimal) -> Decimal:
    """The price with two places; ValueError when it has more, is not a number, is negative or over 9,999,999,999.99."""
    if not (price.is_finite() and 0 <= price <= MAX_PRICE):
        raise ValueError(f"a price lies between 0 and {MAX_PRICE}: {price}")
    exact = price.quantize(CENT)
    if exact != price:
        raise ValueError(f"a price has two places at most: {price}")
    return exact.copy_abs()
