// The slider of weights: which cell to take if the first objective counts so much.
function placeWeight() {
  const slider = document.getElementById("weight");
  if (!slider) return;
  const stretches = [...document.querySelectorAll(".stretches div")];
  const take = () => {
    const w = Number(slider.value);
    const chosen = stretches.find((stretch) => w <= Number(stretch.dataset.to));
    for (const stretch of stretches) stretch.classList.toggle("chosen", stretch === chosen);
    for (const row of document.querySelectorAll("#ranking tr[data-cell]")) row.classList.toggle("chosen", row.dataset.cell === chosen.dataset.cell);
    document.getElementById("take").textContent = `${w.toFixed(2)}: take ${chosen.dataset.take}`;
  };
  slider.addEventListener("input", take);
  take();
}
