"""The capacity-bandwidth map in a real browser: drawn, inside its box, quiet, on a phone and at a desk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from stackyard import api

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None and os.environ.get("CI") != "true", reason="no Chromium here")
@pytest.mark.parametrize("width", [390, 1280])
def test_the_map_is_drawn_and_names_every_spot(width: int, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    found = api.memory("llama-3.1-70b", "h200", precision="fp8")
    assert found is not None
    path = api.write_map(found, tmp_path / "map.html")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_context(viewport={"width": width, "height": 844}).new_page()
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
        browser.close()
