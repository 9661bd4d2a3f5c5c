"""Hook of MkDocs: the notebooks of tutorials/ as pages, with their outputs.

A notebook is JSON: its words become Markdown (formulas are the business of hooks.py), its code and
what that printed become blocks, its pictures become files. Where mkdocs.yml says with `repo_url`
where the repository is, each page has a badge that opens its notebook at mybinder.org, which asks
for no account.
"""

import base64
import json
import re
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
TUTORIALS = ROOT / "tutorials"
LINK = r"\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)"
FUNCTION = r"`((?:macrid\.)?(?:[a-z_]+\.){2}[A-Za-z]\w*)`"
SOLUTION = "# solution"
BADGE = "https://mybinder.org/badge_logo.svg"
TOUCH = """<figure class="touch" data-touch="{name}">
<img alt="" src="../figures/{name}.svg">
</figure>
<script src="../figures/touch.js"></script>
<script src="../figures/{name}.js"></script>
<script>touch.mountAll();</script>"""
HOSTS = {"https://github.com/": "gh", "https://gitlab.com/": "gl"}


def on_files(files, config):
    """Add a page for each notebook and each text, and the files that they show."""
    for path in sorted(TUTORIALS.glob("*.md")):
        name = "index" if path.stem == "README" else path.stem
        text = linked(path.read_text(encoding="utf-8"))
        files.append(File.generated(config, f"tutorials/{name}.md", content=text))
    for path in sorted(TUTORIALS.glob("[0-9]*.ipynb")):
        text, pictures = page(json.loads(path.read_text(encoding="utf-8")), path.stem)
        text = with_badge(text, path.stem, config.repo_url)
        files.append(File.generated(config, f"tutorials/{path.stem}.md", content=text))
        for name, content in pictures.items():
            files.append(File.generated(config, f"tutorials/{name}", content=content))
    copied = ("[0-9]*.ipynb", "blank/*.ipynb", "images/*", "figures/*.js", "figures/*.svg")
    for path in sorted(path for pattern in copied for path in TUTORIALS.glob(pattern)):
        name = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def page(notebook, stem):
    """A notebook as Markdown, and {name: bytes} of its pictures."""
    parts, pictures = [], {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(linked(source))
        elif source.strip():
            block = fenced(source, "python")
            is_answer = source.startswith(SOLUTION)
            parts.append(folded("Solution", block) if is_answer else block)
        for output in cell.get("outputs", []):
            parts.append(shown(output, stem, pictures))
    return "\n\n".join(part for part in parts if part) + "\n", pictures


def shown(output, stem, pictures):
    """What a cell printed or drew, as Markdown; a picture is added to `pictures`."""
    data = output.get("data", {})
    if output["output_type"] == "stream":
        return within("output", fenced("".join(output["text"]), "text"))
    if "image/png" in data:
        name = f"{stem}_{len(pictures)}.png"
        pictures[name] = base64.b64decode("".join(data["image/png"]))
        return f"![What the cell above draws]({name})"
    touch = re.search(r'data-touch="(\w+)"', "".join(data.get("text/html", "")))
    if touch:
        return TOUCH.format(name=touch[1])
    if "text/html" in data:  # the source of a function of macrid
        return within("output", fenced("".join(data["text/plain"]), "python"))
    return within("output", fenced("".join(data.get("text/plain", "")), "text"))


def fenced(text, language):
    """A block of code or text."""
    return f"~~~~ {language}\n{text.rstrip()}\n~~~~"


def within(kind, markdown):
    """Markdown inside an element that the style sheet knows."""
    return f'<div class="{kind}" markdown="1">\n\n{markdown}\n\n</div>'


def folded(summary, markdown):
    """Markdown that the reader unfolds."""
    head = f'<details markdown="1"><summary>{summary}</summary>'
    return f"{head}\n\n{markdown}\n\n</details>"


def linked(markdown):
    """The words of a notebook with their links as the site has them."""
    markdown = markdown.replace("<details>", '<details markdown="1">')
    markdown = re.sub(LINK, site_link, markdown)
    return re.sub(FUNCTION, in_reference, markdown)


def site_link(link):
    """A link of a notebook; one to a file that the site lacks becomes text."""
    text, path, anchor = link[1], link[2], link[3] or ""
    source = re.match(r"\.\./macrid/(\w+)/(\w+)\.py$", path)
    if source:
        path, anchor = f"../api/{source[1]}.md", f"#macrid.{source[1]}.{source[2]}"
    elif path.startswith("../docs/"):
        path = path.replace("docs/", "", 1)
    elif path.startswith("../"):
        return f"{text} (`{path.removeprefix('../')}`)"
    elif path == "README.md":
        path = "index.md"
    elif re.match(r"\d\d_\w+\.ipynb$", path):
        path = path.replace(".ipynb", ".md")
    return f"[{text}]({path}{anchor})"


def in_reference(name):
    """The name of a public function or file of macrid, as a link to the reference."""
    full = "macrid." + name[1].removeprefix("macrid.")
    room, file, *function = full.split(".")[1:]
    path = ROOT / "macrid" / room / f"{file}.py"
    if not path.is_file():
        return name[0]
    pattern = rf"^(?:def|class) {function[0]}\b" if function else ""
    is_there = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    return f"[{name[0]}][{full}]" if is_there else name[0]


def with_badge(text, stem, repo_url):
    """The page of a notebook with links to run it, below its title."""
    links = [f"[download it]({stem}.ipynb)"]
    if repo_url:
        links.insert(0, f"[![run it at mybinder.org]({BADGE})]({binder(repo_url, stem)})")
    title, _, rest = text.partition("\n")
    return f"{title}\n\n{within('run', ' · '.join(links))}\n{rest}"


def binder(repo_url, stem):
    """The address that opens a notebook of a public repository at mybinder.org.

    >>> binder("https://github.com/someone/macrid", "01_story")
    'https://mybinder.org/v2/gh/someone/macrid/HEAD?labpath=tutorials/01_story.ipynb'
    """
    for host, kind in HOSTS.items():
        if repo_url.startswith(host):
            name = repo_url.removeprefix(host).rstrip("/").removesuffix(".git")
            name = name.replace("/", "%2F") if kind == "gl" else name
            return f"https://mybinder.org/v2/{kind}/{name}/HEAD?labpath=tutorials/{stem}.ipynb"
    raise PluginError(f"repo_url is {repo_url}, expected to begin with one of {', '.join(HOSTS)}")
