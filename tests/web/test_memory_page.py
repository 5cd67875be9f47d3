"""The capacity-bandwidth map in a real browser: drawn, inside its box, quiet, on a phone and at a desk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stackyard import api


@pytest.mark.parametrize("width", [390, 1280])
def test_the_map_is_drawn_and_names_every_spot(width: int, tmp_path: Path, chromium: Any) -> None:
    found = api.memory("llama-3.1-70b", "h200", precision="fp8")
    assert found is not None
    path = api.write_map(found, tmp_path / "map.html")
    page = chromium.new_context(viewport={"width": width, "height": 844}).new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelector('.chart svg.main-svg')")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    spots = page.evaluate("document.querySelectorAll('.chart .scatterlayer path.point').length")
    assert spots == page.evaluate("document.querySelectorAll('ul.legend li').length") > 15
    assert page.evaluate("document.querySelectorAll('.chart .contourlayer path').length") > 3
    dead = "[...document.querySelectorAll('a[href^=\"#\"]')].filter(a => !document.getElementById(a.hash.slice(1)))"
    assert page.evaluate(f"{dead}.length") == 0
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
