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

// Why a trial ended where it did: the scheduler's reason or the error; nothing for one that finished by right.
function why({ status, decisions, error }) {
  if (status === "failed" || status === "diverged") return error;
  const [step, , reason] = decisions.findLast(([, keep]) => !keep) ?? [];
  return reason ? `step ${shown(step)}: ${reason}` : "";
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

function shown(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return Number(value.toPrecision(digits)).toString();
}

// A score as analysis.columns writes it: to three digits, at most four decimals.
function measured(value) {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return value.toFixed(value ? Math.min(4, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))) : 2);
}

// Marks and bars that came with the markup carry their place on the ramp; the theme gives them their colour.
function colorMarks() {
  for (const node of document.querySelectorAll("[data-ramp]")) node.style.color = rampColor(Number(node.dataset.ramp));
  for (const node of document.querySelectorAll("[data-fill]")) {
    node.style.background = rampColor(Number(node.dataset.fill));
    node.style.color = dark() || Number(node.dataset.fill) > 0.75 ? "#17161a" : "#fff";
  }
}
