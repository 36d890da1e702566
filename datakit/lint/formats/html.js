// Filters by text, and hides the cards of which the filters leave nothing. Without it the page reads and filters too.
"use strict";
document.documentElement.classList.add("js");
const search = document.getElementById("search");
const shown = document.getElementById("shown");
const cards = [...document.querySelectorAll(".card")].map((card) => ({
  card,
  rows: [...card.querySelectorAll(".f")].map((row) => ({
    row,
    text: (card.dataset.t + " " + row.textContent).toLowerCase(),
    severity: row.dataset.s,
    code: row.dataset.c,
  })),
}));
const total = cards.reduce((sum, { rows }) => sum + rows.length, 0);
const checked = (name) => {
  const input = document.querySelector(`input[name=${name}]:checked`);
  return input ? input.value : "";
};
function apply() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const severity = checked("s");
  const code = checked("r");
  let count = 0;
  for (const { card, rows } of cards) {
    let left = 0;
    for (const { row, text, severity: level, code: own } of rows) {
      const fits = (!severity || severity === level) && (!code || code === own) && words.every((w) => text.includes(w));
      row.hidden = !fits;
      left += fits;
    }
    card.hidden = !left;
    count += left;
  }
  shown.textContent = count === total ? "" : `${count.toLocaleString("en")} of ${total.toLocaleString("en")} findings shown`;
}
function open() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = target && target.closest("details");
  if (details) {
    details.open = true;
    target.scrollIntoView();
  }
}
if (search) {
  search.addEventListener("input", apply);
  document.addEventListener("change", apply);
  apply();
}
addEventListener("hashchange", open);
open();
