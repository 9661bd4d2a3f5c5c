"""When users and items are suspected to be exchanged, and that sound data are not."""

import re

import numpy as np
import pytest

from macrid import data
from macrid.data import checks
from macrid.data.swapped import is_article_number, why_swapped
from macrid.errors import UserError

ASINS = [f"B{k:09d}" for k in range(30)]
PEOPLE = [f"A{k:012d}X" for k in range(200)]


def buys(rng, N, M, mean, unequal):
    """Adoptions (u, i) of N customers, about `mean` each, of M items whose popularity falls."""
    u = np.repeat(np.arange(N), 1 + rng.poisson(mean - 1, N))
    p = np.arange(1, M + 1.0) ** -unequal
    return u, rng.choice(M, len(u), p=p / p.sum())


@pytest.mark.parametrize(
    "users, items, why",
    {
        "ASINs": (ASINS, PEOPLE, "most users look like article numbers .*B000000000"),
        "ISBNs": (["0306406152", "080442957X", "6301977173"], PEOPLE, "article numbers"),
        "EANs": (["9780306406157", "4006381333931", "036000291452"], PEOPLE, "article numbers"),
        "names": (["item_1", "item_2"], ["user_1", "user_2"], "users are called such as item_1"),
        "letters": (["i1", "i2"], ["u1", "u2"], "users are called such as i1"),
    }.values(),
)
def test_ids_of_items_in_the_column_of_users(users, items, why):
    assert re.search(why, why_swapped(users, items))
    assert why_swapped(items, users) == why_swapped(users, users) == ""


def test_check_digits_tell_article_numbers_from_other_numbers():
    numbers = [str(value) for value in np.random.default_rng(0).integers(10**9, 10**10, 500)]
    assert sum(map(is_article_number, numbers)) < 80
    assert why_swapped(numbers, [f"{k}" for k in range(100)]) == ""


def test_the_file_of_2018_is_suspected_by_how_many_have_what():
    """20,000 customers of 1,498 items, most with one: exchanged, and by numbers without a hint."""
    u, i = buys(np.random.default_rng(0), 20000, 1498, 1.3, 0.9)
    customers, items = ([str(k) for k in range(n)] for n in (20000, 1498))
    assert "an item has hardly more than one user" in why_swapped(items, customers, i, u)
    assert why_swapped(customers, items, u, i) == ""
    report = checks.describe(data.from_pairs(i, u))
    assert any("are the user and item columns swapped? then say so" in line for line in report)


def test_an_error_that_follows_from_it_says_so():
    with pytest.raises(
        UserError, match="no user has 99 adoptions .*lower min_user_items .most user"
    ):
        data.from_pairs(ASINS, PEOPLE[:30], min_user_items=99)


@pytest.mark.parametrize(
    "N, M, mean, unequal", [(610, 9700, 165, 0.9), (1867, 69000, 55, 0.3), (300, 2000, 3, 0.5)]
)
def test_large_catalogues_are_not_suspected(N, M, mean, unequal):
    u, i = buys(np.random.default_rng(0), N, M, mean, unequal)
    assert why_swapped([str(k) for k in range(N)], [str(k) for k in range(M)], u, i) == ""


@pytest.mark.parametrize(
    "name", ["ml-latest-small", *("steam", "filmtrust", "citeulike-a", "toys")]
)
def test_real_data_are_not_suspected(movielens, name):
    folder = movielens if name == "ml-latest-small" else movielens.parent / "public" / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    report = checks.describe(data.load(folder))
    assert not [line for line in report if "swapped" in line or "alike" in line or "robots" in line]


def test_users_with_very_many_adoptions_are_told():
    rng = np.random.default_rng(0)
    count = rng.geometric(0.06, 6000)
    count[:12] = count[12:].sum() * 0.14 / 0.86 / 12
    u = np.repeat(np.arange(6000), count)
    report = checks.describe(data.from_pairs(u, rng.integers(0, 8000, len(u))))
    assert "warning: 12 of 6,000 users have 13" in report[-1] and "robots" in report[-1]
    assert not checks.eager_users(
        data.from_pairs(u[count[:12].sum() :], rng.permutation(u)[count[:12].sum() :])
    )
