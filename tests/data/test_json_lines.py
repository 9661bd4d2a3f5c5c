"""Categories from JSON lines: lists, paths, and what is wrong, by line."""

import gzip

import pytest

from macrid import data
from macrid.errors import UserError

LINES = (
    '{"asin": "a", "title": "T", "categories": [["Toys", "Puzzles"], ["Sale"]]}\n\n'
    '{"asin": "b", "categories": ["Toys", null, 3]}\n'
    '{"asin": "c", "categories": "Books|Music"}\n'
    '{"asin": "d"}\n'
)


def read(tmp_path, text, key="categories", name="meta.json"):
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    rows = [("u", item) for item in "abcd"]
    return data.categorised(data.from_pairs(*zip(*rows)), f"{tmp_path / name}:{key}")


@pytest.mark.parametrize("text", [LINES, gzip.compress(LINES.encode())], ids=["plain", "gzip"])
def test_categories_are_lists_and_paths(tmp_path, text):
    found = read(tmp_path, text)
    assert dict(zip(found.items, found.item_categories(range(4)))) == {
        "a": "Sale, Toys > Puzzles",
        "b": "3, Toys",
        "c": "Books|Music",
        "d": "",
    }


@pytest.mark.parametrize(
    "text, message",
    [
        (LINES + "{'asin': 'e'}\n", r"line 6: '\{'asin': 'e'\}' is no JSON object"),
        (LINES + '["e"]\n', "line 6: .* is no JSON object, as in the lines before"),
        ('{"name": "a", "categories": []}\n', "line 1: has no key of items, .* name,categories"),
        (LINES.replace("categories", "kinds"), "no line has a key 'categories'"),
        (LINES + "[" * 100_000, "line 6: .* is no JSON object"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, text)
