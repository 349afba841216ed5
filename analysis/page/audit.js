// Who was not let on from a rung, and why.
const FEW = 20; // Rows shown before "Show all".
let everyone = false;

// What came of a trial that was not to go on.
function cameOf({ decisions, wrong, status }) {
  const audited = decisions.some(([, , , audited]) => audited);
  if (!audited) return "stopped";
  if (wrong === null) return status === "unfinished" ? "runs on for the audit" : "ran on for the audit";
  return wrong ? "ran on: stopping would have been wrong" : "ran on: stopping was right";
}

function drawStopped() {
  const place = document.getElementById("stopped");
  const stops = picked.flatMap((trial) => trial.decisions.filter(([, keep]) => !keep).map(([step, , reason, , betters]) => ({ trial, step, reason, betters })));
  const sorted = stops.sort((a, b) => a.step - b.step);
  place.hidden = !study.trials.some(({ decisions }) => decisions.some(([, keep]) => !keep));
  const words = (...inside) => element("td", { class: "words" }, ...inside);
  const body = sorted.slice(0, everyone ? sorted.length : FEW).map(({ trial, step, reason, betters }) => {
    const who = element("button", { class: "link", type: "button", onclick: () => openTrial(trial.id) }, trial.id);
    return element("tr", {}, element("td", {}, shown(step)), words(mark(trial), who), element("td", { class: "why" }, reason), element("td", { class: "why" }, ...links(betters.slice(0, 2)), betters.length > 2 ? " and more" : ""), element("td", { class: "why" }, cameOf(trial)));
  });
  const head = ["step", "trial", "why it was not to go on", "beaten by", "what came of it"].map((text, i) => element("th", { scope: "col", class: i ? "words" : null }, text));
  const more = element("button", { type: "button", onclick: () => { everyone = true; drawStopped(); } }, `Show all ${sorted.length}`);
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  place.replaceChildren(element("h3", {}, "Who was not to go on"), element("div", { class: "scroll" }, table), sorted.length > body.length ? more : "");
}
