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
