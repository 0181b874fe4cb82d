// Who types another value means it.
document.addEventListener("input", (event) => {
  const choice = event.target.dataset?.chooses;
  if (!choice || !event.target.value) return;
  const radio = event.target.form.querySelector(`[name="${choice}"][value="edited"]`);
  if (radio) radio.checked = true;
});
