"""The report page in a real browser, without a network: it loads, turns, obeys the keyboard, and
keeps data as text.
"""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from helpers import refused, screen, with_browser
from scipy import sparse
from scipy.stats import spearmanr

from macrid import report, run_folder
from macrid.interpret import drawing, knobs, maps

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    '"><img src=x onerror=alert(3)>',
    "<!-- {{ 7*7 }} -->",
    "&lt;b&gt; ' \u2028 é",
)


@pytest.fixture(scope="module")
def shop_run(command, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "run"
    options = "--d 6 --max-epochs 3 --start random --category-weight 2 --quiet"
    done = command(f"train {options} --out", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def run(shop_run):
    return run_folder.load(shop_run)


def page(run, path, metrics=None):
    path.write_text(
        report.render(*report.gather(run), metrics or {}, run.settings), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def made(command, shop_run):
    """The page of the shop, written by the command."""
    out = shop_run.parent / "page.html"
    done = command("report --run", shop_run, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def hostile(run, tmp_path_factory):
    """The same run where titles, users and categories are markup."""
    interactions = run.interactions
    titles = np.array([f"{HOSTILE[i % len(HOSTILE)]} {i}" for i in range(len(interactions.items))])
    users = np.array([f"{HOSTILE[u % len(HOSTILE)]} {u}" for u in range(len(interactions.users))])
    names = tuple(
        f"{name} {HOSTILE[g % len(HOSTILE)]}" for g, name in enumerate(interactions.category_names)
    )
    changed = replace(interactions, titles=titles, users=users, category_names=names)
    folder = tmp_path_factory.mktemp("hostile")
    return page(replace(run, interactions=changed), folder / "page.html")


def content(path):
    return json.loads(
        re.search(
            r'<script type="application/json" id="data">(.*?)</script>',
            path.read_text(encoding="utf-8"),
            re.S,
        )[1]
    )


def opened(browser, path):
    browser.get_log("browser")
    browser.get(path.as_uri())
    assert browser.get_log("browser") == []
    return browser


def current(browser):
    return browser.find_element("css selector", "#current strong").text


@with_browser
def test_it_loads_and_fetches_nothing(browser, made):
    opened(browser, made)
    assert len(browser.find_elements("css selector", ".card")) == 6
    assert (
        browser.execute_script(
            "return performance.getEntriesByType('resource').filter(e =>"
            " !e.name.startsWith('data:')).length"
        )
        == 0
    )
    assert not re.search(r'(?:src|href)="(?!#|data:)', made.read_text(encoding="utf-8"))
    assert "± " in browser.find_element("css selector", "#results table").text
    assert (
        browser.execute_script(
            "return [...document.images].filter(i => i.loading !== 'lazy' && !i.complete).length"
        )
        == 0
    )


@with_browser
def test_the_slider_changes_the_items(browser, made):
    from selenium.webdriver.common.keys import Keys

    opened(browser, made)
    data = content(made)
    start = data["starts"][data["first"]]
    first, second = (start["turns"][j] for j in start["order"][:2])
    titles = dict(zip(data["items"]["row"], data["items"]["title"]))
    path = [titles[row] for row in first["items"]]
    assert len(path) > 2 and current(browser) == path[first["at"]]
    slider = browser.find_element("id", "slider")
    slider.send_keys(Keys.HOME)
    seen = [current(browser)]
    for _ in path[1:]:
        slider.send_keys(Keys.ARROW_RIGHT)
        seen.append(current(browser))
        assert seen[-1] in slider.get_attribute("aria-valuetext")
    assert seen == path
    browser.find_elements("css selector", "#strip button")[1].click()
    pressed = browser.find_elements("css selector", "#strip [aria-pressed=true]")[0].text
    assert current(browser) == path[1] and pressed.split("\n") == [path[1], first["values"][1]]
    radios = browser.find_elements("css selector", "#knobs input")
    radios[0].send_keys(Keys.ARROW_RIGHT)  # the next dimension, by keyboard
    assert radios[1].is_selected()
    tiles = [tile.text for tile in browser.find_elements("css selector", "#strip button")]
    assert [text.split("\n")[0] for text in tiles] == [titles[row] for row in second["items"]]


@with_browser
def test_the_map_and_the_people_by_keyboard(browser, made):
    from selenium.webdriver.common.keys import Keys

    opened(browser, made)
    canvas, about = browser.find_element("id", "canvas"), browser.find_element("id", "about")
    canvas.send_keys(Keys.ARROW_RIGHT)
    first = about.text
    canvas.send_keys(Keys.ARROW_UP, "+", Keys.ARROW_LEFT)
    assert "chosen by" in first and about.text != first
    title = content(made)["items"]["title"][7]
    browser.find_element("id", "find").send_keys(title)
    assert title in about.text
    before = browser.find_element("id", "recommended").text
    browser.find_element("id", "user").send_keys(Keys.ARROW_DOWN)
    assert browser.find_element("id", "recommended").text != before
    button = browser.find_element("id", "turn-user")
    button.send_keys(Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("id") == "slider"
    chosen = browser.find_element("css selector", "#start option:checked").text
    assert chosen.startswith(content(made)["users"][1]["id"])


@with_browser
def test_every_control_can_be_reached_and_has_a_name(browser, made):
    from selenium.webdriver.common.keys import Keys

    opened(browser, made)
    reached = set()
    for _ in range(40):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(browser.switch_to.active_element.get_attribute("id"))
    assert {
        "start",
        "slider",
        "colour",
        "find",
        "in",
        "out",
        "canvas",
        "user",
        "turn-user",
    } <= reached
    for id in ("start", "slider", "colour", "find", "in", "canvas", "user"):
        assert browser.find_element("id", id).accessible_name, id


@with_browser
def test_hostile_titles_stay_text(browser, hostile):
    opened(
        browser, hostile
    )  # an alert, or anything the policy blocked, would show in the log or raise here
    assert browser.execute_script("return document.querySelectorAll('script').length") == 2
    assert (
        browser.execute_script(
            "return [...document.images].filter(i => !i.src.startsWith('data:image/jpeg')).length"
        )
        == 0
    )
    shown = browser.find_element("css selector", "#concepts").text
    assert "<script>alert(1)</script>" in shown
    assert any("<!-- {{ 7*7 }} -->" in title for title in content(hostile)["items"]["title"])
    browser.find_element("id", "find").send_keys("<script>alert(1)")
    assert "<script>alert(1)</script>" in browser.find_element("id", "about").text


@with_browser
@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_narrow_screen_has_no_sideways_scroll(browser, made, width):
    from selenium.webdriver.common.keys import Keys

    with screen(browser, width, 700, scale=2, mobile=True):
        opened(browser, made)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        folded = browser.find_elements("css selector", ".card:not([open])")
        assert len(folded) == (6 if width < 640 else 0), "a phone's page folds its concepts"
        if folded:
            folded[0].find_element("tag name", "summary").send_keys(Keys.ENTER)
            assert "Most typical" in folded[0].text


@with_browser
def test_without_pictures_categories_or_figures(browser, tmp_path, command):
    rng = np.random.default_rng(0)
    (tmp_path / "bare.csv").write_text(
        "user,item\n"
        + "".join(f"u{u},i{i}\n" for u in range(60) for i in rng.choice(40, 12, replace=False))
    )
    options = ("--K", 3, "--d", 4, "--max-epochs", 1, "--quiet", "--out", tmp_path / "run")
    assert command("train", "--data", tmp_path / "bare.csv", *options).returncode == 0
    (tmp_path / "run" / "metrics.json").unlink()
    done = command("report", "--run", tmp_path / "run", "--out", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    opened(browser, tmp_path / "page.html")
    assert "not finished" in browser.find_element("id", "results").text
    assert current(browser).startswith("i")
    assert browser.find_element("css selector", ".card .blank").text.startswith("i"), (
        "an item without a picture is a card with its title"
    )
    assert "taught by who chose what alone." in browser.find_element("tag name", "header").text
    heading = browser.find_element("css selector", ".card h3").text
    assert heading.startswith("concept 0 such as i") and heading.count("; ") == 2


def test_the_page_says_what_taught_the_model(run, shop_run):
    def said(run):
        return report.render(*report.gather(run), {}, run.settings)

    assert "It was taught by who chose what and the items&#39; known categories." in said(run)
    settings = run.settings.replace(category_weight=0.0)
    assert "It was taught by who chose what alone." in said(replace(run, settings=settings))
    settings = run.settings.replace(start="pictures", alexnet="random")
    words = "what, the items&#39; known categories and the items&#39; pictures, where it begins."
    assert words in said(replace(run, settings=settings))
    settings = run.settings.replace(category_weight=0.0, warm_start="runs/march")
    words = "who chose what and an earlier model, which it goes on from."
    assert words in said(replace(run, settings=settings))


def test_the_headline_is_the_paired_difference_that_the_terminal_prints(made, shop_run):
    metrics = run_folder.load_metrics(shop_run)
    best = max(
        metrics["baselines"], key=lambda name: metrics["baselines"][name]["ndcg@100"]["mean"]
    )
    difference = metrics["differences"][best]["ndcg@100"]
    test, other = (of["ndcg@100"]["mean"] for of in (metrics["test"], metrics["baselines"][best]))
    assert difference["mean"] == pytest.approx(test - other) and difference["stderr"] > 0
    header = made.read_text(encoding="utf-8").split("</header>")[0]
    shown = f"{difference['mean']:+.3f}".replace("-", "−")
    assert f"<strong>{shown} <small>± {difference['stderr']:.3f}</small></strong>" in header
    assert f"against {best}" in header


def test_without_differences_an_older_run_shows_the_means(run, shop_run):
    metrics = run_folder.load_metrics(shop_run)
    del metrics["differences"]
    text = report.render(*report.gather(run), metrics, run.settings).split("</header>")[0]
    assert "user by user" not in text and ",\n  EASE " in text


def test_later_items_of_known_users_are_called_that(run):
    one = {"mean": 0.2, "stderr": 0.01, "users": 50, "left_out": 0}
    cover = {"mean": 0.5, "stderr": None, "users": 50, "left_out": 0}
    metrics = {"test": {"ndcg@20": one, "recall_all@20": one, "coverage@20": cover}}
    metrics["baselines"] = {"EASE": dict(metrics["test"])}
    metrics["differences"] = {"EASE": {"ndcg@20": one | {"mean": -0.03}, "recall_all@20": one}}
    data, cards = report.gather(run)
    settings = run.settings
    text = report.render(data | {"is_weak": True}, cards, metrics, settings)
    assert "never met" not in text and "training never saw" not in text
    assert "On what people chose later" in text and "NDCG@20 0.200" in text
    assert "<strong>−0.030 <small>± 0.010</small></strong> against EASE" in text
    assert "<em>recall_all@20</em>: the share of all hidden items" in text


def test_what_a_table_of_items_says_is_shown(titled):
    data = content(titled)
    assert "Nocturne, price 55.99" in data["items"]["about"]
    assert data["items"]["title"][0].startswith("Lamp ")


@pytest.fixture(scope="module")
def titled(command, tmp_path_factory):
    """The page of a shop with a table of items."""
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    rows = [f"u{u},i{i}\n" for u in range(60) for i in rng.choice(40, 12, replace=False)]
    (folder / "sales.csv").write_text("user,item\n" + "".join(rows))
    items = [f"i{i},Lamp {i},Nocturne,{i}.99\n" for i in range(16, 56)]
    items += [f"i{i},Lamp {i},Nocturne,55.99\n" for i in range(16)]
    (folder / "items.csv").write_text("item,title,brand,price\n" + "".join(items))
    options = ("--items", folder / "items.csv", "--K", 2, "--d", 4, "--max-epochs", 1, "--quiet")
    data = ("--data", folder / "sales.csv", "--out", folder / "run")
    done = command("train", *data, *options)
    assert done.returncode == 0, done.stderr
    done = command("report --run", folder / "run", "--out", folder / "page.html", "--anonymous")
    assert done.returncode == 0, done.stderr
    return folder / "page.html"


def test_an_anonymous_page_has_no_ids_and_no_paths(command, call, tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"ann{u}@x.org,i{i}\n" for u in range(60) for i in rng.choice(40, 12, replace=False)]
    (tmp_path / "secret.csv").write_text("user,item\n" + "".join(rows))
    options = ("--K", 2, "--d", 4, "--max-epochs", 1, "--quiet", "--out", tmp_path / "run")
    assert command("train", "--data", tmp_path / "secret.csv", *options).returncode == 0
    pages = []
    for flags in ([], ["--anonymous"]):
        done = call("report --run", tmp_path / "run", "--out", tmp_path / "page.html", *flags)
        assert done.returncode == 0, done.stderr
        pages.append((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "@x.org" in pages[0] and "Data secret.csv" in pages[0]
    for secret in ("@x.org", "secret", str(tmp_path)):
        assert secret not in pages[1], secret
    assert str(tmp_path) not in pages[0]
    assert [user["id"] for user in content(tmp_path / "page.html")["users"]][:2] == [
        "user 1",
        "user 2",
    ]


def test_knobs_are_offered_by_how_steadily_they_turn_something(run, made):
    data = content(made)
    known = {trait.name: trait for trait in knobs.traits(run.interactions, run.split)}
    for start in data["starts"]:
        of_concept = data["concepts"][start["concept"]]["knobs"]
        worth = []
        for j in start["order"]:
            turn, meanings = start["turns"][j], of_concept[j]["meanings"]
            assert len(turn["items"]) == len(turn["values"]) == len(turn["coordinates"]) > 0
            assert turn["coordinates"] in (
                sorted(turn["coordinates"]),
                sorted(turn["coordinates"])[::-1],
            )
            name = turn["values"][0].rsplit(" ", 1)[0]
            if meanings:
                values = known[name].values[turn["items"]]
                assert turn["values"] == [known[name].of(i) for i in turn["items"]]
                assert turn["rho"] == pytest.approx(
                    spearmanr(range(len(values)), values)[0], abs=0.01
                )
            weight = 0.1 if name == "popularity" else 1.0
            worth.append(weight * meanings[0][0] * turn["rho"] if meanings else 0.0)
        assert worth == sorted(worth, reverse=True) or np.ptp(worth) < 0.002
    first = data["starts"][data["first"]]
    assert first["worth"] == max(start["worth"] for start in data["starts"] if start["item"] >= 0)


def test_typical_items_come_before_best_known_ones(made):
    card = made.read_text(encoding="utf-8").split('<details class="card"')[1]
    assert card.index("Most typical") < card.index("Best known")


def test_what_the_page_says_of_an_item_is_true(run, made):
    interactions, split = run.interactions, run.split
    data = content(made)
    known = np.asarray(split.train.sum(axis=0)).ravel()
    assert len(data["items"]["row"]) == len(split.items)
    for place in (0, 100, 700):
        row = data["items"]["row"][place]
        assert (
            data["items"]["title"][place] == interactions.items[split.items[row]]
            and data["items"]["known"][place] == known[row]
        )
    for user in data["users"]:
        u = int(np.flatnonzero(interactions.users == user["id"])[0])
        assert user["count"] + user["hidden"] <= interactions.X[[u]].nnz
        for row, hit in user["recommended"]:
            assert hit == (split.items[row] in interactions.X[[u]].indices)
    for start in data["starts"]:
        for turn in start["turns"]:
            assert 0 <= turn["at"] <= max(0, len(turn["items"]) - 1)


def test_page_figure_and_terminal_call_a_concept_the_same(run, made, shop_run, command):
    printed = command("evaluate", "--run", shop_run, "--concepts").stdout
    names = [line.split("  ")[0] for line in printed.splitlines() if line.startswith("concept")]
    assert names == [concept["name"] for concept in content(made)["concepts"]]
    assert printed.count("  best known  ") == 6

    # with categories that are the concepts, all are named
    interactions = run.interactions
    kinds = interactions.categories.toarray()
    kinds[run.split.items] = np.eye(6)[maps.learned(run).assigned]
    named = replace(run, interactions=replace(interactions, categories=sparse.csr_array(kinds)))
    learned, few = maps.learned(named), np.arange(8)
    figure = drawing.concept_map(learned, few, few[:2], np.arange(20).reshape(10, 2))
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    names = [f"concept {k}: {name}" for k, name in enumerate(interactions.category_names)]
    assert [text.rsplit(" (", 1)[0] for text in legend] == names
    assert [concept["name"] for concept in report.gather(named)[0]["concepts"]] == names
    assert learned.matching == {k: k for k in range(6)}, (
        "in the map, a category has the colour of the concept called after it"
    )


def test_thumbnails_shrink_to_their_budget_and_skip_what_is_broken(run, tmp_path, monkeypatch):
    paths = list(knobs.pictures(run).values())[:60]
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "half.png").write_bytes(paths[0].read_bytes()[:300])
    full = report.thumbnails(
        [*paths, None, tmp_path / "empty.jpg", tmp_path / "half.png"], [True] * 63
    )
    assert all(full[:60]) and full[60:] == ["", "", ""]
    monkeypatch.setattr(report, "PICTURE_BYTES", sum(map(len, full)) // 2)
    assert 0 < sum(map(len, report.thumbnails(paths, [True] * 60))) <= 0.55 * sum(map(len, full))


MISTAKES = {
    "no run": (["--run", "no", "--out", "p.html"], "is this a run folder?"),
    "a folder": (["--out", "."], "is a folder; give --out a file"),
    "no pictures": (["--pictures", "no", "--out", "p.html"], "is not a folder"),
}


@pytest.mark.parametrize("words, message", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(call, shop_run, tmp_path, words, message):
    refused(call("report --run", shop_run, *words, cwd=tmp_path), message)
    assert not list(tmp_path.iterdir())
