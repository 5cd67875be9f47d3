"use strict";
// Draws every figure from the JSON beside it, in the page's light or dark colours; follows a run; says what is waited for.
// Without this script the tables say the same, forms work, and a run is followed by loading the page again.
(function () {
  const style = () => getComputedStyle(document.documentElement);
  const colour = (name) => style().getPropertyValue(name).trim();
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  const DARK = { "#15181d": () => colour("--plot-line"), "#1f4e79": () => "#8fbfeb" };

  function repaint(figure) {
    if (!dark.matches) return figure;
    const ink = colour("--plot-ink"), rule = colour("--plot-rule"), line = colour("--plot-line");
    const layout = figure.layout;
    layout.font.color = ink;
    layout.hoverlabel = Object.assign({}, layout.hoverlabel, { bgcolor: colour("--tint"), bordercolor: rule, font: { color: line, size: 12 } });
    for (const axis of ["xaxis", "yaxis"]) {
      if (!layout[axis]) continue;
      layout[axis].gridcolor = rule;
      layout[axis].linecolor = ink;
      layout[axis].tickcolor = ink;
    }
    for (const note of layout.annotations || []) note.font = Object.assign({}, note.font, { color: ink });
    for (const trace of figure.data) {
      if (trace.line && DARK[trace.line.color]) trace.line.color = DARK[trace.line.color]();
      if (trace.stackgroup && trace.line) trace.line.color = colour("--ground");
      if (trace.marker && trace.marker.line) trace.marker.line.color = colour("--ground");
    }
    return figure;
  }

  const charts = [];
  const config = { displayModeBar: false, responsive: true, showTips: false };
  function draw() {
    if (typeof Plotly === "undefined") return;
    const calendar = document.getElementById("calendar");
    if (calendar) {
      config.locale = document.documentElement.lang;
      Plotly.register({ moduleType: "locale", name: config.locale, dictionary: {}, format: JSON.parse(calendar.textContent) });
    }
    for (const spec of document.querySelectorAll("script.spec")) {
      const box = spec.parentElement.querySelector(".chart");
      const figure = repaint(JSON.parse(spec.textContent));
      box.style.height = `${box.dataset.height}px`;
      Plotly.react(box, figure.data, figure.layout, config);
      if (!charts.includes(box)) charts.push(box);
    }
    for (const swatch of document.querySelectorAll("[data-colour]")) {
      const told = swatch.dataset.colour;
      const line = swatch.matches(".dash, .dot") || document.querySelector("#desk");
      swatch.style.setProperty("--colour", dark.matches && line && DARK[told] ? DARK[told]() : told);
    }
  }
  draw();
  dark.addEventListener("change", () => location.reload());
  window.addEventListener("beforeprint", () => { for (const box of charts) Plotly.relayout(box, { width: 660, autosize: false }); });
  window.addEventListener("afterprint", () => { for (const box of charts) Plotly.relayout(box, { width: null, autosize: true }); });

  const mark = () => {
    for (const box of document.querySelectorAll(".scroll")) {
      const wider = box.scrollWidth > box.clientWidth + 4;
      box.classList.toggle("wider", wider);
      if (wider && !box.hasAttribute("tabindex")) {
        box.tabIndex = 0;
        box.setAttribute("role", "region");
        box.setAttribute("aria-label", (box.querySelector("caption") || { textContent: "" }).textContent.trim() || "Table");
      }
    }
  };
  window.addEventListener("resize", mark);
  mark();

  // A form that takes seconds says so; it is sent once.
  for (const form of document.querySelectorAll("form")) {
    form.addEventListener("submit", () => {
      const button = form.querySelector("button:not([type=button])");
      if (!button) return;
      setTimeout(() => {
        button.disabled = true;
        if (form.dataset.wait) button.textContent = form.dataset.wait;
      }, 0);
    });
  }
  // The answer with choices made anew takes longer: it is fetched behind the first, and put in its place when it comes.
  const anew = document.querySelector("[data-anew]");
  if (anew) {
    const line = anew.querySelector("[aria-live]"), link = line.innerHTML;
    line.textContent = anew.dataset.wait;
    fetch(anew.dataset.anew, { credentials: "same-origin" })
      .then((answer) => { if (!answer.ok) throw new Error(answer.status); return answer.text(); })
      .then((text) => {
        const made = new DOMParser().parseFromString(text, "text/html").querySelector("#anew");
        if (!made) throw new Error("no answer");
        anew.replaceWith(document.importNode(made, true));
        draw();
        mark();
      })
      .catch(() => { line.innerHTML = link; });
  }
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  // A run tells its steps as they come.
  const run = document.querySelector("[data-progress]");
  if (run) {
    const steps = document.getElementById("steps");
    const source = new EventSource(run.dataset.progress);
    const told = new Set();
    for (const item of steps.children) told.add(item.textContent);
    source.addEventListener("step", (event) => {
      const text = JSON.parse(event.data);
      if (told.has(text)) return;
      told.add(text);
      const item = document.createElement("li");
      item.textContent = text;
      steps.append(item);
    });
    source.addEventListener("end", () => { source.close(); location.reload(); });
  }
})();
