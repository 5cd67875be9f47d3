"use strict";
// Draws every figure from the JSON beside it; without this script the tables of numbers still say the same.
(function () {
  // Colours and heights stand in the data, not in style attributes, which a strict policy of a page forbids.
  for (const swatch of document.querySelectorAll("[data-colour]")) swatch.style.setProperty("--colour", swatch.dataset.colour);
  const charts = [];
  const config = { displayModeBar: false, responsive: true, showTips: false };
  const calendar = document.getElementById("calendar");
  if (calendar) {
    config.locale = document.documentElement.lang;
    Plotly.register({ moduleType: "locale", name: config.locale, dictionary: {}, format: JSON.parse(calendar.textContent) });
  }
  for (const spec of document.querySelectorAll("script.spec")) {
    const box = spec.parentElement.querySelector(".chart");
    const figure = JSON.parse(spec.textContent);
    box.style.height = `${box.dataset.height}px`;
    Plotly.newPlot(box, figure.data, figure.layout, config);
    charts.push(box);
  }

  // Paper is narrower than a screen: redraw at its width, and open what would stay hidden.
  const closed = [];
  window.addEventListener("beforeprint", () => {
    for (const box of charts) Plotly.relayout(box, { width: 660, autosize: false });
    for (const item of document.querySelectorAll("details.reference:not([open])")) {
      item.open = true;
      closed.push(item);
    }
  });
  window.addEventListener("afterprint", () => {
    for (const box of charts) Plotly.relayout(box, { width: null, autosize: true });
    for (const item of closed.splice(0)) item.open = false;
  });

  // Tables that are wider than the page say so.
  const mark = () => {
    for (const box of document.querySelectorAll(".scroll[role=region]")) box.classList.toggle("wider", box.scrollWidth > box.clientWidth + 4);
  };
  window.addEventListener("resize", mark);
  mark();

  // The contents show where the reader is.
  const links = new Map();
  for (const link of document.querySelectorAll("nav.contents a")) links.set(link.hash.slice(1), link);
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        const link = links.get(entry.target.id);
        if (link) link.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-15% 0px -75% 0px" }
  );
  for (const section of document.querySelectorAll("main > section")) seen.observe(section);
})();
