"use strict";
// The people of a run: filters, pages, and what each answered. Everything is written as text, never as markup.
for (const place of document.querySelectorAll("[data-people]")) {
  const told = JSON.parse(place.querySelector("script").textContent);
  const body = place.querySelector("tbody"), form = place.querySelector("form"), pages = place.querySelector(".pages");
  const said = place.querySelector("[role=status]");
  const make = (tag, text = "", attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const word = (item, code) => (code === null ? told.none : told.items[item].options[code]);
  const choice = (name, options) => {
    const label = make("label", name + " ");
    const select = make("select");
    options.forEach((text, at) => select.append(make("option", text, { value: at ? at - 1 : "" })));
    label.append(select);
    form.append(label);
    return select;
  };
  const selects = told.filters.map((filter) => choice(filter.name, ["all", ...filter.levels]));
  const agreement = choice("Answers", ["all", "all alike", "some differ", "none alike"]);
  const search = make("input", "", { type: "search" });
  const label = make("label", "Participant ");
  label.append(search);
  form.append(label);

  const fits = (row) =>
    selects.every((select, at) => select.value === "" || row.levels[at] === told.filters[at].levels[select.value]) &&
    (agreement.value === "" || [row.of && row.agree === row.of, row.of && row.agree < row.of, row.of && !row.agree][agreement.value]) &&
    row.id.toLowerCase().includes(search.value.trim().toLowerCase());

  const detail = (row, id) => {
    const whole = make("tr", "", { id, class: "detail" });
    const cell = make("td", "", { colspan: told.items.length + 3 });
    row.answers.forEach(([real, simulated, shares], at) => {
      cell.append(make("p", `${told.items[at].name}: ${told.items[at].text}`));
      const list = make("ul", "", { class: "options" });
      told.items[at].options.forEach((option, code) => {
        const entry = make("li");
        const marks = [code === real ? "real" : "", code === simulated ? "simulated" : ""].filter(Boolean).join(" and ");
        entry.append(make("span", option + (marks ? ` (${marks})` : ""), { class: marks ? "chosen" : "" }));
        if (shares) {
          const bar = make("span", "", { class: "bar", "aria-hidden": "true" });
          bar.style.width = `${shares[code] / 8}rem`;
          entry.append(bar, make("span", `${shares[code]} %`));
        }
        list.append(entry);
      });
      cell.append(list);
    });
    whole.append(cell);
    return whole;
  };

  const line = (row, at) => {
    const whole = make("tr");
    const head = make("th", "", { scope: "row" });
    const id = `${place.id}-${at}`;
    const button = make("button", row.id, { type: "button", "aria-expanded": "false" });
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") === "true";
      if (open) document.getElementById(id).remove();
      else whole.after(detail(row, id));
      button.setAttribute("aria-expanded", String(!open));
    });
    head.append(button);
    whole.append(head, make("td", row.levels.filter((level) => level !== null).join(", ")));
    row.answers.forEach(([real, simulated], item) => {
      const same = real === simulated && real !== null;
      whole.append(make("td", same ? word(item, real) : `${word(item, real)} \u2192 ${word(item, simulated)}`, { class: same ? "same" : "" }));
    });
    whole.append(make("td", row.status === "ok" ? `${row.agree} of ${row.of}` : row.status));
    return whole;
  };

  let page = 0;
  const show = () => {
    const found = told.rows.filter(fits);
    const last = Math.max(0, Math.ceil(found.length / told.shown) - 1);
    page = Math.min(page, last);
    const from = page * told.shown;
    const part = found.slice(from, from + told.shown);
    body.replaceChildren(...part.map((row, at) => line(row, from + at)));
    said.textContent = found.length
      ? `${from + 1} to ${from + part.length} of ${found.length} people; ${told.rows.length} in all.`
      : "Nobody is like that.";
    before.disabled = page === 0;
    after.disabled = page === last;
  };
  const turn = (text, step) => {
    const button = make("button", text, { type: "button" });
    button.addEventListener("click", () => { page += step; show(); });
    pages.append(button);
    return button;
  };
  const before = turn("Previous", -1), after = turn("Next", 1);
  form.addEventListener("input", () => { page = 0; show(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = pages.hidden = false;
  show();
}
