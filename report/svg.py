"""Writes SVG: elements with escaped attributes and text, and numbers as short as they can be."""

from __future__ import annotations

from html import escape


def number(value: float) -> str:
    """A tenth of a pixel is more than anybody sees."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def element(name: str, *inside: str, **attributes: str | float | None) -> str:
    """`inside` is SVG already; use `words` for text. `class_` is class, `text_anchor` text-anchor.

    Attributes that are None are left out.
    """
    parts = [name]
    for key, value in attributes.items():
        if value is not None:
            text = value if isinstance(value, str) else number(value)
            parts.append(f'{key.rstrip("_").replace("_", "-")}="{escape(text)}"')
    start = " ".join(parts)
    return f"<{start}>{''.join(inside)}</{name}>" if inside else f"<{start}/>"


def words(x: float, y: float, text: str, **attributes: str | float | None) -> str:
    """Text with its baseline at y."""
    return element("text", escape(text, quote=False), x=x, y=y, **attributes)


def box(x: float, y: float, width: float, height: float) -> str:
    """A rectangle as a part of a path."""
    return f"M{number(x)} {number(y)}h{number(width)}v{number(height)}h{number(-width)}z"


def whisker(low: float, high: float, middle: float) -> str:
    """From the least to the most of what a bar is the median of; nothing where they are one."""
    if low == high:
        return ""
    at, top = number(middle), number(middle - 4)
    ends = f"M{number(low)} {top}v8M{number(high)} {top}v8"
    return element("path", class_="whisk", d=f"M{number(low)} {at}H{number(high)}{ends}")


def picture(
    width: float, height: float, says: str, /, *inside: str, **attributes: str | float | None
) -> str:
    """A whole picture. `says`: what it shows in words, for screen readers."""
    return element(
        "svg",
        *inside,
        class_="pic",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=says,
        **attributes,
    )
