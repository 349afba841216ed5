// In the order in which a person sees it.
document.getElementById("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = dark() ? "light" : "dark";
  changed();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
document.getElementById("more").addEventListener("click", () => {
  whole = true;
  drawTrials();
});
document.getElementById("trial").addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
document.getElementById("trial").addEventListener("click", (event) => event.target.id === "trial" && event.target.close());
listeners.push(pick, drawFilters, colorMarks, dimRanking, showBeyond, drawTrials, drawStopped);
colorMarks();
placeFigures();
drawFilters();
placeTraversals();
placeAtlas();
drawTrials();
drawStopped();
placeWeight();
drawPlots();
const opened = /^#trial=(.+)$/.exec(location.hash);
if (opened) openTrial(decodeURIComponent(opened[1]));
