"""Which values may be ids, as which text, and what of them looks like damage."""

import re
import uuid
from decimal import Decimal

import numpy as np
import pytest
from helpers import pairs, write

from macrid import data
from macrid.data import checks, ids
from macrid.data.lookup import Lookup
from macrid.errors import UserError

UUIDS = [uuid.UUID(int=7), uuid.UUID(int=8)]
TYPES = {
    "text": (["a", "b"], ["a", "b"]),
    "NumPy's text": (np.array(["a", "b"]), ["a", "b"]),
    "integers": ([2**70, 2**53 + 1], [str(2**53 + 1), str(2**70)]),
    "NumPy's integers": (np.array([2**63, 7], np.uint64), [str(2**63), "7"]),
    "whole floats": ([7.0, 2.0**53 - 1], ["7", str(2**53 - 1)]),
    "float32": (np.array([1.1, 2**24 - 1], np.float32), ["1.1", str(2**24 - 1)]),
    "decimals": ([Decimal("7.0"), Decimal("7.5")], ["7", "7.5"]),
    "UUIDs": (UUIDS, [str(value) for value in UUIDS]),
    "bytes": ([b"u0", "é".encode()], ["u0", "é"]),
    "NumPy's bytes": (np.array([b"u0", b"u1"]), ["u0", "u1"]),
    "blanks at the ends": ([" a", "b \t"], ["a", "b"]),
    "kinds that mean the same": ([7, "7", 7.0, b"7", "8"], ["7", "8"]),
}


@pytest.mark.parametrize("values, expected", TYPES.values(), ids=TYPES)
def test_ids_become_text_one_to_one_and_are_found_again(values, expected):
    interactions = data.from_pairs(values, ["x"] * len(values))
    assert sorted(interactions.users) == sorted(expected)
    lookup = Lookup(interactions.items, interactions.users, interactions.X, 1)
    for value in values:
        X, is_single = lookup.rows(value)
        assert is_single and X.shape == (1, 1)
    assert lookup.rows(list(values))[0].shape == (len(values), 1)


FAULTY = {
    "floats from 2^53 on": ([1.0, 2.0**53], "9007199254740992.0 is a float too large"),
    "float32 from 2^24 on": (np.array([1, 2**24], np.float32), "is a float too large"),
    "float16 from 2^11 on": (np.array([1, -(2**11)], np.float16), "is a float too large"),
    "a large float beside its integer": ([2**53, 2.0**53], "is a float too large"),
    "tuples": ([("a", "b"), (0, 1)], None),
    "booleans": ([1, True], "True is of type bool, expected text, a number or a UUID"),
    "an array of booleans": (np.array([True, False]), "is of type bool"),
    "complex": ([1, 1j], "1j is of type complex"),
    "objects": (["a", ValueError], None),
    "dates": (["a", np.datetime64("2020-01-01")], "is of type datetime64"),
    "bytes that are no text": ([b"a", b"\xff"], "is no UTF-8; decode it"),
}


@pytest.mark.parametrize("values, message", FAULTY.values(), ids=FAULTY)
def test_what_is_not_one_to_one_is_refused_with_its_row(values, message):
    for kind, columns in (("user", (values, [1, 2])), ("item", ([1, 2], values))):
        with pytest.raises(UserError, match=f"row [01] .the first is 0.: the {kind} id ") as error:
            data.from_pairs(*columns)
        assert message is None or message in str(error.value)


def test_one_id_in_two_spellings_is_told():
    texts = [str(k) for k in range(20)] + [f"{k}.0" for k in range(20)]
    texts += [f"00{k}x" for k in range(20)] + [f"cafe\u0301{k}" for k in range(10)]
    texts += [f"caf\u00e9{k}" for k in range(10)]
    report = checks.describe(data.from_pairs(["u", "v"] * 40, texts))
    assert report[-1] == (
        "warning: 80 items are 50 if written alike, such as '0' and '0.0'; write each in one way"
    )
    assert ids.alike("007") == ids.alike("7") == ids.alike("7.00") == "7"
    assert ids.alike("\uff11\uff12") == "12" and ids.alike("Ann@x.org") == ids.alike("ann@X.org")
    assert len({ids.alike(text) for text in ("a", "A", "7a", "07a", "7.5", "7.50", "")}) == 7
    assert ids.remarks(["u1", "U1", "aB", "Ab", "7", "70", "0"], "user") == []


def test_blanks_at_the_ends_are_treated_alike_by_every_reader(tmp_path):
    expected = {("u1", "a"), ("u1", "b"), ("u2", "a")}
    rows = [("u1", "a"), (" u1 ", "b "), ("u2\t", "a\u00a0")]
    assert pairs(data.from_pairs(*zip(*rows))) == expected
    for divider in ",;|":
        text = "".join(divider.join(row) + "\n" for row in rows)
        path = write(tmp_path, f"user{divider}item\n{text}")
        assert pairs(data.load(path, min_user_items=1)) == expected


DAMAGED = {
    "of a spreadsheet": (["9.78E+12", "a"], "1 item ids are shortened numbers .*'9.78E.12'"),
    "of pandas": (["1.2345678901234568e+16", "a"], "1 item ids are shortened numbers"),
    "with a comma": (["9,78E+12", "a"], "1 item ids are shortened numbers"),
    "zeros": ([f"{k}00" for k in range(10**16, 10**16 + 20)], "20 of 20 item ids of 16 digits"),
    "missing": (["NULL", "nan", "a"], "2 item ids read like a missing one, such as 'NULL'"),
}


@pytest.mark.parametrize("texts, message", DAMAGED.values(), ids=DAMAGED)
def test_ids_that_lost_digits_or_are_missing_are_told(texts, message):
    (line,) = ids.remarks(texts, "item")
    assert re.match(f"warning: {message}", line)


def test_sound_ids_are_not_suspected():
    rng = np.random.default_rng(0)
    snowflakes = [str(value) for value in rng.integers(10**18, 9 * 10**18, 200)]
    hexadecimal = ["1e10", "7e12", "12e5"] + [f"{value:x}" for value in rng.integers(0, 2**60, 99)]
    assert ids.remarks(snowflakes, "item") == ids.remarks(hexadecimal, "item") == []


def test_a_look_up_that_fails_says_how_the_id_is_written():
    interactions = data.from_pairs(["007", "8"], ["caf\u00e9", "12"])
    lookup = Lookup(interactions.items, interactions.users, interactions.X, 1)
    with pytest.raises(UserError, match="user '7' is unknown to the model; there it is '007'"):
        lookup.user(7)
    with pytest.raises(UserError, match="item '12.0' is unknown to the model; there it is '12'"):
        lookup.item("12.0")
    with pytest.raises(UserError, match="item 'x' is unknown to the model; its ids look like"):
        lookup.item("x")
    with pytest.warns(match="'cafe\u0301', which is 'caf\u00e9' there"):
        lookup.rows([["cafe\u0301", "12"]])
