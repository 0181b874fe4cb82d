// What all pages of the desk do better with a script than without one. Pages say by data attributes what they want.

// Menus close when the reader looks elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.drop[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.drop[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// Filters apply as soon as they are chosen.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-submits]");
  if (form && event.target.matches("select, [type=checkbox], [type=radio], [type=date]")) form.requestSubmit();
});

// A form is sent once, however often it is clicked.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// What cannot be taken back is asked for once more: <button data-confirm="Void invoice 4711?">.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-confirm]");
  if (button && !window.confirm(button.dataset.confirm)) event.preventDefault();
}, true);

// One box selects all the others of its form: <input type="checkbox" data-selects="invoice">.
document.addEventListener("change", (event) => {
  const name = event.target.dataset?.selects;
  if (!name) return;
  for (const box of event.target.form.querySelectorAll(`[type=checkbox][name="${name}"]`)) box.checked = event.target.checked;
});

// Of the menu that scrolls sideways where there is little room, the part that is open is seen.
document.querySelector("nav.side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// Lists in narrow windows are shown as cards, in which each cell has the title of its column: see desk.css.
function label(tables) {
  for (const table of tables) {
    const titles = [...table.querySelectorAll(":scope > thead > tr:last-child > th")].map((cell) => (cell.querySelector(".hidden") ? "" : cell.textContent.trim()));
    if (titles.length < 3 || table.querySelector("[colspan]")) continue;
    table.classList.add("stacks");
    for (const row of table.querySelectorAll(":scope > :is(tbody, tfoot) > tr")) {
      row.querySelectorAll(":scope > *").forEach((cell, at) => {
        const isFirst = at === 0 || (at === 1 && row.cells[0].querySelector("[type=checkbox]"));
        if (!isFirst && titles[at]) cell.dataset.label = titles[at];
        cell.classList.toggle("nothing", ["", "–"].includes(cell.textContent.trim()) && !cell.querySelector("input, select, button, progress"));
      });
    }
  }
}
const lists = () => document.querySelectorAll(".scroll > table");
label(lists());
new MutationObserver(() => label(lists())).observe(document.getElementById("content"), { childList: true, subtree: true });
