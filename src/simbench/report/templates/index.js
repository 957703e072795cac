"use strict";
// The index of runs: rows that fit what was chosen stay.
const form = document.querySelector("form"), said = document.querySelector("[role=status]");
const rows = [...document.querySelectorAll("tbody tr")];
const chosen = [...form.querySelectorAll("select")].map((select) => {
  const at = Number(select.dataset.column);
  const levels = [...new Set(rows.map((row) => row.cells[at].textContent))].sort();
  levels.forEach((level) => select.append(new Option(level, level)));
  return [select, at];
});
const search = form.querySelector("input");
const show = () => {
  const words = search.value.trim().toLowerCase();
  const left = rows.filter((row) => {
    const fits = chosen.every(([select, at]) => !select.value || row.cells[at].textContent === select.value);
    row.hidden = !(fits && row.textContent.toLowerCase().includes(words));
    return !row.hidden;
  });
  said.textContent = `${left.length} of ${rows.length} runs`;
};
form.addEventListener("input", show);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
show();
