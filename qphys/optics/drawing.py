"""Pictures of circuits: text for a terminal, SVG for a notebook. One line of light an arm, elements from left to right."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from qphys.optics.circuit import Circuit

ROW: Final = 4
"""Lines of text from one arm to the next: border, line of light, parameter, border."""

COLOURS: Final = {
    "source": ("#ede7f6", "#5e35b1"),
    "plate": ("#e3f2fd", "#1565c0"),
    "splitter": ("#e8f5e9", "#2e7d32"),
    "loss": ("#f5f5f5", "#616161"),
    "detector": ("#fff3e0", "#e65100"),
}
"""Fill and outline of each kind of element."""

CHARACTER: Final = 7.4
"""Width of a letter of the SVG's font, at 12 pixels [px]."""

BOLD: Final = ' font-weight="bold"'

SPACING: Final = 74.0
"""From one arm to the next [px]."""


@dataclass(frozen=True)
class _Box:
    """A drawn element: what stands on each arm's line, and below it."""

    kind: str
    rows: tuple[int, ...]
    """Arms it acts on."""
    lines: tuple[str, ...]
    """Text on the line of each of these arms."""
    details: tuple[str, ...]
    """Text under the line of each of these arms."""
    column: int

    @property
    def span(self) -> range:
        return range(min(self.rows), max(self.rows) + 1)

    @property
    def width(self) -> int:
        """In letters."""
        return max(len(entry) for entry in (*self.lines, *self.details))


def text(circuit: Circuit) -> str:
    """Draw a circuit in text.

    Parameters
    ----------
    circuit : Circuit

    Returns
    -------
    str
        Lines of box-drawing characters; an arm that passes under an element of two others is dotted there.

    Examples
    --------
    >>> from qphys.optics.circuit import Circuit, ThresholdDetector, TwoModeSqueezer
    >>> pair = Circuit([TwoModeSqueezer("signal.H", "idler.H", squeezing=0.1), ThresholdDetector("signal", "H")])
    >>> print(text(pair))
           ┌───────┐   ┌─────────┐
    signal │ S2 H  ├───┤ H click │
           │ r 0.1 │   │ η 1     │
           │       │   └─────────┘
           │       │
    idler  │    H  ├─
           │       │
           └───────┘
    """
    arms, boxes = _layout(circuit)
    names = max((len(arm) for arm in arms), default=0)
    widths = _widths(boxes)
    starts = [names + 1 + sum(w + 7 for w in widths[:i]) for i in range(len(widths))]
    ends = _ends(boxes, len(arms))
    total = names + 1 + sum(w + 7 for w in widths)
    canvas = [[" "] * total for _ in range(ROW * len(arms) + 1)]

    def write(line: int, position: int, characters: str) -> None:
        canvas[line][position : position + len(characters)] = characters

    for row, arm in enumerate(arms):
        y = ROW * row + 1
        write(y, 0, arm)
        begin, end, detected = ends[row]
        last = starts[end] if detected else starts[end] + widths[end] + 5
        write(y, starts[begin], "─" * (last - starts[begin]))
    for box in boxes:
        left, inside = starts[box.column], widths[box.column] + 2
        right = left + inside + 1
        top, bottom = ROW * box.span[0], ROW * box.span[-1] + 3
        write(top, left, "┌" + "─" * inside + "┐")
        write(bottom, left, "└" + "─" * inside + "┘")
        for y in range(top + 1, bottom):
            write(y, left, "│" + " " * inside + "│")
        for row in box.span:
            y = ROW * row + 1
            begin, end, detected = ends[row]
            if row not in box.rows:
                if begin <= box.column <= end:
                    write(y, left, "│" + "┄" * inside + "│")
                continue
            index = box.rows.index(row)
            write(y, left, "┤" if box.column > begin else "│")
            write(y, left + 2, box.lines[index])
            write(y, right, "│" if detected and box.column == end else "├")
            write(y + 1, left + 2, box.details[index])
    lines = ["".join(line).rstrip() for line in canvas]
    title = [circuit.name] if circuit.name else []
    return "\n".join([*title, *lines]).rstrip()


def svg(circuit: Circuit) -> str:
    """Draw a circuit as an SVG picture.

    Parameters
    ----------
    circuit : Circuit

    Returns
    -------
    str
        A whole SVG document; colours tell sources, plates, splitters, losses and detectors apart.
    """
    arms, boxes = _layout(circuit)
    widths = [w * CHARACTER + 18.0 for w in _widths(boxes)]
    left = max((len(arm) for arm in arms), default=0) * CHARACTER + 24.0
    gap = 22.0
    starts = [left + sum(w + gap for w in widths[:i]) for i in range(len(widths))]
    ends = _ends(boxes, len(arms))
    top = 52.0 if circuit.name else 30.0
    levels = [top + SPACING * row + 6.0 for row in range(len(arms))]
    width, height = left + sum(w + gap for w in widths) + 6.0, top + SPACING * len(arms) - 20.0
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="DejaVu Sans Mono, monospace" font-size="12">'
        ),
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
    ]
    if circuit.name:
        parts.append(f'<text x="12" y="22" font-size="14" font-weight="bold" fill="#212121">{escape(circuit.name)}</text>')
    for row, arm in enumerate(arms):
        y = levels[row]
        begin, end, detected = ends[row]
        last = starts[end] if detected else starts[end] + widths[end] + gap * 0.7
        parts.append(_words(12.0, y + 4.0, arm, "#212121"))
        parts.append(_line(starts[begin], y, last, "#c62828"))
    for box in boxes:
        x, w = starts[box.column], widths[box.column]
        fill, stroke = COLOURS[box.kind]
        radius = 14 if box.kind == "detector" else 5
        y, bottom = levels[box.span[0]] - 22.0, levels[box.span[-1]] + 26.0
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{bottom - y:.1f}" rx="{radius}" '
            f'fill="{fill}" stroke="{stroke}" stroke-width="1.3"/>'
        )
        for row in box.span:
            begin, end, _ = ends[row]
            if row not in box.rows and begin <= box.column <= end:
                parts.append(_line(x, levels[row], x + w, "#c62828", ' stroke-dasharray="3 4" stroke-opacity="0.5"'))
        for row, line, detail in zip(box.rows, box.lines, box.details, strict=True):
            ports = box.kind == "detector"
            parts.append(_words(x + 9.0, levels[row] + (-2.0 if detail else 4.0), line, stroke, "" if ports else BOLD))
            parts.append(_words(x + 9.0, levels[row] + 15.0, detail, stroke if ports else "#212121"))
    return "\n".join([*parts, "</svg>"])


def _layout(circuit: Circuit) -> tuple[tuple[str, ...], tuple[_Box, ...]]:
    """Arms in the order of their light, and elements in the earliest column that is free."""
    arms = tuple(dict.fromkeys(arm for element in circuit.elements for arm in element.arms))
    free = [0] * len(arms)
    boxes: list[_Box] = []
    detectors: dict[int, list[tuple[str, str]]] = {}
    for element in circuit.elements:
        label = element.label()
        rows = tuple(sorted(arms.index(arm) for arm in label.ends))
        if element.kind == "detector":
            port = next(iter(label.ends.values()))
            detectors.setdefault(rows[0], []).append((f"{port} {label.name}", label.detail.strip()))
            continue
        ends = [label.ends[arms[row]] for row in rows]
        lead = len(label.name)
        lines = [f"{label.name} {ends[0]}", *(" " * (lead + 1) + end for end in ends[1:])]
        details = [label.detail.strip(), *("" for _ in ends[1:])]
        span = range(rows[0], rows[-1] + 1)
        column = max(free[row] for row in span)
        for row in span:
            free[row] = column + 1
        boxes.append(_Box(element.kind, rows, tuple(line.rstrip() for line in lines), tuple(details), column))
    last = max(free, default=0)
    for row, ports in detectors.items():
        names = [name for name, _ in ports]
        details = [detail for _, detail in ports]
        if len(ports) == 1:
            boxes.append(_Box("detector", (row,), (names[0],), (details[0],), last))
        else:
            both = [f"{name} {detail}" for name, detail in ports]
            boxes.append(_Box("detector", (row,), (both[0],), (both[1],), last))
    return arms, tuple(boxes)


def _widths(boxes: tuple[_Box, ...]) -> list[int]:
    columns = max((box.column for box in boxes), default=-1) + 1
    return [max((box.width for box in boxes if box.column == column), default=0) for column in range(columns)]


def _ends(boxes: tuple[_Box, ...], arms: int) -> list[tuple[int, int, bool]]:
    """First and last column in which each arm has light, and whether it ends in a detector."""
    ends = []
    for row in range(arms):
        own = [box for box in boxes if row in box.rows]
        last = max(own, key=lambda box: box.column)
        ends.append((min(box.column for box in own), last.column, last.kind == "detector"))
    return ends


def _words(x: float, y: float, words: str, colour: str, style: str = "") -> str:
    if not words.strip():
        return ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" xml:space="preserve"{style}>{escape(words)}</text>'


def _line(x: float, y: float, end: float, colour: str, style: str = "") -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{end:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="1.6"{style}/>'
