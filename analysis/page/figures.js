// The figures: drawn from the study's JSON, dressed for the theme and the filter, redrawn when either changes.
const plots = []; // {node, panel, drawn}
const touch = matchMedia("(pointer: coarse)").matches;
const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["autoScale2d", "zoomIn2d", "zoomOut2d"], plotGlPixelRatio: 2 };

function drawPlot(plot) {
  const panel = plot.figure === "information" ? informationOfPicked(plot) : plot.panel;
  const { layout } = panel;
  const data = (panel.unfolded ??= panel.data.map(unfoldTrace));
  const dressed = data.map(dressTrace);
  const promise = Plotly.react(plot.node, dressed, dressLayout(layout, plot.key, dressed), CONFIG);
  if (plot.drawn) return promise;
  plot.drawn = true;
  plot.node.on("plotly_click", ({ points: [point] }) => {
    const meta = point.data.meta || {};
    const [row, column] = [point.pointNumber].flat();
    if (meta.map) brush(study.trials.filter((trial) => trial.latent_dim === meta.map.sizes[row] && trial.beta === meta.map.betas[column]).map((trial) => trial.id));
    else if (meta.cells) brush(seedsOf.get(point.customdata[0]).map((trial) => trial.id));
    else if (meta.trial || meta.trials || meta.rows) openTrial(meta.trial || point.customdata);
  });
  plot.node.on("plotly_selected", (selection) => {
    const ids = selection?.points.map((point) => point.data.meta?.trial || (point.data.meta?.trials && point.customdata)).filter(Boolean);
    if (ids?.length) brush(ids);
  });
  plot.node.on("plotly_deselect", () => brush(null));
  if (data[0]?.meta?.parallel) plot.node.on("plotly_restyle", () => brushAxes(plot));
  return promise;
}

function brushAxes(plot) {
  const [drawn] = plot.node.data;
  const axes = drawn.dimensions.map((dimension) => dimension.constraintrange);
  if (axes.every((range) => !range)) return brush(null);
  const [trace] = plot.panel.data;
  const ranges = (range) => (Array.isArray(range[0]) ? range : [range]);
  const inside = (range, value) => !range || ranges(range).some(([low, high]) => low <= value && value <= high);
  brush(trace.meta.parallel.filter((_, row) => trace.dimensions.every((d, i) => inside(axes[i], d.values[row]))), axes);
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
    for (const [i, panel] of panels.entries()) {
      const heading = panels.length > 1 || name === "information" ? element("h3", {}, panel.title) : null;
      const plot = { node: element("div", { class: "plot" }), panel, key: panel.name, figure: name, place: i, heading };
      place.append(element("div", { class: "panel" }, heading ?? "", plot.node));
      plots.push(plot);
    }
  }
  listeners.push(() => plots.filter((plot) => plot.drawn).forEach(drawPlot));
}
