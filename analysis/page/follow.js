// Figures that show more than marks, recomputed from the trials that are picked, as analysis/figures/ computes them.
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// A tile per β and latent size: the mean over the picked trials that finished, in the colours of the whole study.
function followMap(trace, { score, betas, sizes }) {
  const values = sizes.map(() => betas.map(() => []));
  for (const trial of picked) {
    const value = trial.rank && trial.scores[score];
    if (Number.isFinite(value)) values[sizes.indexOf(trial.latent_dim)][betas.indexOf(trial.beta)].push(value);
  }
  const z = values.map((row) => row.map((of) => (of.length ? mean(of) : null)));
  const whole = trace.z.flat().filter(Number.isFinite);
  const [zmin, zmax] = [Math.min(...whole), Math.max(...whole)];
  const text = z.map((row) => row.map((value) => (value === null ? "" : measured(value))));
  return { z, text, customdata: values.map((row) => row.map((of) => of.length)), ...(zmax > zmin && { zmin, zmax }) };
}

// A row per trial.
function followRows(trace) {
  const kept = (of) => of.filter((_, row) => passes(byId.get(trace.customdata[row][0])));
  return Object.fromEntries(["y", "z", "customdata"].map((name) => [name, kept(trace[name])]));
}

// The share of the picked trials of β from low to high that trained past each step; the last is that of the finished.
function followSurvival(trace, [low, high]) {
  const of = picked.filter((trial) => low <= trial.beta && trial.beta <= high);
  const end = trace.x.at(-1);
  const past = (step, i) => (trial) => (i === trace.x.length - 1 ? trial.status === "finished" : trial.step > step || trial.step >= end);
  return { y: trace.x.map((step, i) => of.filter(past(step, i)).length / of.length), text: String(of.length), visible: of.length > 0 };
}

// Spearman's ρ between every two scores, over the picked trials that finished or over the means of their cells.
function followAgreement({ scores, signs, over, fewest }) {
  const finished = picked.filter((trial) => trial.rank);
  const groups = over === "trials" ? finished.map((trial) => [trial]) : [...seedsOf.values()].map((seeds) => seeds.filter((trial) => trial.rank && passes(trial)));
  const values = scores.map((score, i) => groups.map((of) => signs[i] * mean(of.map((trial) => trial.scores[score]).filter(Number.isFinite))));
  const pairs = scores.slice(1).map((_, i) => values.slice(0, -1).map((second, j) => {
    if (j > i) return { count: 0, rho: null };
    const both = groups.flatMap((_, k) => (Number.isFinite(values[i + 1][k] + second[k]) ? [k] : []));
    const rho = both.length < fewest ? NaN : spearman(both.map((k) => values[i + 1][k]), both.map((k) => second[k]));
    return { count: both.length, rho: Number.isFinite(rho) ? rho : null };
  }));
  const of = (made) => pairs.map((row) => row.map(made));
  return { z: of(({ rho }) => rho), text: of(({ rho }) => (rho === null ? "" : rho.toFixed(2).replace("-", "−"))), customdata: of(({ count }) => count) };
}

// NaN where one of both does not vary.
function spearman(first, second) {
  const [a, b] = [first, second].map((values) => centred(ranks(values)));
  const product = (one, other) => one.reduce((sum, value, i) => sum + value * other[i], 0);
  return product(a, b) / Math.sqrt(product(a, a) * product(b, b));
}

const centred = (values) => values.map((value) => value - (values.length - 1) / 2);

// From 0; equal values share the mean of theirs.
function ranks(values) {
  const order = [...values.keys()].sort((a, b) => values[a] - values[b]);
  const rank = Array(values.length);
  for (let start = 0, end; start < order.length; start = end) {
    for (end = start; end < order.length && values[order[end]] === values[order[start]]; end++);
    for (let i = start; i < end; i++) rank[order[i]] = (start + end - 1) / 2;
  }
  return rank;
}

// Bars of marks that fade go: Plotly would leave them as they are.
function followBars(trace, selected) {
  const bars = Object.entries(trace).filter(([name]) => /^error_[xy]$/.test(name));
  return Object.fromEntries(bars.map(([name, bar]) => [name, { ...bar, array: unpacked(bar.array).map((size, i) => (selected.has(i) ? size : null)) }]));
}

// A list of numbers; long ones come as base64 of single precision.
const unpacked = (values) => (values.bdata ? [...new Float32Array(Uint8Array.from(atob(values.bdata), (byte) => byte.charCodeAt(0)).buffer)] : values);

function follow(trace) {
  const meta = trace.meta || {};
  if (meta.trials || meta.cells) {
    const kept = (of) => (meta.cells ? cellPasses(of[0]) : passes(byId.get(of)));
    const selectedpoints = filtering() ? trace.customdata.flatMap((of, i) => (kept(of) ? [i] : [])) : null;
    return { selectedpoints, unselected: { marker: { opacity: 0.06 } }, ...(filtering() && followBars(trace, new Set(selectedpoints))) };
  }
  if (!filtering()) return {};
  if (meta.trial) return { visible: passes(byId.get(meta.trial)) };
  if (meta.map) return followMap(trace, meta.map);
  if (meta.rows) return followRows(trace);
  if (meta.agreement) return followAgreement(meta.agreement);
  if (meta.survival) return followSurvival(trace, meta.survival);
  if (meta.beta !== undefined && filter.beta.size) return { visible: filter.beta.has(meta.beta) };
  return {};
}
