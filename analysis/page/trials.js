// The table of all trials, and the panel that tells everything about one.
const FIRST = 60; // Rows shown before "Show all".
const sorting = { by: null, down: false };
let whole = false;

function columns() {
  const joined = study.trials.some((trial) => trial.study) ? [["study", "study", "words"]] : [];
  const words = [["id", "trial", "words"], ...joined, ...study.settings.map(([key, title]) => [key, title]), ["seed", "seed"], ["status", "ended", "words"], ["step", "step"]];
  const scores = study.scores.map(([key, title]) => [`scores.${key}`, title]);
  return [["rank", "#"], ...words, ...scores, ["why", "why it ended there", "why"]];
}

const at = (trial, key) => (key.startsWith("scores.") ? trial.scores[key.slice(7)] : key in trial ? trial[key] : trial.settings[key]);

function drawTrials() {
  let rows = picked;
  if (sorting.by) {
    const worth = (trial) => at(trial, sorting.by) ?? (sorting.down ? -Infinity : Infinity);
    rows = [...rows].sort((a, b) => (worth(a) > worth(b) ? 1 : -1) * (sorting.down ? -1 : 1));
  }
  const sort = (key) => () => {
    sorting.down = sorting.by === key && !sorting.down;
    sorting.by = key;
    drawTrials();
  };
  const head = columns().map(([key, title, kind]) => element("th", { class: kind === "why" ? "words" : kind, scope: "col" }, element("button", { type: "button", onclick: sort(key) }, title)));
  const body = rows.slice(0, whole ? rows.length : FIRST).map((trial) => element("tr", { onclick: () => openTrial(trial.id) }, ...columns().map(([key, , kind]) => cellOf(trial, key, kind))));
  document.getElementById("trial-table").replaceChildren(element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  const more = document.getElementById("more");
  more.hidden = whole || rows.length <= FIRST;
  more.textContent = `Show all ${rows.length}`;
}

function cellOf(trial, key, kind) {
  const value = at(trial, key);
  if (key === "id") return element("td", { class: "words" }, mark(trial), element("button", { class: "link", type: "button" }, value));
  if (key === "status") return element("td", { class: "words" }, element("span", { class: `status ${value}` }, value));
  return element("td", { class: kind }, kind === "why" ? value || "" : shown(value));
}

// Buttons that open these rows of trials, with commas between.
function links(rows) {
  const of = rows.map((row) => study.trials[row]);
  return of.flatMap(({ id }, i) => [i ? ", " : "", element("button", { class: "link", type: "button", onclick: () => openTrial(id) }, id)]);
}

function definitions(pairs) {
  return element("dl", {}, ...pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, shown(value))]));
}

function openTrial(id) {
  const trial = byId.get(String(id));
  if (!trial) return;
  const dialog = document.getElementById("trial");
  const close = element("button", { class: "close", type: "button", "aria-label": "Close", onclick: () => dialog.close() }, "✕");
  const inside = element("div", { class: "inside" }, close, element("h2", {}, mark(trial), ` ${trial.id}`));
  const rank = trial.rank ? `, ranked ${trial.rank} of ${study.trials.filter((t) => t.rank).length} trials` : "";
  inside.append(element("p", { class: "quiet" }, element("span", { class: `status ${trial.status}` }, `${trial.status} at step ${shown(trial.step)}`), `${rank}; cell ${trial.cell}`));
  if (trial.why) inside.append(element("p", {}, trial.why));
  inside.append(element("h3", {}, "Scores"), scoreTable(trial));
  const curves = Object.entries(study.curves).filter(([, of]) => of.values[trial.id]);
  if (curves.length) inside.append(element("h3", {}, "Curves"), element("div", { class: "panels" }));
  const informed = trial.information && element("div", { class: "plot" });
  if (informed) inside.append(element("h3", {}, "What each latent says of each factor, in nats"), element("div", { class: "panel", id: "trial-information" }, informed));
  if (trial.decisions.length) {
    const items = trial.decisions.map(([step, keep, reason, , betters]) => element("li", {}, `step ${shown(step)}: ${keep ? "went on" : cameOf(trial)}, ${reason}`, ...(betters?.length ? ["; beaten by ", ...links(betters)] : [])));
    inside.append(element("h3", {}, "At the rungs"), element("ol", { class: "decisions" }, ...items));
  }
  if (study.sheets[trial.id]) inside.append(element("h3", {}, "Traversals"), traversal(study.sheets[trial.id]));
  inside.append(element("h3", {}, "Settings"), definitions(Object.entries(trial.settings).map(([k, v]) => [k.replaceAll("_", " "), v])));
  if (trial.checkpoint) {
    const code = `from bvae.checkpoint import load_model\n\nvae = load_model(${JSON.stringify(trial.checkpoint)})  # from the run directory`;
    inside.append(element("h3", {}, "Load its weights"), element("pre", {}, code));
  }
  dialog.replaceChildren(inside);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  history.replaceState(null, "", `#trial=${encodeURIComponent(trial.id)}`);
  const places = curves.map(([, of]) => {
    const node = element("div", { class: "plot" });
    inside.querySelector(".panels").append(element("div", { class: "panel" }, element("span", { class: "quiet" }, of.title), node));
    return node;
  });
  if (informed) {
    const { data, layout } = informationPanel(trial);
    Plotly.newPlot(informed, data.map((trace) => ({ ...dressTrace(trace), visible: true })), dressLayout(layout, trial.id, []), { responsive: true, displayModeBar: false });
  }
  curves.forEach(([, of], i) => drawCurve(places[i], trial, of)); // All places first: a plot takes the width it finds.
}

function scoreTable(trial) {
  const rows = Object.keys(trial.scores).map((key) => {
    const { title, unit } = study.columns[key] || { title: key, unit: "" };
    return element("tr", {}, element("td", { class: "words" }, title, unit ? element("span", { class: "quiet" }, ` ${unit}`) : ""), element("td", {}, shown(trial.scores[key], 4)), element("td", {}, shown(trial.test[key], 4)));
  });
  const head = ["", "validation", "test"].map((text) => element("th", {}, text));
  return element("div", { class: "scroll" }, element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)));
}

// The trial's own curve over those of its cell.
function drawCurve(node, trial, { values }) {
  const others = study.trials.filter((t) => t.cell === trial.cell && t.id !== trial.id && values[t.id]);
  const line = (t, color, width) => ({ x: values[t.id][0], y: values[t.id][1], mode: "lines", line: { color, width }, hovertemplate: `%{y:.4g}<extra>${escape(t.id)}</extra>` });
  const data = [...others.map((t) => line(t, css("--rule"), 1.5)), line(trial, rampColor(trial.ramp), 2.5)];
  const axes = { gridcolor: css("--grid"), zeroline: false, automargin: true, tickfont: { size: 11 } };
  const margin = { l: 40, r: 8, t: 6, b: 30 };
  const layout = { showlegend: false, margin, font: { color: css("--ink") }, paper_bgcolor: "transparent", plot_bgcolor: "transparent", dragmode: false };
  Plotly.newPlot(node, data, { ...layout, xaxis: { ...axes, type: "log", dtick: 1, tickformat: "~s" }, yaxis: axes }, { responsive: true, displayModeBar: false });
}
