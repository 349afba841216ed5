// Traversals: one sheet of frames per trial, a row per latent (sorted by KL) and a column per value; a tile shows one frame.
const SHOWN = 6; // The best of those that are picked.
const players = new Map(); // figure -> {tiles, columns, phase, playing}
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const seen = new IntersectionObserver((entries) => entries.forEach((e) => (e.target.dataset.seen = e.isIntersecting ? "yes" : "")));

function traversal(sheet) {
  const figure = element("figure", { class: "traversal" });
  const { columns } = sheet;
  const player = { tiles: [], columns, phase: (columns - 1) / 2, playing: !still };
  const play = playButton(player);
  const trial = byId.get(sheet.trial_id);
  const name = element("button", { type: "button", class: "link", onclick: () => openTrial(sheet.trial_id) }, sheet.trial_id);
  const heading = element("h3", {}, trial ? mark(trial) : null, `${trial?.rank ? `#${trial.rank} ` : ""}${trial?.label ?? ""} `);
  const scores = study.scores.slice(0, 2).map(([key, title]) => `${title} ${shown(trial?.scores[key])}`);
  figure.append(element("figcaption", {}, heading, name, element("span", { class: "quiet" }, scores.join(" · ")), play));
  const tiles = element("div", { class: "tiles" });
  sheet.latents.forEach((latent, row) => {
    const frame = frameOf(sheet, `latent ${latent.latent}`);
    const slider = element("input", { type: "range", min: 0, max: columns - 1, value: (columns - 1) / 2, "aria-label": `value of ${latent.symbol}` });
    const tile = { frame, slider, row, rows: sheet.latents.length + 1, held: false };
    slider.addEventListener("input", () => {
      tile.held = true;
      slider.ariaValueText = shown(latent.low + ((latent.high - latent.low) * slider.value) / (columns - 1));
      showFrame(tile, Number(slider.value), columns);
    });
    const about = latent.dead ? "dead" : `${shown(latent.kl, 2)} nats`;
    const words = element("div", {}, element("b", {}, latent.symbol.replace("-", "−")), ` ${latent.factor ? `${latent.factor} · ` : ""}${about}`);
    tiles.append(element("div", { class: latent.dead ? "tile dead" : "tile" }, frame, slider, words));
    player.tiles.push(tile);
    showFrame(tile, player.phase, columns);
  });
  figure.append(tiles, pairs(sheet));
  players.set(figure, player);
  seen.observe(figure);
  return figure;
}

function playButton(player) {
  const play = element("button", { type: "button", class: "chip" }, player.playing ? "Pause" : "Play");
  play.addEventListener("click", () => {
    player.playing = !player.playing;
    player.tiles.forEach((tile) => (tile.held = false));
    play.textContent = player.playing ? "Pause" : "Play";
  });
  return play;
}

function frameOf(sheet, label) {
  const frame = element("span", { class: "frame", role: "img", "aria-label": label });
  frame.style.backgroundImage = `url(${sheet.src})`;
  frame.style.backgroundSize = `${sheet.columns * 100}% ${(sheet.latents.length + 1) * 100}%`;
  return frame;
}

// The sheet's last row: image, reconstruction, image, ...
function pairs(sheet) {
  const rows = sheet.latents.length + 1;
  const all = [];
  for (let i = 0; i < sheet.pairs; i++) {
    const two = ["image", "reconstruction"].map((label, j) => {
      const frame = frameOf(sheet, label);
      showFrame({ frame, row: rows - 1, rows }, 2 * i + j, sheet.columns);
      return frame;
    });
    all.push(element("span", { class: "pair" }, ...two));
  }
  return element("div", { class: "pairs" }, ...all, "test images beside their reconstructions");
}

function showFrame(tile, column, columns) {
  const part = (i, n) => (n > 1 ? (100 * i) / (n - 1) : 0);
  tile.frame.style.backgroundPosition = `${part(column, columns)}% ${part(tile.row, tile.rows)}%`;
}

function step() {
  for (const [figure, player] of players) {
    if (!figure.isConnected) players.delete(figure);
    if (!player.playing || !figure.dataset.seen) continue;
    player.phase = (player.phase + 1) % (2 * player.columns - 2); // There and back, each end once: no jump.
    const column = player.phase < player.columns ? player.phase : 2 * player.columns - 2 - player.phase;
    for (const tile of player.tiles.filter((tile) => !tile.held)) {
      tile.slider.value = column;
      showFrame(tile, column, player.columns);
    }
  }
}

function placeTraversals() {
  const place = document.querySelector("#traversals .gallery");
  setInterval(step, 90);
  if (!place) return;
  let drawn = null;
  const draw = () => {
    const best = Object.values(study.sheets).filter((sheet) => passes(byId.get(sheet.trial_id))).slice(0, SHOWN);
    const which = best.map((sheet) => sheet.trial_id).join();
    if (which === drawn) return; // What plays goes on playing.
    drawn = which;
    place.replaceChildren(...(best.length ? best.map(traversal) : ["No trial that is picked has traversals here."]));
  };
  draw();
  listeners.push(draw);
}
