"""Algorithm 1 as a graph, at the head of every notebook: `svg(here)` is a drawing of it, as plain
SVG, in which the steps named in `here` are marked.

    blue, square corners    learned: m, H, T, f_nn
    dashed                  given (x, the categories) or drawn (g, epsilon)
    white                   computed

The mark is a thick frame, not a colour alone, and a flag on the first of them.
"""

from html import escape

WIDTH, HEIGHT = 960, 312
# name: (kind, x, y, width, label, what it is); the middle of the box
NODES = {
    "H": ("learned", 60, 52, 86, "*H*", "items"),
    "m": ("learned", 60, 164, 86, "*m*", "prototypes"),
    "s": ("computed", 166, 164, 82, "*s*", "cosine (6)"),
    "g": ("given", 266, 264, 74, "*g*", "Gumbel"),
    "C": ("computed", 266, 164, 74, "*C*", "concepts"),
    "x": ("given", 372, 264, 78, "*x*", "her items"),
    "A": ("computed", 372, 164, 94, "*A*", "aggregate (9)"),
    "T": ("learned", 464, 264, 70, "*T*", "contexts"),
    "f_nn": ("learned", 548, 264, 70, "*f*_nn", "network"),
    "posterior": ("computed", 492, 164, 96, "*μ*, *σ*", "posterior (9)"),
    "epsilon": ("given", 632, 264, 70, "*ε*", "normal"),
    "z": ("computed", 600, 164, 66, "*z*", "taste"),
    "P": ("computed", 698, 164, 74, "*P*", "(7), (8)"),
    "KL": ("computed", 726, 264, 74, "KL", "(4), (5)"),
    "ln p": ("computed", 806, 164, 82, "ln *p*(*x*)", "(2)"),
    "categories": ("given", 690, 52, 86, "*ĉ*", "categories"),
    "CE": ("computed", 806, 52, 82, "−ln *c*", "(11)"),
    "loss": ("computed", 906, 164, 78, "loss", "line 34"),
}
TALL = 44  # the height of a box
# the arrows: the points of a line, the last with an arrowhead
ARROWS = (
    ((103, 66), (150, 66), (163, 141)),  # H to s
    ((103, 40), (610, 40), (680, 141)),  # H to P
    ((103, 164), (124, 164)),  # m to s
    ((207, 164), (228, 164)),  # s to C
    ((266, 242), (266, 188)),  # g to C
    ((303, 164), (324, 164)),  # C to A
    ((280, 142), (308, 100), (620, 100), (670, 141)),  # C to P
    ((620, 100), (745, 100), (776, 76)),  # C to the categories' term
    ((372, 242), (372, 188)),  # x to A
    ((452, 242), (396, 188)),  # T to A
    ((419, 164), (443, 164)),  # A to mu, sigma
    ((536, 242), (508, 188)),  # f_nn to mu, sigma
    ((540, 164), (566, 164)),  # mu, sigma to z
    ((524, 186), (580, 222), (668, 222), (698, 241)),  # mu, sigma to KL
    ((625, 242), (606, 188)),  # epsilon to z
    ((633, 164), (660, 164)),  # z to P
    ((735, 164), (764, 164)),  # P to ln p
    ((372, 286), (372, 304), (806, 304), (806, 188)),  # x to ln p
    ((847, 164), (866, 164)),  # ln p to the loss
    ((763, 264), (880, 264), (900, 188)),  # KL to the loss
    ((733, 52), (764, 52)),  # categories to their term
    ((847, 52), (880, 52), (900, 141)),  # and that to the loss
)
# which steps a notebook is about
HERE = {
    "00_tour": ("x", "P"),
    "01_story": ("z", "P"),
    "02_elbo": ("loss", "ln p", "KL"),
    "03_reconstruction": ("P", "ln p"),
    "04_kl": ("KL", "posterior"),
    "05_prototypes": ("s", "m", "g", "C"),
    "06_encoder": ("A", "f_nn", "posterior", "epsilon", "z"),
    "07_semantics": ("H", "m", "categories", "CE"),
    "08_backpropagation": tuple(NODES),
    "09_training": ("H", "m", "T", "f_nn"),
    "10_disentanglement": ("C", "z"),
    "11_control": ("H", "z"),
    "12_scale": ("P", "ln p", "A"),
}
FILL = {"learned": "#d6e8f5", "given": "#ffffff", "computed": "#ffffff"}
INK, LINE, MARK, GLOW = "#222222", "#777777", "#b34700", "#ffe9c7"
FONT = 'font-family="DejaVu Sans, Verdana, Arial, sans-serif"'


def svg(here: tuple[str, ...] = ()) -> str:
    """The graph as an SVG document; the steps in `here` carry the mark."""
    unknown = set(here) - set(NODES)
    if unknown:
        raise ValueError(f"no such step: {sorted(unknown)}; there are {list(NODES)}")
    steps = ", ".join(here) or "no step is marked"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" {FONT}>',
        f"<title>Algorithm 1 as a graph; you are here: {escape(steps)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto">'
        f'<path d="M0 0 L8 4 L0 8 z" fill="{LINE}"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#ffffff"/>',
        *map(_arrow, ARROWS),
        *(_box(name, name in here) for name in NODES),
    ]
    if here and len(here) < len(NODES):
        parts.append(_flag(here[0]))
    return "\n".join([*parts, "</svg>", ""])


def _arrow(points):
    path = " L".join(f"{x} {y}" for x, y in points)
    return f'<path d="M{path}" fill="none" stroke="{LINE}" marker-end="url(#tip)"/>'


def _box(name, marked):
    kind, x, y, width, label, below = NODES[name]
    dashes = ' stroke-dasharray="4 3"' if kind == "given" else ""
    fill, stroke, thick = (GLOW, MARK, 3.5) if marked else (FILL[kind], INK, 1.2)
    corner = 0 if kind == "learned" else 9
    left, top = x - width / 2, y - TALL / 2
    return (
        f'<rect x="{left:g}" y="{top:g}" width="{width}" height="{TALL}" rx="{corner}" '
        f'fill="{fill}" stroke="{stroke}" stroke-width="{thick}"{dashes}/>'
        f'<text x="{x}" y="{y - 2}" font-size="16" text-anchor="middle" fill="{INK}">'
        f"{_letters(label)}</text>"
        f'<text x="{x}" y="{y + 15}" font-size="11" text-anchor="middle" fill="{INK}">'
        f"{escape(below)}</text>"
    )


def _letters(label):
    """*x* is a letter in italics, what follows an underscore is set low."""
    label, _, low = label.partition("_")
    pieces = label.split("*")  # every second one stood between stars
    italics = '<tspan font-style="italic">{}</tspan>'
    text = "".join(
        italics.format(escape(piece)) if place % 2 else escape(piece)
        for place, piece in enumerate(pieces)
    )
    return text + (f'<tspan font-size="11" dy="4">{escape(low)}</tspan>' if low else "")


def _flag(name):
    _, x, y, _, _, _ = NODES[name]
    top = y - TALL / 2 - 4
    return (
        f'<path d="M{x - 6} {top - 8} h12 l-6 8 z" fill="{MARK}"/>'
        f'<text x="{x}" y="{top - 11}" font-size="11" font-weight="bold" text-anchor="middle" '
        f'fill="{MARK}" stroke="#ffffff" stroke-width="3" paint-order="stroke">you are here</text>'
    )
