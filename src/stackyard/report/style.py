"""Ink and letters of every figure."""

INK, QUIET, RULE = "#15181d", "#5b6270", "#e3e6eb"
UP, DOWN, BAND = "#1b6e4a", "#a3361f", "31,78,121"
FONT = 'system-ui, -apple-system, "Segoe UI", "Noto Sans", "Noto Sans KR", "Noto Sans CJK KR", sans-serif'


def html(text: str) -> str:
    """Plotly reads a little HTML in its texts: what was not meant as such is shown as written.

    >>> html("a < b")
    'a &lt; b'
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("\n", " ").replace("%{", "%&#123;")
