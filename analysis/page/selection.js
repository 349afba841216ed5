// What is picked: by chips, by brushing, by a click; and how the ranking shows it.
let picked = study.trials; // Those that pass the filter, best first.

function pick() {
  picked = filtering() ? study.trials.filter((trial) => passes(trial)) : study.trials;
}

function passes(trial, brushed = true) {
  const some = (name) => !filter[name].size || filter[name].has(trial[name]);
  const inside = !brushed || !filter.brushed || filter.brushed.has(trial.id);
  return some("study") && some("beta") && some("latent_dim") && some("status") && inside;
}

const filtering = () => filter.study.size || filter.beta.size || filter.latent_dim.size || filter.status.size || filter.brushed;

const seedsOf = new Map(); // cell -> its trials, best first
for (const trial of study.trials) seedsOf.set(trial.cell, [...(seedsOf.get(trial.cell) ?? []), trial]);

// A mean is shown as picked only if all that it is over are: the trials of its cell that finished.
function cellPasses(cell) {
  const finished = seedsOf.get(cell).filter((trial) => trial.rank);
  return finished.length ? finished.every((trial) => passes(trial)) : seedsOf.get(cell).some((trial) => passes(trial));
}

// What was drawn along the axes of the parallel coordinates, an entry per axis; nothing where the brush came from elsewhere.
let axisBrushes = [];

function brush(ids, axes = []) {
  filter.brushed = ids ? new Set(ids) : null;
  axisBrushes = axes;
  changed();
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
      brush(null);
    };
    const text = `${picked.length} of ${study.trials.length} trials`;
    bar.append(element("div", {}, text, element("button", { class: "chip", id: "clear", type: "button", onclick: clear }, "Show all")));
  }
}

function dimRanking() {
  for (const row of document.querySelectorAll("#ranking tr[data-cell]")) row.classList.toggle("dim", filtering() && !cellPasses(Number(row.dataset.cell)));
}

// The sentences that say what keeps showing all trials.
function showBeyond() {
  for (const sentence of document.querySelectorAll(".beyond")) sentence.hidden = !filtering();
}
