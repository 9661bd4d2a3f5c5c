"""data_scripts/shop_log.py: the raw log of a made shop, and that its story is true."""

import csv
import os
from collections import Counter, defaultdict

import numpy as np
import pytest
from helpers import refused
from loopback import call_script

from macrid import data

SIZE = ("--customers", 600, "--products", 600)


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "log"
    done = call_script("shop_log", "--out", out, *SIZE, "--pictures")
    assert done.returncode == 0 and not done.stderr and f"saved     {out}" in done.stdout
    return out


@pytest.fixture(scope="module")
def events(folder):
    return rows_of(folder / "events.csv")


def test_a_seed_makes_the_same_files_and_another_others(folder, tmp_path):
    for name, seed in (("same", 0), ("other", 1)):
        call_script("shop_log", "--out", tmp_path / name, *SIZE, "--seed", seed, "--quiet")
    text = {out: (out / "events.csv").read_text() for out in (folder, *tmp_path.iterdir())}
    assert text[folder] == text[tmp_path / "same"] != text[tmp_path / "other"]


def test_time_runs_forward_over_the_months_and_steps_follow_each_other(events):
    times = [row["time"] for row in events]
    assert times == sorted(times) and "2025-03-01" <= times[0] and times[-1] < "2025-05-01"
    viewed, bought = set(), set()
    for row in events:
        pair = row["customer"], row["product"]
        assert row["event"] == "view" or pair in viewed
        assert row["event"] != "return" or pair in bought
        viewed |= {pair} if row["event"] == "view" else set()
        bought |= {pair} if row["event"] == "purchase" else set()


def test_most_customers_do_little_and_some_buy_again(events):
    kinds = Counter(row["event"] for row in events)
    assert kinds["view"] > kinds["click"] > kinds["purchase"] > kinds["return"] > 0
    pairs = Counter((row["customer"], row["product"]) for row in events if is_purchase(row))
    assert 0.03 < np.mean([n > 1 for n in pairs.values()]) < 0.3
    per_customer = Counter(customer for customer, _ in pairs)
    assert np.mean([n < 5 for n in per_customer.values()]) > 0.3
    of_product = sorted(Counter(product for _, product in pairs).values())
    assert len(of_product) < 600  # some nobody bought
    assert sum(of_product[-60:]) > 0.25 * sum(of_product)  # a tenth has much more than its share


def test_purchases_follow_tastes_and_returns_do_not(folder, events):
    """A customer's purchases share a category far more than chance, and views less."""
    of_product = {row["product"]: row["category"] for row in rows_of(folder / "items.csv")}

    def share_of_the_first(kind):
        categories = defaultdict(Counter)
        for row in events:
            if row["event"] == kind:
                categories[row["customer"]][of_product[row["product"]]] += 1
        large = [c for c in categories.values() if c.total() >= 10]
        return np.mean([c.most_common(1)[0][1] / c.total() for c in large])

    assert share_of_the_first("purchase") > share_of_the_first("view") + 0.1


def test_new_products_appear_in_the_second_month_only(folder, events):
    launch = {row["product"]: row["launch"] for row in rows_of(folder / "truth.csv")}
    new = {product for product, day in launch.items() if day > "2025-03-31"}
    assert 30 < len(new) < 90 and set(launch.values()) - {launch[p] for p in new} == {
        "2025-03-01T00:00:00"
    }
    assert all(row["time"] >= launch[row["product"]] for row in events)
    assert new & {row["product"] for row in events if is_purchase(row)}


def test_the_table_of_items_has_all_that_a_shop_has(folder):
    items = rows_of(folder / "items.csv")
    assert len(items) == 600 == len({row["product"] for row in items})
    assert {row["category"] for row in items} >= {"Home > Kitchen > Mugs"}
    assert all(float(row["price"]) > 0 and row["brand"] in row["title"] for row in items)
    assert all((folder / row["picture"]).is_file() for row in items)
    sizes = [float(row["size"]) for row in rows_of(folder / "truth.csv")]
    is_mug = ["Mugs" in row["category"] for row in items]
    prices = [float(row["price"]) for row in items]
    assert np.corrcoef(np.array(sizes)[is_mug], np.array(prices)[is_mug])[0, 1] > 0.7


def test_macrid_reads_it(folder):
    read = data.load(folder / "events.csv", categories=f"{folder / 'items.csv'}:category")
    assert len(read.category_names) == 6
    assert any("'event' is ignored" in line for line in read.report["remarks"])


@pytest.mark.parametrize(
    "flags", [("--customers", 0), ("--products", 5), ("--months", 0), ("--seed", -1)]
)
def test_impossible_sizes_are_refused_and_leave_nothing(flags, tmp_path):
    refused(call_script("shop_log", "--out", tmp_path / "log", *flags), flags[1], "expected")
    assert not os.listdir(tmp_path)


def is_purchase(row):
    return row["event"] == "purchase"
