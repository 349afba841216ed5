// The figures: drawn from the study's JSON, dressed for the theme and the filter, redrawn when either changes.
const plots = []; // {node, panel, drawn}
const touch = matchMedia("(pointer: coarse)").matches;
const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["autoScale2d", "zoomIn2d", "zoomOut2d"], plotGlPixelRatio: 2 };

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

function dressTrace(trace) {
  const meta = trace.meta || {};
  const dressed = { ...trace };
  if (meta.ramp !== undefined) {
    const color = rampColor(meta.ramp);
    dressed.line = { ...trace.line, color };
    if (trace.marker) dressed.marker = { ...trace.marker, color };
    if (trace.fillcolor) dressed.fillcolor = color;
  }
  if (meta.ink) {
    dressed.line = { ...trace.line, color: css("--ink") };
    if (trace.marker) dressed.marker = { ...trace.marker, color: css("--ink") };
  }
  if (meta.trial) dressed.visible = passes(byId.get(meta.trial));
  if (meta.trials || meta.cells) {
    const cells = new Set(study.trials.filter(passes).map((trial) => trial.cell));
    const kept = (of) => (meta.cells ? cells.has(of[0]) : passes(byId.get(of)));
    dressed.selectedpoints = filtering() ? trace.customdata.flatMap((of, i) => (kept(of) ? [i] : [])) : null;
    dressed.unselected = { marker: { opacity: 0.06 } };
  }
  if (meta.cells) dressed.marker = { ...trace.marker, line: { ...trace.marker.line, color: css("--paper") } };
  if (meta.scale) dressed.colorscale = scale(themedRamp(meta.scale));
  if (meta.beta !== undefined && filter.beta.size) dressed.visible = filter.beta.has(meta.beta);
  if (meta.parallel) {
    const kept = meta.parallel.flatMap((id, i) => (passes(byId.get(id), false) ? [i] : []));
    const of = (values) => kept.map((i) => values[i]);
    dressed.dimensions = trace.dimensions.map((d, i) => ({ ...d, values: of(d.values), constraintrange: brushes()[i] }));
    dressed.line = { ...trace.line, color: of(trace.line.color), colorscale: scale(themedRamp("beta")) };
    dressed.unselected = { line: { color: css("--quiet"), opacity: 0.08 } };
    dressed.rangefont = { color: "rgba(0,0,0,0)" };
  }
  return dressed;
}

const scale = (ramp) => ramp.map((color, i) => [i / (ramp.length - 1), color]);

function dressLayout(layout, key) {
  const [ink, quiet, grid, card] = ["--ink", "--quiet", "--grid", "--card"].map(css);
  const dressed = { ...layout, title: undefined, showlegend: layout.showlegend === true, uirevision: key, font: { ...layout.font, color: ink } };
  dressed.margin = { ...layout.margin, t: Math.max(12, layout.margin.t - 32) };
  dressed.hoverlabel = { ...layout.hoverlabel, bgcolor: card, bordercolor: quiet, font: { ...layout.hoverlabel?.font, color: ink } };
  dressed.dragmode = touch ? false : layout.dragmode;
  if (layout.annotations) dressed.annotations = layout.annotations.map((a) => ({ ...a, font: { ...a.font, color: quiet } }));
  for (const name of Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))) {
    dressed[name] = { ...layout[name], gridcolor: grid, linecolor: quiet, tickcolor: quiet };
  }
  if (layout.coloraxis) {
    const chips = new Set(study.trials.map((trial) => trial.beta)).size <= 12;
    dressed.coloraxis = { ...layout.coloraxis, showscale: !chips, colorscale: scale(themedRamp("beta")) };
  }
  return dressed;
}

function drawPlot(plot) {
  const { layout } = plot.panel;
  const data = (plot.panel.unfolded ??= plot.panel.data.map(unfoldTrace));
  const promise = Plotly.react(plot.node, data.map(dressTrace), dressLayout(layout, plot.key), CONFIG);
  if (plot.drawn) return promise;
  plot.drawn = true;
  plot.node.on("plotly_click", ({ points: [point] }) => {
    const meta = point.data.meta || {};
    if (meta.cells) brush(study.trials.filter((trial) => trial.cell === point.customdata[0]).map((trial) => trial.id));
    else openTrial(meta.trial || point.customdata);
  });
  plot.node.on("plotly_selected", (selection) => {
    const ids = selection?.points.map((point) => point.data.meta?.trial || (point.data.meta?.trials && point.customdata)).filter(Boolean);
    if (ids?.length) brush(ids);
  });
  plot.node.on("plotly_deselect", () => brush(null));
  if (data[0]?.meta?.parallel) plot.node.on("plotly_restyle", () => brushAxes(plot));
  return promise;
}

// The brushes of the parallel coordinates, an entry per axis; they live here because a redraw starts from the data.
let axisBrushes = [];
const brushes = () => (filter.brushed ? axisBrushes : []);

function brushAxes(plot) {
  const [drawn] = plot.node.data;
  axisBrushes = drawn.dimensions.map((dimension) => dimension.constraintrange);
  if (axisBrushes.every((range) => !range)) return brush(null);
  const [trace] = plot.panel.data;
  const ranges = (range) => (Array.isArray(range[0]) ? range : [range]);
  const inside = (range, value) => !range || ranges(range).some(([low, high]) => low <= value && value <= high);
  brush(trace.meta.parallel.filter((_, row) => trace.dimensions.every((d, i) => inside(axisBrushes[i], d.values[row]))));
}

function brush(ids) {
  filter.brushed = ids ? new Set(ids) : null;
  changed();
}

// One at a time, so that the page can be read and scrolled while the later figures are still being drawn.
async function drawPlots() {
  for (const plot of plots) {
    await drawPlot(plot);
    await new Promise((done) => setTimeout(done));
  }
  document.documentElement.dataset.drawn = "yes";
}

function placeFigures() {
  for (const [name, { menu, panels }] of Object.entries(study.figures)) {
    const place = document.querySelector(`#${name} .panels`);
    if (menu) {
      const plot = { node: element("div", { class: "plot" }), panel: panels[0], key: panels[0].name };
      const pick = (event) => {
        plot.panel = panels[event.target.selectedIndex];
        plot.key = plot.panel.name;
        drawPlot(plot);
      };
      const options = panels.map((panel) => element("option", {}, panel.title));
      const select = element("select", { id: `${name}-menu`, onchange: pick }, ...options);
      if (panels.length > 1) place.before(element("label", { class: "picker" }, "against ", select));
      place.append(element("div", { class: "panel" }, plot.node));
      plots.push(plot);
      continue;
    }
    for (const panel of panels) {
      const plot = { node: element("div", { class: "plot" }), panel, key: panel.name };
      place.append(element("div", { class: "panel" }, panels.length > 1 ? element("h3", {}, panel.title) : "", plot.node));
      plots.push(plot);
    }
  }
  listeners.push(() => plots.filter((plot) => plot.drawn).forEach(drawPlot));
}
