"""Colours and shapes, for light and dark, that also colour-blind eyes and grey paper keep apart.

Each class of points has its own shape; each node is named beside its colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from report.svg import number


@dataclass(frozen=True)
class Mark:
    """How a point of one class is drawn, and what the class is called.

    `path` follows a move to the point. Paths without an area (h0) are made visible by their caps.
    """

    word: str
    light: str
    dark: str
    path: str = "h0"
    style: str = "stroke-width:6;stroke-linecap:round"
    filled: bool = False

    def at(self, x: float, y: float) -> str:
        """The mark at a point, as a part of a path."""
        return f"M{number(x)} {number(y)}{self.path}"

    def css(self, colour: str) -> str:
        return f"fill:{colour if self.filled else 'none'};stroke:{colour};{self.style}"


# By the node's place in its cluster, round again after the last: light, dark.
NODES = (
    ("#2a6fb0", "#4a90d0"),
    ("#1d8a6b", "#2fae88"),
    ("#8a5fb0", "#a982cf"),
    ("#a0662a", "#c78b4b"),
    ("#5c6773", "#8b97a5"),
)
# What else is drawn, by class: property, light, dark.
_OTHERS = (
    (".t", "fill", "#1a1f26", "#e8eaed"),
    (".s", "fill", "#56606c", "#a4adb8"),
    (".in", "fill", "#ffffff", "#0e1114"),
    (".paper", "fill", "#ffffff", "#1c2026"),
    (".well", "fill", "#eff1f3", "#272c33"),
    (".grid", "stroke", "#e1e5e9", "#343b44"),
    (".fault", "fill", "#f9e7ea", "#3a2229"),
    (".out", "fill", "#f3c3cf", "#6b2a3d"),
    (".tell", "fill", "#8f1136", "#ff9db5"),
    (".edge", "stroke", "#8f1136", "#ff9db5"),
    (".lost", "fill", "#b0103e", "#ff7d9c"),
    (".bar", "fill", "#2a6fb0", "#4a90d0"),
    (".going", "fill", "#c9d6cf", "#3d5148"),
    (".base", "fill", "#b7bfc8", "#5f6a76"),
    (".whisk", "stroke", "#14181d", "#eef0f2"),
    (".theory", "stroke", "#d97e00", "#ffac33"),
    (".theoryband", "fill", "#d97e00", "#ffac33"),
    (".budget", "stroke", "#b0103e", "#ff7d9c"),
)


def stylesheet(marks: Mapping[str, Mark] = MappingProxyType({})) -> str:
    """The styles of every picture, and of `marks` by their class.

    Colours are written out, for viewers that know no variables.
    """
    lines = [
        ".pic text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',"
        "'Liberation Sans',Arial,sans-serif;font-variant-numeric:tabular-nums}",
        ".pic .h{font-size:17px;font-weight:700}.pic .b{font-weight:600}.pic .m{font-size:12px}",
        ".pic .grid{stroke-width:1;fill:none}",
        ".pic .edge{stroke-width:1.5;fill:none}",
        ".pic .whisk{stroke-width:1.5;fill:none}.pic .theory{stroke-width:3;fill:none}",
        ".pic .theoryband{opacity:.28}",
        ".pic .halo{paint-order:stroke;stroke:#fff;stroke-width:3;stroke-opacity:.7}",
        ".pic .budget{stroke-width:2;fill:none;stroke-dasharray:4 3}",
    ]
    rules = [(name, f"{prop}:{light}", f"{prop}:{dark}") for name, prop, light, dark in _OTHERS]
    rules += [(f".n{place}", f"fill:{a}", f"fill:{b}") for place, (a, b) in enumerate(NODES)]
    rules += [
        (f".{name}", mark.css(mark.light), mark.css(mark.dark)) for name, mark in marks.items()
    ]
    lines += [f".pic {name}{{{light}}}" for name, light, _ in rules]
    dark = "".join(f".pic {name}{{{colours}}}" for name, _, colours in rules)
    dark += ".pic .halo{stroke:#1c2026}"
    # Paper stays light, whatever the screen was.
    return "\n".join([*lines, f"@media screen and (prefers-color-scheme:dark){{{dark}}}"])


def node_class(place: int) -> str:
    """The class of the node at `place`, which counts from 0, in its cluster."""
    return f"n{place % len(NODES)}"
