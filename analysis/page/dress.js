// How a trace and a layout look for the theme, and what they show for the filter: a trace says in `meta` what it is.
// Marks come as the rows of their trials or the ranks of their cells: here they get names, colours and symbols.
function unfoldTrace(trace) {
  const { trials, cells } = trace.meta || {};
  if (!trials && !cells) return trace;
  const of = trace.customdata.map((point) => {
    if (trials) return study.trials[point];
    const at = point[0] - 1;
    return Object.fromEntries(Object.entries(study.cells).map(([name, values]) => [name, values[at]]));
  });
  const hollow = (one) => (trials && !one.rank ? "-open" : "");
  const look = { color: of.map((one) => Math.log10(one.beta)), symbol: of.map((one) => study.symbols[one.latent_dim] + hollow(one)) };
  const customdata = trials ? of.map((trial) => trial.id) : trace.customdata;
  return { ...trace, customdata, text: of.map((one) => one.name), marker: { ...trace.marker, ...look } };
}

// The panel of the best cell, with another trial's numbers in it.
function informationPanel({ id, information: { latents, nats, dead } }) {
  const [{ data, layout }] = study.figures.information.panels;
  const living = latents.length - dead;
  const part = (keep) => nats.map((row, i) => row.map((value) => (keep(i) ? value : null)));
  const [alive, grey] = data.map((trace) => ({ ...trace, y: latents, meta: { ...trace.meta, trial: id } }));
  const traces = [{ ...alive, z: part((i) => i < living) }, { ...grey, z: part((i) => i >= living) }];
  return { data: traces, layout: { ...layout, yaxis: { ...layout.yaxis, categoryarray: latents } } };
}

// While something is picked, the panels of the best cell show the best trials of that instead, in their order.
function informationOfPicked(plot) {
  const trial = filtering() && picked.filter(({ information }) => information)[plot.place];
  if (plot.heading) plot.heading.textContent = trial ? `${trial.label}, seed ${trial.seed}` : plot.panel.title;
  return trial ? informationPanel(trial) : plot.panel;
}

function dressTrace(trace) {
  const meta = trace.meta || {};
  const dressed = { ...trace, ...follow(trace) };
  if (meta.ramp !== undefined) {
    const color = rampColor(meta.ramp);
    dressed.line = { ...trace.line, color };
    if (trace.marker) dressed.marker = { ...trace.marker, color };
    if (trace.fillcolor) dressed.fillcolor = color;
  }
  if (meta.ramps) dressed.marker = { ...trace.marker, color: meta.ramps.map(rampColor) };
  if (meta.ink) {
    dressed.line = { ...trace.line, color: css("--ink") };
    if (trace.marker) dressed.marker = { ...trace.marker, color: css("--ink") };
  }
  if (meta.cells) dressed.marker = { ...trace.marker, line: { ...trace.marker.line, color: css("--paper") } };
  if (meta.scale) dressed.colorscale = scale(themedRamp(meta.scale));
  if (meta.parallel) {
    const kept = meta.parallel.flatMap((id, i) => (passes(byId.get(id), !axisBrushes.length) ? [i] : []));
    const of = (values) => kept.map((i) => values[i]);
    dressed.dimensions = trace.dimensions.map((d, i) => ({ ...d, values: of(d.values), constraintrange: axisBrushes[i] }));
    dressed.line = { ...trace.line, color: of(trace.line.color), colorscale: scale(themedRamp("beta")) };
    dressed.unselected = { line: { color: css("--quiet"), opacity: 0.08 } };
    dressed.rangefont = { color: "rgba(0,0,0,0)" };
  }
  return dressed;
}

const scale = (ramp) => ramp.map((color, i) => [i / (ramp.length - 1), color]);

const vacant = (trace) => trace.visible === false || (trace.z && !trace.z.flat().some(Number.isFinite));
const NOTHING = { text: "Nothing to show of what is picked", showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5 };

function dressLayout(layout, key, data) {
  const [ink, quiet, grid, card] = ["--ink", "--quiet", "--grid", "--card"].map(css);
  const dressed = { ...layout, title: undefined, showlegend: layout.showlegend === true, uirevision: key, font: { ...layout.font, color: ink } };
  dressed.margin = { ...layout.margin, t: Math.max(12, layout.margin.t - 32) };
  dressed.hoverlabel = { ...layout.hoverlabel, bgcolor: card, bordercolor: quiet, font: { ...layout.hoverlabel?.font, color: ink } };
  dressed.dragmode = touch ? false : layout.dragmode;
  const annotations = [...(layout.annotations || []), ...(filtering() && data.length && data.every(vacant) ? [NOTHING] : [])];
  dressed.annotations = annotations.map((a) => ({ ...a, font: { ...a.font, color: quiet } }));
  for (const name of Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))) {
    dressed[name] = { ...layout[name], gridcolor: grid, linecolor: quiet, tickcolor: quiet };
  }
  if (layout.coloraxis) {
    const chips = new Set(study.trials.map((trial) => trial.beta)).size <= 12;
    dressed.coloraxis = { ...layout.coloraxis, showscale: !chips, colorscale: scale(themedRamp("beta")) };
  }
  return dressed;
}

