"""How Sphinx makes the site; `docs/make_site.py` gathers its pages. Nothing is loaded from another host."""

project = "Stackyard"
copyright = "the authors of Stackyard, Apache-2.0"  # noqa: A001 - Sphinx's name
extensions = ["myst_parser"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Stackyard"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
pygments_style = "friendly"
highlight_language = "none"
suppress_warnings = ["myst.strikethrough"]
