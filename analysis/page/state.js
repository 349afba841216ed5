"use strict";
// What the page knows and what is picked: the study's data, the filter, the theme. The other scripts share this scope.
// Text that comes from the study reaches the page by textContent or through escape(): a name is only a name.
const study = JSON.parse(document.getElementById("study").textContent);
study.trials = unfolded(study.trials);
const byId = new Map(study.trials.map((trial) => [trial.id, trial]));
const filter = { study: new Set(), beta: new Set(), latent_dim: new Set(), status: new Set(), brushed: null };
const listeners = []; // Called after the filter or the theme changed.

// The trials come as columns, each fact once; the page works with one object per trial.
function unfolded({ id, settings, fixed, scores, test, ...columns }) {
  const [low, high] = study.scale;
  const row = (of, i) => Object.fromEntries(Object.entries(of).map(([name, values]) => [name, values[i]]));
  return id.map((id, i) => {
    const trial = { id, ...row(columns, i), settings: { ...row(settings, i), ...fixed }, scores: row(scores, i), test: row(test, i) };
    trial.label = study.cells.label[trial.cell - 1];
    trial.ramp = high > low ? (Math.log10(trial.beta) - low) / (high - low) : 0.5;
    trial.symbol = study.symbols[trial.latent_dim];
    trial.why = why(trial);
    return trial;
  });
}

// Why a trial ended where it did: the scheduler's reason or the error; nothing for one that finished.
function why({ status, decisions, error }) {
  const [rung, step, , reason] = decisions.findLast(([, , keep]) => !keep) ?? [];
  if (status === "stopped" && reason) return `rung ${rung + 1}, step ${shown(step)}: ${reason}`;
  return status === "failed" || status === "diverged" ? error : "";
}

const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const changed = () => listeners.forEach((listener) => listener());

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function mark(trial) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "mark");
  svg.setAttribute("viewBox", "-10 -10 20 20");
  svg.setAttribute("aria-hidden", "true");
  svg.style.color = trial.ramp === undefined ? "inherit" : rampColor(trial.ramp);
  use.setAttribute("href", `#mark-${trial.symbol || "circle"}`);
  svg.append(use);
  return svg;
}

function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const themedRamp = (name) => study.ramps[name][dark() ? "dark" : "light"];

function rampColor(place) {
  const ramp = themedRamp("beta");
  const at = Math.min(Math.max(place, 0), 1) * (ramp.length - 1);
  const [low, high] = [ramp[Math.floor(at)], ramp[Math.ceil(at)]];
  const part = (hex, i) => parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16);
  const mix = [0, 1, 2].map((i) => Math.round(part(low, i) + (at % 1) * (part(high, i) - part(low, i))));
  return `rgb(${mix.join(",")})`;
}

function passes(trial, brushed = true) {
  const some = (name) => !filter[name].size || filter[name].has(trial[name]);
  const picked = !brushed || !filter.brushed || filter.brushed.has(trial.id);
  return some("study") && some("beta") && some("latent_dim") && some("status") && picked;
}

const filtering = () => filter.study.size || filter.beta.size || filter.latent_dim.size || filter.status.size || filter.brushed;

function shown(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return Number(value.toPrecision(digits)).toString();
}

// The chips double as the legend of every figure.
function drawFilters() {
  const bar = document.getElementById("filters");
  const words = { study: "study", beta: "β", latent_dim: "latents", status: "ended" };
  bar.replaceChildren();
  for (const name of Object.keys(words)) {
    const values = [...new Set(study.trials.map((trial) => trial[name]))].sort((a, b) => (a > b ? 1 : -1));
    if (values.length > 12 || (["study", "status"].includes(name) && values.length < 2)) continue;
    const chips = values.map((value) => {
      const like = study.trials.find((trial) => trial[name] === value);
      const icon = { beta: { ramp: like.ramp }, latent_dim: { symbol: like.symbol } }[name];
      const press = () => {
        if (!filter[name].delete(value)) filter[name].add(value);
        changed();
      };
      const pressed = String(filter[name].has(value));
      return element("button", { class: "chip", type: "button", "aria-pressed": pressed, onclick: press }, icon ? mark(icon) : null, shown(value));
    });
    bar.append(element("div", {}, element("span", { class: "of" }, words[name]), ...chips));
  }
  if (filtering()) {
    const clear = () => {
      for (const name of Object.keys(words)) filter[name].clear();
      filter.brushed = null;
      changed();
    };
    const count = study.trials.filter(passes).length;
    const text = `${count} of ${study.trials.length} trials`;
    bar.append(element("div", {}, text, element("button", { class: "chip", id: "clear", type: "button", onclick: clear }, "Show all")));
  }
}

// Marks and bars that came with the markup carry their place on the ramp; the theme gives them their colour.
function colorMarks() {
  for (const node of document.querySelectorAll("[data-ramp]")) node.style.color = rampColor(Number(node.dataset.ramp));
  for (const node of document.querySelectorAll("[data-fill]")) {
    node.style.background = rampColor(Number(node.dataset.fill));
    node.style.color = dark() || Number(node.dataset.fill) > 0.75 ? "#17161a" : "#fff";
  }
}

function dimRanking() {
  const cells = new Set(study.trials.filter(passes).map((trial) => trial.cell));
  for (const row of document.querySelectorAll("#ranking tr[data-cell]")) row.classList.toggle("dim", !cells.has(Number(row.dataset.cell)));
}
