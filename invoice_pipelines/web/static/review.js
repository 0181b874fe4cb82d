// The review desk by keyboard, and by clicks on the page of the document. Without this module it is a plain form.

const FORMAT = new Intl.NumberFormat(document.documentElement.lang === "de" ? "de-DE" : "en-GB", {
  minimumFractionDigits: 2, maximumFractionDigits: 4, useGrouping: "always",
});
const KEYS = { note: "n", reject: "r", postpone: "p", "hand-over": "h", undo: "u", skip: "s", zoom: "z", "next-page": "j", "previous-page": "k", help: "?" };
const KEPT = "review-keys";
const RENEW = 60 * 1000; // also how soon somebody is told that an admin took the invoice over
const UNITS = 10000; // an amount is counted in ten-thousandths, so that sums are exact

let desk = null;
let leaving = false; // by a form of ours, which says itself what becomes of the claim

function amountOf(written) {
  const digits = written.replace(/[\s'’´]/g, "").replace(/[−–]/g, "-");
  const match = /^(-?)(\d+(?:[.,]\d+)*)(-?)$/.exec(digits);
  if (!match) return null;
  const parts = match[2].split(/[.,]/);
  const signs = match[2].replace(/\d/g, "");
  let whole = match[2], rest = "";
  if (signs) {
    const last = signs.at(-1);
    const groups = signs.length > 1 && signs.split(last).length > 2;
    rest = groups ? "" : parts.pop();
    if (signs.length === 1 && rest.length === 3) return null; // thousands or decimals: nobody knows
    if (rest.length > 4) return null;
    whole = parts.join("");
  }
  const value = Number(whole) * UNITS + Number(rest.padEnd(4, "0"));
  return match[1] || match[3] ? -value : value;
}

function settings() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT)) ?? {};
    return { on: kept.on !== false, keys: { ...KEYS, ...kept.keys } };
  } catch {
    return { on: true, keys: { ...KEYS } };
  }
}

async function post(address, body, options = {}) {
  return fetch(address, { method: "POST", body: new URLSearchParams(body), headers: { Accept: "application/json" }, ...options });
}

class Desk {
  constructor(section, pending) {
    this.section = section;
    this.pending = pending; // until the decision before is known to be taken
    this.form = section.querySelector("#values");
    this.paper = section.querySelector(".paper");
    this.words = section.querySelector("#words").dataset;
    this.query = section.dataset.query;
    this.rows = [...section.querySelectorAll(".row")];
    this.asked = this.rows.filter((row) => "asks" in row.dataset);
    this.active = null;
    this.typed = ""; // a digit that chose a candidate, and may have been the begin of a value
    this.checks = 0;
    this.ready = null;
    this.settings = settings();
    section.classList.add("lively");
    section.querySelector(".paper-tools")?.removeAttribute("hidden");
    this.listen();
    for (const row of this.rows) this.show(row);
    this.add();
    if (!("decides" in section.dataset)) return;
    section.querySelector("#help-button").hidden = false;
    this.showKeys();
    if (this.canChange()) this.paper.classList.add("takes");
    this.start();
    const wrong = section.querySelector(".row .error");
    this.go(wrong ? wrong.closest(".row") : this.asked[0]);
  }

  async start() {
    await this.pending;
    if (desk && desk !== this) return;
    this.claim();
    this.renewal = setInterval(() => document.visibilityState === "visible" && this.claim(), RENEW);
    if (!this.ready) this.prefetch();
  }

  close() {
    clearInterval(this.renewal);
    clearTimeout(this.waiting);
  }

  // Fields.

  input(row) { return row.querySelector("[name^='value.']"); }
  was(row) { return row.querySelector("[name^='was.']").value; }
  place(row) { return row.querySelector("[name^='box.']"); }
  canChange() { return this.rows.some((row) => !this.input(row).readOnly); }
  changed(row) { return this.input(row).value.trim() !== this.was(row) || this.place(row).value !== "" || this.candidate(row) !== null; }
  candidate(row) { return row.querySelector("[name^='candidate.']:checked:not([value=''])"); }

  choose(row, candidate) {
    const none = row.querySelector("[name^='candidate.'][value='']");
    if (candidate) {
      candidate.checked = true;
      this.input(row).value = candidate.dataset.written;
      this.mark(row, Number(candidate.dataset.page), candidate.dataset.box.split(",").map(Number));
    } else if (none) none.checked = true;
    this.place(row).value = "";
    this.touched(row);
  }

  restore(row) {
    const none = row.querySelector("[name^='candidate.'][value='']");
    if (none) none.checked = true;
    this.input(row).value = this.was(row);
    this.place(row).value = "";
    this.mark(row, null);
    this.touched(row);
  }

  touched(row) {
    delete row.dataset.done;
    row.querySelector(".error")?.remove();
    this.input(row).removeAttribute("aria-invalid");
    this.show(row);
    this.add();
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.check(), 350);
  }

  show(row) {
    const changed = this.changed(row), done = "done" in row.dataset;
    row.classList.toggle("changed", changed);
    row.classList.toggle("done", done);
    row.querySelector(".mine").hidden = !changed;
    row.querySelector(".right-as-read").hidden = !done || changed;
  }

  go(row) {
    this.typed = "";
    if (!row) {
      this.form.querySelector("[value='accept']")?.focus();
      return;
    }
    const folded = row.closest("details");
    if (folded) folded.open = true;
    const input = this.input(row);
    input.focus({ preventScroll: true });
    input.select?.();
    row.scrollIntoView({ block: "nearest" });
    this.activate(row);
  }

  activate(row) {
    if (this.active !== row) this.typed = "";
    this.active = row;
    for (const mark of this.section.querySelectorAll(".mark.active")) mark.classList.remove("active");
    this.highlight(row);
  }

  // What is right is confirmed, and the next doubt comes; after the last one the decision is sent.
  confirm(row) {
    row.dataset.done = "";
    this.show(row);
    const open = this.asked.filter((one) => !("done" in one.dataset));
    const after = open.find((one) => row.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING);
    if (after ?? open[0]) this.go(after ?? open[0]);
    else this.finish();
  }

  back(row) {
    const place = this.asked.indexOf(row);
    const before = place < 0 ? this.asked.at(-1) : this.asked[place - 1];
    if (!before) return;
    delete before.dataset.done;
    this.show(before);
    this.go(before);
  }

  finish() {
    const broken = this.asked.find((row) => row.querySelector(".why .bad"));
    if (broken && !this.rows.some((row) => this.changed(row))) {
      this.say(this.words.mend);
      delete broken.dataset.done;
      this.show(broken);
      this.go(broken);
      return;
    }
    const fails = this.section.querySelector(".sum.bad:not([hidden])");
    if (fails && !this.warned) {
      this.warned = true;
      this.say(this.words.fails);
      this.go(this.rows.find((row) => row.dataset.field === fails.dataset.total));
      return;
    }
    this.send(this.form, "accept");
  }

  // Sums.

  add() {
    for (const line of this.section.querySelectorAll(".sum")) {
      const value = (name) => {
        const row = this.rows.find((one) => one.dataset.field === name);
        const written = row ? this.input(row).value.trim() : "";
        return written === "" ? undefined : amountOf(written);
      };
      const terms = line.dataset.terms.trim().split(" ").map((term) => term.split(":"));
      const values = terms.map(([sign, name]) => [Number(sign), value(name)]);
      const right = value(line.dataset.total);
      const unknown = values[0][1] === undefined || right === undefined || right === null || values.some(([, one]) => one === null);
      line.hidden = unknown;
      if (unknown) continue;
      const left = values.reduce((sum, [sign, one]) => sum + sign * (one ?? 0), 0);
      line.querySelector(".left-side").textContent = FORMAT.format(left / UNITS);
      line.querySelector(".right-side").textContent = FORMAT.format(right / UNITS);
      line.classList.toggle("bad", left !== right);
      line.classList.toggle("good", left === right);
      line.querySelector(".sign").textContent = left === right ? "✓" : "✕";
      line.querySelector(".fails").hidden = left === right;
    }
  }

  async check() {
    const outlook = this.section.querySelector("#outlook");
    const number = ++this.checks;
    if (!this.rows.some((row) => this.changed(row))) return void outlook.replaceChildren();
    let told;
    try {
      const answer = await post(`${this.section.dataset.own}/check`, new FormData(this.form));
      told = answer.ok ? await answer.json() : {};
    } catch {
      return;
    }
    if (number !== this.checks) return;
    for (const [field, words] of Object.entries(told.errors ?? {})) this.complain(field, words);
    const lines = (told.left ?? []).map((words) => this.line("warn", words));
    if (told.passes) lines.push(this.line("good", told.learned ? `${this.words.passes} ${this.words.learns} ${told.learned}.` : this.words.passes));
    outlook.replaceChildren(...lines);
  }

  line(kind, words) {
    const made = document.createElement("p");
    made.className = `notice ${kind}`;
    made.textContent = words;
    return made;
  }

  complain(field, words) {
    const row = this.rows.find((one) => one.dataset.field === field);
    if (!row) return;
    row.querySelector(".error")?.remove();
    const error = document.createElement("span");
    error.className = "error";
    error.textContent = words;
    this.input(row).setAttribute("aria-invalid", "true");
    this.input(row).after(error);
  }

  say(words) {
    this.section.querySelector("#say").textContent = words;
  }

  // Sending, and the next document.

  // The next document is shown at once, as it is here already; if the decision is refused, this one is shown again.
  async send(form, what) {
    if (this.sending) return;
    this.sending = true;
    this.section.classList.add("sent");
    await this.pending; // the decision before this one
    if (desk !== this) return;
    const body = new FormData(form);
    if (what) body.set("what", what);
    if (this.ready) body.set("next", this.ready.id);
    const asked = post(form.action, body, { keepalive: true }).then(async (answer) => [answer, await answer.text()]);
    const next = this.ready;
    if (!next) return void (await this.settle(asked, null));
    history.pushState(null, "", next.address);
    document.title = next.title;
    let settled;
    open(next.section, new Promise((resolve) => { settled = resolve; }));
    await this.settle(asked, desk);
    settled();
  }

  // What became of the decision; `shown` is what is shown meanwhile.
  async settle(asked, shown) {
    let answer, text;
    try {
      [answer, text] = await asked;
    } catch {
      this.resume(shown, this.words.offline);
      return;
    }
    if (answer.headers.get("Content-Type")?.startsWith("application/json")) {
      const told = JSON.parse(text);
      if (shown && told.next === shown.section.dataset.id) {
        history.replaceState(null, "", told.address);
        shown.tell(told.bar);
      } else {
        leaving = true;
        location.assign(told.address);
      }
      return;
    }
    const found = new DOMParser().parseFromString(text, "text/html").querySelector("#review");
    if (found) {
      if (shown) history.replaceState(null, "", this.section.dataset.own + this.query);
      open(document.importNode(found, true));
    } else this.resume(shown, answer.url.includes("/sign-in") ? this.words.signedOut : this.words.offline);
  }

  resume(shown, words) {
    if (shown) {
      shown.close();
      history.replaceState(null, "", this.section.dataset.own + this.query);
      shown.section.replaceWith(this.section);
      desk = this;
      this.start();
    }
    this.sending = false;
    this.section.classList.remove("sent");
    this.say(words);
    this.go(this.active);
  }

  tell(bar) {
    const read = new DOMParser().parseFromString(bar, "text/html").querySelector("#bar");
    this.section.querySelector("#bar").replaceWith(document.importNode(read, true));
  }

  async prefetch() {
    const { next, nextId } = this.section.dataset;
    if (!next) return;
    try {
      const answer = await fetch(next);
      if (!answer.ok) return;
      const read = new DOMParser().parseFromString(await answer.text(), "text/html");
      const found = read.querySelector("#review");
      if (!found?.querySelector("#values")) return;
      const section = document.importNode(found, true);
      await section.querySelector(".sheet img")?.decode().catch(() => {});
      this.ready = { id: nextId, address: next, section, title: read.title };
      this.section.dataset.ready = nextId;
    } catch {
      // It is loaded when it is needed.
    }
  }

  async claim() {
    try {
      const answer = await post(`${this.section.dataset.own}/claim${this.query}`, {});
      if (!answer.ok) return;
      const told = await answer.json();
      this.mine = told.mine;
      const badge = document.createElement("span");
      badge.className = `badge ${told.mine ? "info" : "warn"}`;
      badge.textContent = told.words;
      this.section.querySelector("#claim").replaceChildren(badge);
      if (!told.mine) this.say(told.words);
    } catch {
      // Nobody else is kept from it then; who decides first is known all the same.
    }
  }

  release() {
    if (this.mine && !this.sending) navigator.sendBeacon(`${this.section.dataset.own}/release`, new URLSearchParams({ leaving: "true" }));
  }

  // The page of the document.

  mark(row, page, box) {
    const field = row.dataset.field;
    this.section.querySelector(`.mark.shown[data-field="${CSS.escape(field)}"]`)?.remove();
    if (page === null) return;
    const svg = this.section.querySelector(`.sheet[data-page="${page}"] svg`);
    if (!svg) return;
    svg.append(this.rectangle(["mark", "shown", "active"], field, box));
    if (this.active === row) this.activate(row);
  }

  rectangle(kinds, field, [left, top, right, bottom]) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    made.classList.add(...kinds);
    made.dataset.field = field;
    for (const [name, value] of Object.entries({ x: left - 2, y: top - 2, width: Math.max(right - left, 1) + 4, height: Math.max(bottom - top, 1) + 4, rx: 2 })) {
      made.setAttribute(name, value);
    }
    return made;
  }

  highlight(row) {
    const all = this.section.querySelectorAll(`.mark[data-field="${CSS.escape(row.dataset.field)}"]`);
    const mark = [...all].find((one) => one.classList.contains("shown")) ?? all[0];
    if (!mark) return;
    mark.classList.add("active");
    const frame = this.paper.getBoundingClientRect(), seen = mark.getBoundingClientRect();
    if (seen.top < frame.top || seen.bottom > frame.bottom) this.paper.scrollTop += seen.top - frame.top - frame.height / 3;
    if (seen.left < frame.left || seen.right > frame.right) this.paper.scrollLeft += seen.left - frame.left - frame.width / 3;
  }

  pointOf(sheet, event) {
    const seen = sheet.querySelector("img").getBoundingClientRect();
    return [
      ((event.clientX - seen.left) / seen.width) * Number(sheet.dataset.width),
      ((event.clientY - seen.top) / seen.height) * Number(sheet.dataset.height),
    ];
  }

  pointDown(event) {
    const sheet = event.target.closest(".sheet[data-width]");
    if (!sheet || event.button !== 0 || !event.isPrimary || !this.canChange()) return;
    event.preventDefault(); // the field keeps the focus
    const from = this.pointOf(sheet, event);
    const begun = [event.clientX, event.clientY];
    let drawn = null;
    const move = (moved) => {
      if (moved.pointerType === "touch" || Math.hypot(moved.clientX - begun[0], moved.clientY - begun[1]) < 6) return;
      const to = this.pointOf(sheet, moved);
      const box = [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])];
      drawn?.made.remove();
      drawn = { box, made: this.rectangle(["mark", "dragged"], "", box) };
      sheet.querySelector("svg").append(drawn.made);
    };
    const end = (ended) => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      drawn?.made.remove();
      if (ended.type === "pointerup") this.take(Number(sheet.dataset.page), drawn ? drawn.box : from);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  }

  async take(page, place) {
    const row = this.active ?? this.asked[0];
    if (!row) return void this.say(this.words.choose);
    const [left, top, right, bottom] = place;
    const asked = { field: row.dataset.field, page, left, top, ...(place.length === 4 ? { right, bottom } : {}) };
    let told;
    try {
      const answer = await post(`${this.section.dataset.own}/read`, asked);
      told = answer.ok ? await answer.json() : { error: this.words.offline };
    } catch {
      told = { error: this.words.offline };
    }
    if (told.error) {
      this.say(told.error);
      this.input(row).focus();
      return;
    }
    this.choose(row, null);
    this.input(row).value = told.value;
    this.place(row).value = told.place;
    this.mark(row, page, told.place.split(":")[1].split(",").map(Number));
    this.touched(row);
    this.say("");
    this.go(row);
  }

  zoom() {
    const on = this.paper.classList.toggle("zoomed");
    const button = this.section.querySelector("[data-does='zoom']");
    button.setAttribute("aria-pressed", String(on));
    if (this.active) this.highlight(this.active);
  }

  turn(by) {
    const sheets = [...this.section.querySelectorAll(".sheet")];
    const top = this.paper.getBoundingClientRect().top;
    const now = sheets.findLastIndex((sheet) => sheet.getBoundingClientRect().top <= top + 20);
    const sheet = sheets[Math.max(0, Math.min(sheets.length - 1, Math.max(now, 0) + by))];
    this.paper.scrollTop += sheet.getBoundingClientRect().top - top;
  }

  // Keys.

  does(command) {
    const unfold = (id, what) => {
      const found = this.section.querySelector(id);
      if (!found) return;
      if ("open" in found) found.open = true;
      found.querySelector(what)?.focus();
    };
    if (command === "note") unfold("#notes", "textarea");
    if (command === "reject") unfold("#reject", "[name='reason']");
    if (command === "postpone") unfold("#postpone", "button");
    if (command === "hand-over") unfold("#hand-over", "select");
    if (command === "undo") this.section.querySelector("form[data-undo]")?.requestSubmit();
    if (command === "skip") this.section.querySelector("form[data-skip]")?.requestSubmit();
    if (command === "zoom") this.zoom();
    if (command === "next-page") this.turn(1);
    if (command === "previous-page") this.turn(-1);
    if (command === "help") this.section.querySelector("#keys")?.showModal();
  }

  // Whether a letter would be written, and is no shortcut: in texts always, in amounts and days once one writes.
  writes(target, row) {
    if (!target.matches("input:not([type='radio'], [type='checkbox']), textarea, select") || target.readOnly) return false;
    if (!row || !["amount", "date"].includes(row.dataset.kind)) return true;
    return target.selectionStart !== 0 || target.selectionEnd !== target.value.length || (target.value !== this.was(row) && !this.candidate(row) && !this.place(row).value);
  }

  key(event) {
    if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("dialog")) return;
    const target = event.target, row = target.closest(".row");
    if (event.key === "Enter" && row && !target.matches("[type='radio']")) {
      event.preventDefault();
      if (event.repeat || this.sending || !("decides" in this.section.dataset)) return;
      if (event.shiftKey) this.back(row);
      else this.confirm(row);
      return;
    }
    if (event.key === "Escape") {
      if (row && target !== row) {
        event.preventDefault();
        if (this.changed(row)) {
          this.restore(row);
          target.select?.();
        } else row.focus(); // here letters are shortcuts
      } else if (!row && this.active && this.section.contains(target)) this.go(this.active);
      return;
    }
    if (event.key.length !== 1 || !this.settings.on) return;
    if (row && /^[1-9]$/.test(event.key) && this.typed === "" && this.isWhole(target, row)) {
      const candidate = row.querySelector(`[name^='candidate.'][value="${event.key}"]`);
      if (candidate) {
        event.preventDefault();
        this.choose(row, candidate);
        this.input(row).focus();
        this.input(row).select?.();
        this.typed = event.key;
        return;
      }
    }
    const writes = this.writes(target, row);
    const command = writes ? null : Object.keys(KEYS).find((name) => this.settings.keys[name] === event.key);
    if (command) {
      event.preventDefault();
      this.does(command);
    } else if (this.typed !== "" && row && target === this.input(row)) {
      event.preventDefault(); // more follows: the digit before was the begin of a value, and chose nothing
      this.choose(row, null);
      target.value = this.typed + event.key;
      this.typed = "";
      this.mark(row, null);
      this.touched(row);
    }
  }

  isWhole(target, row) {
    return target !== this.input(row) || (target.selectionStart === 0 && target.selectionEnd === target.value.length);
  }

  showKeys() {
    for (const input of this.section.querySelectorAll("#keys [data-key]")) input.value = this.settings.keys[input.dataset.key];
    this.section.querySelector("#keys [name='on']").checked = this.settings.on;
  }

  keepKeys() {
    const keys = {};
    for (const input of this.section.querySelectorAll("#keys [data-key]")) {
      const wanted = input.value.trim().slice(0, 1);
      keys[input.dataset.key] = /^[^\s1-9]$/.test(wanted) ? wanted : KEYS[input.dataset.key];
    }
    this.settings = { on: this.section.querySelector("#keys [name='on']").checked, keys };
    localStorage.setItem(KEPT, JSON.stringify(this.settings));
    this.showKeys();
  }

  listen() {
    const { section } = this;
    section.addEventListener("keydown", (event) => this.key(event));
    section.addEventListener("focusin", (event) => {
      const row = event.target.closest(".row");
      if (!row) return;
      if (event.target === this.input(row)) event.target.select?.(); // what is typed takes the place of what stands there
      this.activate(row);
    });
    section.addEventListener("input", (event) => {
      const row = event.target.closest(".row");
      if (!row || !event.target.name?.startsWith("value.")) return;
      this.typed = "";
      this.mark(row, null);
      this.choose(row, null);
    });
    section.addEventListener("change", (event) => {
      if (event.target.closest("#keys")) return this.keepKeys();
      const row = event.target.closest(".row");
      if (row && event.target.name?.startsWith("candidate.")) {
        if (event.target.value) this.choose(row, event.target);
        else this.restore(row);
      }
    });
    section.addEventListener("click", (event) => {
      const command = event.target.closest("[data-does]")?.dataset.does;
      if (command) this.does(command);
      if (event.target.closest("#help-button")) this.does("help");
    });
    section.addEventListener("submit", (event) => {
      const form = event.target;
      if (form.method === "dialog") return;
      if (form === this.form || "reject" in form.dataset) {
        event.preventDefault();
        this.send(form, event.submitter?.value);
      } else leaving = true;
    });
    this.paper.addEventListener("pointerdown", (event) => this.pointDown(event));
  }
}

function open(section, pending) {
  desk?.close();
  document.querySelector("#review").replaceWith(section);
  scrollTo(0, 0);
  desk = null;
  if (section.querySelector("#values")) desk = new Desk(section, pending);
}

addEventListener("pagehide", () => {
  if (!leaving) desk?.release();
});
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
addEventListener("popstate", () => location.reload());
document.addEventListener("keydown", (event) => {
  if (desk && event.target === document.body && !event.defaultPrevented) {
    if (event.key === "Enter") desk.go(desk.active ?? desk.asked[0]);
    else desk.key(event);
  }
});

const first = document.querySelector("#review");
if (first?.querySelector("#values")) desk = new Desk(first);
