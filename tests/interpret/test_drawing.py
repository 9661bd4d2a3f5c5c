"""What is drawn: colours, series, cards of words in place of a picture."""

import numpy as np
from PIL import Image

from macrid.interpret import drawing


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
    axes = drawing.strips([("concept 0", items[0], items)], 3, "").axes
    words = lambda axis: [text.get_text() for text in axis.texts if text.get_text()]
    assert [len(axis.images) for axis in axes] == [0, 0, 0, 1]
    assert (
        words(axes[0])
        == words(axes[1])
        == ["A \\$5 title, which\nis long enough for\nseveral lines", "Drama, War"]
    )
    assert words(axes[2]) == ["i2"] and not words(axes[3]) and axes[3].get_title() == "i3"
