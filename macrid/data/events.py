"""Columns that are not read although they may say which rows are adoptions: kinds of events."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from macrid.data.column_names import HOW_TO_SAY, MORE_NAMES, plain

MOST_KINDS = 20  # different values that a column of kinds has at most
EVENT_NAMES = MORE_NAMES["event"]
EVENT_WORDS = set(
    """view views viewed viewitem pageview pv impression impressions exposure click clicks clicked
    clickout cart addtocart carted basket removefromcart wishlist addtowishlist fav favorite
    favourite like liked dislike buy bought purchase purchases purchased order ordered transaction
    checkout sale sold return returned returns refund refunded cancel cancelled canceled skip
    skipped play played share watch watched bookmark download install rent rented ansicht klick
    warenkorb kauf gekauft bestellung retoure storno storniert vue clic panier achat retour annule
    vista carrito compra devolucion cancelado""".split()
)
RETURN_NAMES = set(
    """return returned isreturn isreturned returns refund refunded isrefund isrefunded cancelled
    canceled iscancelled iscanceled retoure storno storniert""".split()
)
HALVES = {"0", "00", "5", "50", "25", "75"}  # what may stand behind a decimal comma
AMOUNT_NAMES = set("quantity qty amount units count menge anzahl stueck".split())


class Watch:
    """Counts the values of the columns that are ignored and look like kinds of events.

    `names` are those of all columns, `taken` the columns that are read, `beginning(j)` the
    different values in the first rows of column j.
    """

    def __init__(self, names: list[str], taken: list[int], beginning: Callable[[int], set[str]]):
        self.names = names
        self.counts: dict[int, Counter] = {}
        self.notes: list[str] = []
        for j, name in enumerate(names):
            if j in taken:
                continue
            values = beginning(j)
            if _is_kind(plain(name), values) or plain(name) in AMOUNT_NAMES:
                self.counts[j] = Counter()
            elif len(taken) == 2 and _is_scale(values):
                self.notes.append(
                    f"note: no rating is read, but column {_quoted(name)} looks like one; if it is,"
                    f" {HOW_TO_SAY}"
                )
            elif len(taken) == 3 and taken[2] == j - 1 and name.isdigit() and values <= HALVES:
                self.notes.append(
                    f"warning: column {name} holds {' and '.join(sorted(values))} only; if these"
                    " are the rating's decimals, behind its comma, divide the fields by ';'"
                )

    @property
    def columns(self) -> list[int]:
        """The columns to count, numbered from 0."""
        return list(self.counts)

    def counted(self, rows: Iterator[tuple], place: int) -> Iterator[tuple]:
        """The same (line, fields) of rows, watched fields counted from `place` on."""
        return self._counted(rows, place) if self.counts else rows

    def _counted(self, rows, place):
        for row in rows:
            for j, value in zip(self.counts, row[1][place:]):
                self.count(j, (value,))
            yield row

    def count(self, j: int, values: Iterable[str]) -> None:
        """Count some values of column j."""
        if plain(self.names[j]) in AMOUNT_NAMES:
            values = (value[:1] for value in values)
        self.counts[j].update(values)

    def remarks(self) -> list[str]:
        """A line on each column that seems to say what kind of event a row is."""
        lines = list(self.notes)
        for j, counter in self.counts.items():
            name = plain(self.names[j])
            rows = sum(counter.values())
            if name in AMOUNT_NAMES:
                what = f"also where it is below 0, as in {counter['-']:,} of {rows:,} (returns?)"
                is_told, remedy = counter["-"] > 0, ""
            else:
                kinds = ", ".join(f"{value} {n:,}" for value, n in counter.most_common(8))
                what = f"whatever it says ({kinds})"
                is_told = _is_kind(name, set(counter)) and len(counter) > 1
                remedy = ", or weigh them by events (--events purchase=1,return=-1)"
            if is_told:
                lines.append(
                    f"warning: column {_quoted(self.names[j])} is ignored, and rows count {what};"
                    f" remove those that are no adoptions{remedy}"
                )
        return lines


def _is_kind(name: str, values: set[str]) -> bool:
    """Whether a column of this plain name and these values may say what kind of event a row is."""
    kinds = {plain(value) for value in values}
    is_named_so = name in EVENT_NAMES | RETURN_NAMES
    return len(kinds) <= MOST_KINDS and (
        is_named_so or 2 * len(kinds & EVENT_WORDS) >= len(kinds) > 0
    )


def _is_scale(values: set[str]) -> bool:
    """Whether these values look like a scale of ratings: a few numbers up to 5 or 10."""
    if not 3 <= len(values) <= 21:
        return False
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return False
    return max(numbers) in (5, 10) and 0 <= min(numbers) <= 1


def _quoted(name: str) -> str:
    return name if name.isdigit() else f"'{name}'"
