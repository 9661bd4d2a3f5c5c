"""Figures that one can touch: their formulas are macrid's, and they obey mouse, keys, fingers."""

import json
import sys

import numpy as np
import pytest
from helpers import ROOT, screen, with_browser

pytest.importorskip("jupytext", reason='figures need: pip install ".[tutorials]"')
from scipy.stats import norm  # noqa: E402

from macrid.interpret import trajectory  # noqa: E402
from macrid.model import decoder, encoder, ops, prototypes  # noqa: E402

sys.path.insert(0, str(ROOT / "tutorials"))
import bugs  # noqa: E402
import build  # noqa: E402
from figures import still  # noqa: E402

NOTEBOOKS = [build.nbformat.read(path.with_suffix(".ipynb"), 4) for path in build.sources()]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A page of all figures."""
    path = tmp_path_factory.mktemp("figures") / "page.html"
    path.write_text(still.page(*still.NAMES), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser, made):
    browser.get_log("browser")
    browser.get(made.as_uri())
    yield browser
    assert browser.get_log("browser") == []


def computed(browser, name, **state):
    """What a figure computes for its first state with some values changed."""
    script = """const figure = touch.figures[arguments[0]];
        return JSON.stringify(figure.compute({...figure.state, ...JSON.parse(arguments[1])}))"""
    return json.loads(browser.execute_script(script, name, json.dumps(state)))


def on_circle(*degrees):
    angle = np.deg2rad(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def test_every_figure_is_in_a_notebook_as_it_is_now():
    shown = [figure for notebook in NOTEBOOKS for figure in build.touched(notebook)]
    assert sorted(name for name, _ in shown) == still.NAMES
    for name, output in shown:
        again = f"run  python tutorials/build.py --listings {name[:2]}"
        assert output.data["text/html"] == still.html(name), again


@with_browser
@pytest.mark.parametrize("name", still.NAMES)
def test_the_still_picture_is_what_is_drawn(browser, name):
    committed = (still.HERE / f"{name}.svg").read_text(encoding="utf-8")
    assert still.drawn(browser, name) == committed, "run  python tutorials/figures/still.py"


@with_browser
def test_01_probabilities_are_those_of_the_decoder(opened):
    for z1, z2, tau in ((40, 220, 0.5), (40, 340, 0.5), (123, 7, 0.1)):
        H, C = on_circle(10, 60, 100, 150, 190, 240, 280, 330), np.zeros((8, 2))
        C[np.arange(8), [0, 0, 1, 0, 1, 1, 0, 1]] = 1
        P = np.exp(decoder.log_scores(on_circle(z1, z2)[None], H, C, tau))[0]
        found = computed(opened, "01_ratios", z1=z1, z2=z2, tau=tau)
        np.testing.assert_allclose(found["p"], P / P.sum(), rtol=1e-9)
    before, after = (computed(opened, "01_ratios", z2=z2) for z2 in (220, 340))
    one = [0, 1, 3, 6]
    np.testing.assert_allclose(np.take(before["ratios"], one), np.take(after["ratios"], one))
    assert abs(before["shares"][0] - after["shares"][0]) > 0.01


@with_browser
def test_03_probabilities_and_their_bound(opened):
    for z, tau, M in ((50, 0.3, 1500), (10, 0.03, 1_000_000), (200, 1.0, 10)):
        found, H = computed(opened, "03_tau", z=z, tau=tau, M=M), on_circle(*range(0, 360, 15))
        scores = decoder.log_scores(on_circle(z)[None], H, np.ones((24, 1)), tau)[0]
        p = ops.softmax(scores)[0]
        np.testing.assert_allclose(found["p"], p, rtol=1e-9, atol=1e-300)
        assert found["among"] == pytest.approx(np.exp(-(p * np.log(p)).sum()))
        opposite = np.vstack([np.eye(1, 2), np.repeat(-np.eye(1, 2), min(M, 1500) - 1, axis=0)])
        if M <= 1500:
            of_all = decoder.log_scores(np.eye(1, 2)[None], opposite, np.ones((M, 1)), tau)[0]
            assert found["most"] == pytest.approx(ops.softmax(of_all)[0][0], rel=1e-9)


@with_browser
def test_04_parts_of_the_kl(opened):
    side = np.linspace(-4, 4, 321)
    width = side[1] - side[0]
    plane = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1)[:, :, None]
    for users, turn, ratio in ((6, 0, 0.3), (6, 15, 0.3), (4, 45, 0.5), (3, 20, 1.0)):
        found = computed(opened, "04_means", users=users, turn=turn, ratio=ratio)
        mu, sigma, sigma0 = on_circle(*(turn + 360 * np.arange(users) / users)), ratio * 0.6, 0.6
        b = np.full((users, 1, 2), -2 * np.log(ratio))
        closed, _ = encoder.kl_divergence(mu[:, None], b, sigma0)
        assert found["kl"] == pytest.approx(closed)
        q = norm.pdf(plane, mu, sigma).prod(axis=-1).mean(axis=-1) * width**2
        ends = (q.sum(axis=1), q.sum(axis=0))
        own = 1 + np.log(2 * np.pi * sigma**2)
        together = -(q * np.log(np.maximum(q, 1e-300) / width**2)).sum()
        apart = [-(p * np.log(np.maximum(p, 1e-300) / width)).sum() for p in ends]
        assert found["I"] == pytest.approx(together - own, abs=2e-3)
        assert found["TC"] == pytest.approx(sum(apart) - together, abs=2e-3)
        prior = norm.logpdf(side, 0, sigma0)
        against = [p * (np.log(np.maximum(p, 1e-300) / width) - prior) for p in ends]
        assert found["each"] == pytest.approx(np.sum(against), abs=4e-3)
    straight, turned = (computed(opened, "04_means", turn=turn) for turn in (0, 15))
    assert straight["kl"] == turned["kl"] and abs(straight["TC"] - turned["TC"]) > 0.2
    assert computed(opened, "04_means", users=4, turn=45)["TC"] == pytest.approx(0, abs=1e-6)


@with_browser
def test_05_samples_are_those_of_the_gumbel_softmax(opened):
    noise = -np.log(np.random.default_rng(0).standard_exponential((50, 3)))
    script = (
        "return touch.figures['05_simplex'].compute({s1: .8, s2: 0, s3: .3, temperature: %s}, %s)"
    )
    for temperature in (0.05, 0.5, 5.0):
        found = opened.execute_script(script % (temperature, json.dumps(noise.tolist())))
        logits = prototypes.gumbel_logits(np.array([0.8, 0, 0.3]), noise, temperature)[0]
        np.testing.assert_allclose(found["samples"], ops.softmax(logits)[0], rtol=1e-9)
        assert found["winners"] == logits.argmax(axis=1).tolist()
        np.testing.assert_allclose(found["mean"], ops.softmax(logits)[0].mean(axis=0))
    shares = np.array(computed(opened, "05_simplex", s1=1.0, s2=-1.0)["won"])
    p = ops.softmax(np.array([1.0, -1.0, 0.3]))[0]
    assert (abs(shares - p) < 4 * np.sqrt(p * (1 - p) / 400)).all(), "its noise is Gumbel's"


def gradient_by_macrid(x, b):
    """The gradient of 08's loss by macrid's ops, as they now stand: with a planted bug, wrong."""
    sigma0, tau, beta, epsilon = 0.3, 0.5, 0.5, np.array([[[0.7, -1.1, 0.4]]])
    rows = np.array([[0.8, -0.4, 0.5], [-0.3, 0.9, 0.2], [0.1, 0.6, -0.8], [-0.7, -0.2, -0.6]])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    t, pull_t = ops.tanh(np.array([[x]]))
    mu, pull_mu = ops.normalise(t)
    noisy, pull_sample = encoder.sample(mu, np.array([[b]]), epsilon, sigma0)
    z, pull_z = ops.normalise(noisy)
    s, pull_s = prototypes.concept_logits(z[0], rows, tau)
    p, pull_p = ops.softmax(s)
    two = lambda first: np.concatenate([first, np.zeros_like(first)])  # a user who adds a constant
    _, pull_kl = encoder.kl_divergence(two(mu), two(np.array([[b]])), sigma0)
    dz, _ = pull_s(pull_p(np.array([[-1 / p[0, 0], 0, 0, 0]])))
    dmu, db = pull_sample(pull_z(dz[None]))
    dmu_kl, db_kl = pull_kl(beta)
    dx = pull_t(pull_mu(dmu + dmu_kl[:1]))
    return dx.ravel(), (db + db_kl[:1]).ravel()


@with_browser
@pytest.mark.parametrize("bug", [None, *"ABFHIJL"])
def test_08_gradients_are_those_of_macrid_with_the_same_bug(opened, bug):
    x, b = [0.6, -0.9, 0.3], [0.4, -0.2, 0.7]
    right = computed(opened, "08_steps")
    if bug is None:
        expected = gradient_by_macrid(x, b)
    else:
        with bugs.planted(bug):
            expected = gradient_by_macrid(x, b)
    found = computed(opened, "08_steps", bug=bug or "none")
    np.testing.assert_allclose(found["gradient"]["x"], expected[0], rtol=1e-9)
    np.testing.assert_allclose(found["gradient"]["b"], expected[1], rtol=1e-9)
    passes = min(found["planted"]) < 1e-6
    assert passes == (bug in (None, "L")), "L is wrong both ways"
    assert right["here"] < 1e-7 and right["right"] == computed(opened, "08_steps", bug="A")["right"]


@with_browser
def test_11_walks_are_those_of_the_trajectory(opened):
    source = (still.HERE / "11_knob.js").read_text(encoding="utf-8")
    line = next(line for line in source.splitlines() if line.startswith(still.DATA))
    data = json.loads(line.removeprefix(still.DATA).rstrip(";"))
    H, m, attributes = (np.array(data[name]) for name in ("H", "m", "attributes"))
    H, m = ops.normalise(H)[0], ops.normalise(m)[0]
    k = (m @ H[data["starts"][0]]).argmax()
    space = trajectory.Space(H, m, data["tau"], True, np.full(len(H), k))
    for dimension, start in ((3, 0), (0, 4), (7, 9), (9, 2)):
        found = computed(opened, "11_knob", dimension=dimension, start=start)
        path = trajectory.trajectory(space, H[data["starts"][start]], dimension, 8)
        assert found["items"] == path.items.tolist()
        np.testing.assert_allclose(found["edges"], path.edges, atol=1e-9)
        assert found["score"] == pytest.approx(path.score)
        rho = trajectory.step_correlation(attributes[path.items])
        np.testing.assert_allclose(found["rho"], rho, atol=1e-9)


def told(browser, name):
    figure = browser.find_element("css selector", f"[data-touch='{name}']")
    return figure, figure.find_element("css selector", ".touch-told").text


@with_browser
@pytest.mark.parametrize("name", still.NAMES)
def test_it_obeys_mouse_keyboard_and_touch(opened, name):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    seen = [
        opened.find_element("css selector", f"[data-touch='{name}'] svg").get_attribute("outerHTML")
    ]

    def changed(what):
        figure, words = told(opened, name)
        now = figure.find_element("tag name", "svg").get_attribute("outerHTML")
        assert now != seen[-1], what
        seen.append(now)
        assert "NaN" not in now + words and "undefined" not in now + words and words

    slider = opened.find_element("css selector", f"[data-touch='{name}'] input[type=range]")
    assert slider.accessible_name
    slider.send_keys(*[Keys.ARROW_LEFT] * 3)
    changed("keys")
    grip = opened.find_element("css selector", f"[data-touch='{name}'] [data-handle]")
    ActionChains(opened).scroll_to_element(slider).perform()
    ActionChains(opened).drag_and_drop_by_offset(grip, 30, -24).perform()
    changed("mouse")
    grip = opened.find_element("css selector", f"[data-touch='{name}'] [data-handle] circle")
    box = opened.execute_script(
        "const b = arguments[0].getBoundingClientRect(); return [b.x, b.y, b.width]", grip
    )
    x, y = box[0] + box[2] / 2, box[1] + box[2] / 2
    for kind, points in (("Start", [(x, y)]), ("Move", [(x - 30, y + 30)]), ("End", [])):
        points = [{"x": px, "y": py} for px, py in points]
        event = {"type": f"touch{kind}", "touchPoints": points}
        opened.execute_cdp_cmd("Input.dispatchTouchEvent", event)
    changed("a finger")
    for select in opened.find_elements("css selector", f"[data-touch='{name}'] select"):
        select.send_keys(Keys.ARROW_DOWN)
        changed("a choice")


@with_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_they_fit_the_screen(opened, made, width):
    with screen(opened, width, mobile=width < 600):
        opened.get(made.as_uri())
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
        smallest = """return Math.min(...[...document.querySelectorAll('svg text')].map((text) =>
            parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a))"""
        assert opened.execute_script(smallest) > 10.5, "pixels: letters that can be read"
