// Lists in which people tick rows: how many they are, a row of boxes with the Shift key, and which of the two ways counts.

for (const form of document.querySelectorAll("form[data-choosing]")) {
  const boxes = [...form.querySelectorAll(`[type=checkbox][name="${form.dataset.choosing}"]`)];
  const choice = form.querySelector("[data-choice]");
  if (!choice) continue;
  const buttons = form.querySelectorAll(".chosen button");
  let last = null;

  const tell = () => {
    const count = boxes.filter((box) => box.checked).length;
    choice.options[0].text = count ? `${choice.dataset.choice} (${count})` : choice.dataset.choice;
    for (const button of buttons) button.disabled = choice.value === "false" && !count;
  };

  form.addEventListener("click", (event) => {
    const place = boxes.indexOf(event.target);
    if (place < 0) return;
    if (event.shiftKey && last !== null) {
      const [from, to] = [Math.min(last, place), Math.max(last, place)];
      for (const box of boxes.slice(from, to + 1)) box.checked = event.target.checked;
    }
    last = place;
  });
  form.addEventListener("change", (event) => {
    if (event.target !== choice) choice.value = "false";
    queueMicrotask(tell); // after the box that ticks all others
  });
  addEventListener("pageshow", tell);
  tell();
}
