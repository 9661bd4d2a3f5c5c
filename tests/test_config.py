"""A configuration that exists is sound; everything else says what was found and expected."""

import pytest

from macrid.config import Config, from_dict, read_toml
from macrid.errors import UserError


@pytest.mark.parametrize(
    "values, message",
    [
        ({"K": 0}, "K is 0, expected at least 1"),
        ({"K": 2.5}, "K is 2.5, expected int"),
        ({"tau": 0.0}, "tau is 0.0, expected at least"),
        ({"dropout": 1.0}, "dropout is 1.0, expected at most"),
        ({"learning_rate": float("nan")}, "expected a finite number"),
        ({"similarity": "cos"}, "expected one of cosine, inner"),
        ({"gumbel_noise": 1}, "expected bool"),
        ({"lr": 3}, "unknown option 'lr'; known are K, adaptive_K, "),
        ({"k": 3}, "unknown option 'k'; did you mean K?"),
        ({"epochs": 3}, "unknown option 'epochs'; did you mean max_epochs?"),
        ({"Faithful": True}, "unknown option 'Faithful'; did you mean faithful?"),
        ({"max_epoch": 3}, "unknown option 'max_epoch'; did you mean max_epochs"),
    ],
)
def test_impossible_values(values, message):
    with pytest.raises(UserError, match=message):
        from_dict(values)


def test_whole_numbers_are_fine_for_floats_and_replace_checks_too():
    assert Config(beta=1).beta == 1.0
    assert Config().replace(K=7).K == 7
    with pytest.raises(UserError, match="unknown option"):
        Config().replace(k=7)


def test_toml(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('K = 7\nsplit = "authors"\n')
    assert from_dict(read_toml(path)) == Config(K=7, split="authors")
    path.write_text("K = = 7\n")
    with pytest.raises(UserError, match="is not TOML"):
        read_toml(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_toml(tmp_path / "none.toml")
