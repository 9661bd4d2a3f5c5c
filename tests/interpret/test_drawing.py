"""What is drawn: colours, series, cards of words in place of a picture."""

import io

import numpy as np
import pytest
from matplotlib import font_manager
from PIL import Image

from macrid.interpret import drawing, maps

MARKUP = [r"$25-$50", r"$\frac{$", "_hidden", r"\$5", "a\nb", "^_{}", "x\x1b[31m", "%s & <b>"]


def test_eight_colours_differ_and_then_the_marker_does():
    assert len({drawing.style(k)[0] for k in range(8)}) == 8
    assert len({drawing.style(k) for k in range(56)}) == 56


def test_independence_curve_labels_series_and_joins_seeds():
    found = lambda y: {
        "independence": {
            "mu": y,
            "z": y,
            "h": y,
            "users_ceiling": 0.98,
            "items_ceiling": 0.97,
        },
        "test": {"ndcg@100": {"mean": y, "stderr": 0.01}},
    }
    figure = drawing.independence_curve(
        [("one", 0.1, found(0.2)), ("one", 0.1, found(0.4)), ("two", 1.0, found(0.5))]
    )
    assert len(figure.axes) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "β = 0.1",
        "β = 1",
        "one",
        "two",
        "independent,\nthis sample",
    ]
    means = {line.get_label(): line.get_xdata() for line in figure.axes[0].lines}
    np.testing.assert_allclose([means["one"], means["two"]], [[0.3], [0.5]])


def test_an_item_without_a_picture_is_a_card_of_words(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    Image.new("RGB", (20, 30)).save(tmp_path / "good.png")
    items = [
        (None, "A $5 title, which is long enough for several lines", "Drama, War"),
        (tmp_path / "broken.jpg", "i2", ""),
        (tmp_path / "good.png", "i3", "mug"),
    ]
    items = [(*item, "price 5") for item in items]
    figure = drawing.strips([("concept 0", items[0], items)], 3, "")
    axes = [axis for axis in figure.axes if axis.axison]
    words = lambda axis: [text.get_text() for text in axis.texts if text.get_text()]
    assert [len(axis.images) for axis in axes] == [0, 0, 0, 1]
    assert (
        words(axes[0])
        == words(axes[1])
        == ["A \\$5 title,\nwhich is long\nenough for\nseveral lines", "Drama, War"]
    )
    assert words(axes[2]) == ["i2"] and not words(axes[3]) and axes[3].get_xlabel() == "i3"
    assert {axis.get_title() for axis in axes} == {"price 5"}, "what is turned stands above"


def legend_of(names):
    """What is drawn where items are of categories of these names, twelve each."""
    categories = np.repeat(np.arange(len(names)), 12)
    M, H = len(categories), np.random.default_rng(0).standard_normal((len(categories) + 4, 4))
    few = np.empty(0, int)
    concepts = [
        maps.Concept(k, name, k, 12, 1 / len(names), [], few, few, (name,))
        for k, name in enumerate(names)
    ]
    learned = maps.Learned(
        H, H[: len(names)], np.eye(len(names))[categories], categories, concepts, categories,
        tuple(names), {k: k for k in range(len(names))},
    )  # fmt: skip
    return drawing.concept_map(learned, np.arange(M), categories[:4], H[: M + 4, :2])


def drawn(figure):
    """A figure's bytes, and the texts in it as they are drawn, which tells mathematics."""
    file = io.BytesIO()
    drawing.write(file, "svg", figure)
    legends = [axis.get_legend().get_texts() for axis in figure.axes]
    return [[text._preprocess_math(text.get_text()) for text in texts] for texts in legends]


@pytest.mark.parametrize("name", MARKUP)
def test_names_are_drawn_as_they_are(name):
    one_line = name.replace("\n", " ").replace("\x1b", r"\x1b")
    for texts in drawn(legend_of([name, "mugs"])):
        assert len(texts) == 2, "nobody is missing from a legend"
        assert texts[0][1] is False, "it is no mathematics"
        assert texts[0][0].lstrip("\N{HAIR SPACE}").startswith(one_line)


@pytest.mark.parametrize("name", MARKUP)
def test_titles_and_series_too(name):
    card = (None, name, name)
    metrics = {
        "independence": dict.fromkeys(("mu", "z", "h", "users_ceiling", "items_ceiling"), 0.5),
        "test": {"ndcg@100": {"mean": 0.5, "stderr": None}},
    }
    curve = drawing.independence_curve([(name, 0.1, metrics), (name + "2", 1.0, metrics)])
    assert len(curve.legends[0].get_texts()) == 5
    for figure in (
        curve,
        drawing.strips([(name, (*card, name), [(*card, name)])], 2, name),
        drawing.strip([(*card, 0.1, True), (*card, 0.2, False)], 3),
    ):
        drawing.write(io.BytesIO(), "svg", figure)


@pytest.fixture
def font_of_goods(tmp_path):
    """A font that has two Chinese letters, and matplotlib that knows it."""
    builder = pytest.importorskip("fontTools.fontBuilder").FontBuilder(1000, isTTF=True)
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    names = [".notdef", "a", "b"]
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord("商"): "a", ord("品"): "b"})
    pen = TTGlyphPen(None)
    for point in ((0, 0), (0, 500), (500, 500), (500, 0)):
        (pen.lineTo if pen.points else pen.moveTo)(point)
    pen.closePath()
    builder.setupGlyf(dict.fromkeys(names, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (600, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Goods", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "goods.ttf")
    before = list(font_manager.fontManager.ttflist)
    font_manager.fontManager.addfont(tmp_path / "goods.ttf")
    drawing.fonts_for.cache_clear()
    yield
    font_manager.fontManager.ttflist[:] = before
    drawing.fonts_for.cache_clear()


def test_a_font_that_has_the_letters_is_taken(font_of_goods, capsys, recwarn):
    fonts, missing = drawing.fonts_for("商品é")
    assert not missing and len(fonts) == 1
    drawing.write(io.BytesIO(), "png", legend_of(["商品", "mugs"]))
    assert not capsys.readouterr().err and not recwarn


def test_what_no_font_has_is_said_once_in_a_line(capsys, recwarn):
    for _ in range(2):
        drawing.write(io.BytesIO(), "png", legend_of(["\U0001f9ff", "mugs"]))
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "\U0001f9ff: they are boxes" in said and not recwarn
