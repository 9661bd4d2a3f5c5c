"""Kinds of events -> adoptions: by the sum of a pair's weights, against a plain loop over rows."""

from collections import defaultdict

import numpy as np
import pytest

from macrid import Config, Recommender, data
from macrid.data import event_weights, sources, times
from macrid.errors import UserError

KINDS = ("view", "click", "purchase", "return")
EVENTS = "purchase=1,click=.2,return=-1"


def log(rng, n=3000, N=30, M=40):
    """Rows of (user, item, event, day) in the order of the days, some of one day."""
    days = np.sort(rng.integers(1, 29, n))
    kinds = rng.choice(KINDS, n, p=[0.5, 0.3, 0.15, 0.05])
    u, i = rng.integers(0, N, n), rng.integers(0, M, n)
    return [(f"u{a}", f"i{b}", str(k), f"2025-02-{d:02}") for a, b, k, d in zip(u, i, kinds, days)]


def write(tmp_path, rows, header="user,item,event,time"):
    path = tmp_path / "log.csv"
    path.write_text("\n".join([header, *map(",".join, rows)]) + "\n")
    return path


def plain(rows, weights, threshold, since=""):
    """{(user, item): the day when the sum first reached the threshold} of those that end there."""
    sums, reached = defaultdict(float), {}
    for user, item, kind, day in rows:
        if day >= since:
            sums[user, item] += weights.get(kind, 0)
            if sums[user, item] >= threshold - 1e-9:
                reached.setdefault((user, item), day)
    return {pair: day for pair, day in reached.items() if sums[pair] >= threshold - 1e-9}


def adoptions(read):
    pairs = zip(
        np.repeat(read.users, np.diff(read.X.indptr)).tolist(),
        read.items[read.X.indices].tolist(),
    )
    return dict(zip(pairs, map(times.in_words, read.times.tolist())))


@pytest.mark.parametrize("threshold", [None, 0.4, 2.0])
@pytest.mark.parametrize("since", ["", "2025-02-11"])
def test_equal_to_a_plain_loop_over_the_rows(rng, tmp_path, threshold, since):
    rows = log(rng)
    weights = {"purchase": 1.0, "click": 0.2, "return": -1.0}
    path = write(tmp_path, rows)
    read = data.load(path, threshold, 1, events=EVENTS, since=since, times=True)
    assert adoptions(read) == plain(rows, weights, threshold or 1, since)
    in_another_order = [rows[k] for k in rng.permutation(len(rows))]
    again = data.load(
        write(tmp_path, in_another_order), threshold, 1, events=EVENTS, since=since, times=True
    )
    assert set(adoptions(again)) == set(adoptions(read))


def test_it_is_told_what_each_kind_brought(rng, tmp_path):
    rows = log(rng)
    read = data.load(write(tmp_path, rows), min_user_items=1, events=EVENTS)
    weights = {"purchase": 1.0, "click": 0.2, "return": -1.0}
    line = read.report["events"]
    assert line in data.checks.describe(read)
    for kind, weight in weights.items():
        without = {name: value for name, value in weights.items() if name != kind}
        more = len(plain(rows, weights, 1)) - len(plain(rows, without, 1))
        n = sum(row[2] == kind for row in rows)
        assert f"{kind}={weight:g} ({n:,} rows: {more:+,} adoption" in line
    assert f"of weight 0: view ({sum(row[2] == 'view' for row in rows):,} rows)" in line


def given_back(rows, weights, threshold, since=""):
    """The plain twin: pairs with a negative event whose sum stays below the threshold."""
    rows = [row for row in rows if row[3] >= since]
    negative = {(user, item) for user, item, kind, _ in rows if weights.get(kind, 0) < 0}
    return negative - set(plain(rows, weights, threshold))


@pytest.mark.parametrize("min_user_items", [1, 6])
@pytest.mark.parametrize("since", ["", "2025-02-11"])
def test_what_is_given_back_is_kept_of_all_users(rng, tmp_path, since, min_user_items):
    rows = [*log(rng, 2000), ("only returns", "i3", "return", "2025-02-28")]
    read = data.load(
        write(tmp_path, rows), min_user_items=min_user_items, events=EVENTS, since=since
    )
    everyone = np.concatenate([read.users, read.few_users])
    assert (len(read.few_users) > 1) == (min_user_items > 1) and "only returns" in read.few_users
    found = read.refused.tocoo()
    assert read.refused.shape == (len(everyone), len(read.items)) and (found.data == 1).all()
    found = sorted(zip(everyone[found.row].tolist(), read.items[found.col].tolist()))
    twin = given_back(rows, {"purchase": 1.0, "click": 0.2, "return": -1.0}, 1, since)
    assert found == sorted(pair for pair in twin if pair[1] in read.items)
    line = f"{len(found)} pairs given back: left out of their users' lists"
    assert line in data.checks.describe(read)


def test_without_a_negative_weight_nothing_is_given_back(rng, tmp_path):
    read = data.load(write(tmp_path, log(rng)), min_user_items=1, events="purchase=1,click=.2")
    assert read.refused is None and "given back" not in "".join(data.checks.describe(read))


def test_ten_tenths_are_one():
    pairs_of, weight = event_weights.Pairs.of, np.full(10, 0.1)
    assert len(event_weights.adopted(pairs_of(np.zeros(10, int)), weight, 1.0, None)[0]) == 1
    assert len(event_weights.adopted(pairs_of(np.zeros(9, int)), weight[1:], 1.0, None)[0]) == 0


@pytest.mark.parametrize(
    "text",
    ["purchase", "purchase=", "=1", "purchase=one", "purchase=1,,", "a=1,a=2", "a=nan", "a=1e9"],
)
def test_weights_that_are_none_are_refused(text):
    with pytest.raises(UserError, match="^events is .*expected KIND=WEIGHT"):
        event_weights.parsed(text)


def test_weights_that_make_nothing_an_adoption_are_refused():
    with pytest.raises(UserError, match="no kind has a weight above 0"):
        event_weights.parsed("view=0,return=-1")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"events": "buy=1"}, r"no event is of the kind 'buy', .* are 'view', 'click'"),
        ({"events": "view=1", "columns": "user,item,time"}, "columns names a rating .*leave one"),
        ({"events": "view=1", "columns": "event=kind"}, "no column 'kind' .*user,item,event,time"),
    ],
)
def test_slips_of_the_pen_are_one_line(options, message, tmp_path):
    path = write(tmp_path, [("u", "i", kind, "2025-01-01") for kind in KINDS])
    with pytest.raises(UserError, match=message):
        data.load(path, min_user_items=1, **options)


def test_a_column_without_kinds_is_told(tmp_path):
    path = write(tmp_path, [(f"u{k}", "i", f"event {k}", "1") for k in range(1001)])
    with pytest.raises(UserError, match="more than 1,000 different values"):
        data.load(path, events="event 1=1")
    with pytest.raises(UserError, match="no column of kinds of events is known"):
        data.load(write(tmp_path, [("u", "i", "buy")], "user,item,what"), events="buy=1")


def test_the_case_of_a_kind_does_not_matter_and_a_named_column_does(tmp_path):
    rows = [("u", "a", "Buy"), ("u", "b", "View"), ("u", "c", " Buy ")]
    path = write(tmp_path, rows, "user,item,what")
    read = data.load(path, min_user_items=1, events="buy=1", columns="user,item,event=what")
    assert read.items.tolist() == ["a", "c"] and "event=what" in read.report["columns"]


def test_from_python_with_a_table_and_a_dict(rng, tmp_path):
    """A dict of weights, and a table of columns: the same adoptions as from the file."""
    rows = log(rng)
    path = write(tmp_path, rows)
    table = dict(zip(("user", "item", "event", "time"), map(list, zip(*rows))))
    weights = {"purchase": 1, "click": 0.2, "return": -1}
    config = Config(events=weights, since=np.datetime64("2025-02-11").item(), min_user_items=1)
    assert config.since == "2025-02-11"
    of_table = sources.interactions_of(table, config)
    of_file = sources.interactions_of(path, config)
    for read in (of_table, of_file):
        assert set(adoptions_without_times(read)) == set(
            plain(rows, {name: float(w) for name, w in weights.items()}, 1, "2025-02-11")
        )
    model = Recommender(
        events=weights, split="temporal:.2", K=2, d=4, max_epochs=1, min_user_items=1
    ).fit(table)
    assert 0 <= model.metrics["recall_all@20"]["mean"] <= 1 and "coverage@20" in model.metrics


def adoptions_without_times(read):
    return zip(np.repeat(read.users, np.diff(read.X.indptr)), read.items[read.X.indices])


def test_rows_of_tuples_have_no_columns_for_it():
    with pytest.raises(UserError, match="events needs a column of events, which only a file or a"):
        Recommender(events="buy=1").fit([("u", "i")])
    with pytest.raises(UserError, match=r"split temporal:.1 needs a column of times"):
        Recommender(split="temporal:.1").fit([("u", "i")])
