// The atlas: one factor across trials. Every tile is a row of some trial's sheet of frames; one slider moves them all.
function atlasOf(page) {
  const { columns } = Object.values(study.sheets)[0];
  const player = { tiles: [], columns, phase: (columns - 1) / 2, playing: !still };
  const slider = element("input", { type: "range", min: 0, max: columns - 1, value: player.phase, "aria-label": `all latents of ${page.factor}` });
  slider.addEventListener("input", () => player.tiles.forEach((tile) => {
    tile.held = true;
    showFrame(tile, Number(slider.value), columns);
  }));
  const heads = page.betas.map((beta) => element("th", { scope: "col" }, `β = ${shown(beta)}`));
  const body = page.rows.map((lines, i) => {
    const side = element("th", { scope: "row" }, ...lines.map((line) => element("span", {}, line)));
    return element("tr", {}, side, ...page.tiles[i].map(([words, id, row]) => element("td", {}, atlasTile(page, player, slider, words, id, row))));
  });
  const table = element("table", {}, element("thead", {}, element("tr", {}, element("td"), ...heads)), element("tbody", {}, ...body));
  const figure = element("figure", { class: "traversal" }, element("div", { class: "together" }, playButton(player), slider), element("div", { class: "scroll" }, table));
  players.set(figure, player);
  seen.observe(figure);
  return figure;
}

function atlasTile(page, player, slider, words, id, row) {
  if (id === null) return "";
  const sheet = study.sheets[id];
  const tile = element("button", { type: "button", class: "place", "data-trial": id, onclick: () => openTrial(id) });
  if (row === null) {
    tile.append(element("span", { class: "frame none" }, words));
    return tile;
  }
  const frame = frameOf(sheet, `${page.factor} in trial ${id}`);
  const moved = { frame, slider, row, rows: sheet.latents.length + 1, held: false };
  player.tiles.push(moved);
  showFrame(moved, player.phase, player.columns);
  tile.append(frame, words.replace("-", "−"));
  return tile;
}

function placeAtlas() {
  const place = document.querySelector("#atlas .atlas");
  if (!place) return;
  const draw = (index) => {
    place.replaceChildren(atlasOf(study.atlas[index]));
    dimAtlas();
  };
  const options = study.atlas.map((page) => element("option", {}, page.factor));
  const select = element("select", { id: "atlas-menu", onchange: (event) => draw(event.target.selectedIndex) }, ...options);
  place.before(element("label", { class: "picker" }, "of ", select));
  const pictures = study.atlas.map((page) => page.tiles.flat().filter(([, , row]) => row !== null).length);
  select.selectedIndex = pictures.indexOf(Math.max(...pictures));
  draw(select.selectedIndex);
  listeners.push(dimAtlas);
}

function dimAtlas() {
  for (const tile of document.querySelectorAll("#atlas .place")) tile.classList.toggle("dim", !passes(byId.get(tile.dataset.trial)));
}
