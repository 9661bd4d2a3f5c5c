"""The site made from docs/ and tutorials/: each link leads somewhere, each notebook is a page."""

import functools
import http.server
import importlib.util
import json
import re
import subprocess
import sys
import threading
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlparse

import pytest
from helpers import ROOT, screen, with_browser

pytest.importorskip("material", reason='the site needs: pip install ".[dev]"')
pytestmark = pytest.mark.long

TOUCH = r'data-touch="(\w+)"'  # a figure that one can touch
NOTEBOOKS = sorted((ROOT / "tutorials").glob("[0-9]*.ipynb"))


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value)
            elif name in ("href", "src") and value is not None:
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_internal_link_leads_somewhere(site):
    pages = {path: Page(path) for path in site.rglob("*.html")}
    lost = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links begin at the root of a server
            continue
        base = "http://site/" + path.relative_to(site).as_posix()
        for link in page.links:
            address = urlparse(urljoin(base, link))
            if address.netloc != "site":
                assert address.scheme in ("https", "http", "data", "mailto"), link
                continue
            target = site / unquote(address.path).lstrip("/")
            target = target / "index.html" if target.is_dir() else target
            anchors = pages[target].anchors if target in pages else {address.fragment}
            if not target.is_file() or unquote(address.fragment) not in anchors:
                lost.append(f"{path.relative_to(site)}: {link}")
    assert sum(len(page.links) for page in pages.values()) > 1000
    assert not lost, "\n".join(lost)


def test_every_notebook_has_its_page_with_outputs_and_neighbours(site):
    for place, path in enumerate(NOTEBOOKS):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        drawn = sum("image/png" in output.get("data", {}) for output in outputs)
        text = (site / "tutorials" / path.stem / "index.html").read_text(encoding="utf-8")
        assert len(set(re.findall(rf'src="\.\./{path.stem}_\d+\.png"', text))) == drawn > 0
        alive = [name for output in outputs for name in re.findall(TOUCH, str(output))]
        assert text.count('class="output"') == len(outputs) - drawn - len(alive)
        assert re.findall(TOUCH, text) == alive and all(f"/{name}.js" in text for name in alive)
        assert text.count("<math") > 50 or place == 0  # the tour has no formulas
        assert not re.search(r"FORMULA\d|\$\$|\\mathbf", text)
        following = NOTEBOOKS[place + 1].stem if place + 1 < len(NOTEBOOKS) else "glossary"
        assert re.search(rf'href="\.\./{following}/" class="md-footer__link', text)
    written = (site / "equations" / "index.html").read_text(encoding="utf-8")
    assert all(f'id="eq-{n}"' in written for n in range(1, 13))


def test_no_page_asks_another_server_for_anything(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'(?:src|<link[^>]*href)="https?://', text), path


def test_a_badge_leads_to_a_service_without_an_account_where_the_repository_is_known():
    where = importlib.util.spec_from_file_location("notebooks", ROOT / "docs" / "notebooks.py")
    notebooks = importlib.util.module_from_spec(where)
    where.loader.exec_module(notebooks)
    page = notebooks.with_badge("# Title\nwords", "01_story", "https://github.com/a/b.git")
    address = "https://mybinder.org/v2/gh/a/b/HEAD?labpath=tutorials/01_story.ipynb"
    assert f"]({address})" in page and page.startswith("# Title\n")
    assert "gl/a%2Fb/HEAD" in notebooks.binder("https://gitlab.com/a/b/", "01_story")
    assert "mybinder" not in notebooks.with_badge("# Title\nwords", "01_story", None)
    with pytest.raises(notebooks.PluginError, match="expected to begin with"):
        notebooks.binder("https://example.com/a/b", "01_story")
    needs = (ROOT / ".binder" / "requirements.txt").read_text().strip()
    assert needs == ".[tutorials]" and '"tutorials": [' in (ROOT / "setup.py").read_text()


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(site):
    """The site as a server gives it: its address."""
    handler = functools.partial(Silent, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@with_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_the_screen_and_the_console_is_silent(browser, address, width):
    with screen(browser, width, mobile=width < 600):
        for place in ("", "equations/", *(f"tutorials/{path.stem}/" for path in NOTEBOOKS)):
            browser.get_log("browser")
            browser.get(address + place)
            assert browser.get_log("browser") == [], place
            wide = browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, place
