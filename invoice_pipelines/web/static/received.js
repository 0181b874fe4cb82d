// Files of invoices: each is sent by itself, three at a time, with its progress and what became of it.

const AT_ONCE = 3;
const MOST_WAITS = 20;
const zone = document.querySelector("[data-drop-zone]");
const texts = JSON.parse(zone.dataset.texts);
const form = zone.querySelector("form");
const input = form.querySelector("[type=file]");
const all = { done: 0, count: 0, taken: 0, duplicate: 0, refused: 0 };
const queue = [];
let running = 0;
let spoken = 0;

const said = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);

// What strangers called a file, without what turns the text around it or cannot be seen.
const harmless = (name) => name.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, "");

function summarize(now) {
  zone.querySelector("[data-progress]").value = all.count ? all.done / all.count : 0;
  const words = said(texts.summary, { ...all, all: all.count });
  const summary = zone.querySelector("[data-summary]");
  // A screen reader is told every few seconds, and at the end.
  if (now || Date.now() - spoken > 3000) {
    summary.textContent = words;
    spoken = Date.now();
  }
}

class Sending {
  constructor(file, isFolder) {
    this.file = file;
    this.isFolder = isFolder;
    this.key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16)).join("-");
    this.waits = 0;
    this.row = zone.querySelector("[data-row]").content.firstElementChild.cloneNode(true);
    this.row.querySelector(".name").textContent = harmless(file.name);
    this.progress = this.row.querySelector("progress");
    this.progress.setAttribute("aria-label", harmless(file.name));
    this.button = this.row.querySelector("button");
    this.button.addEventListener("click", () => this.again());
    this.say("", texts.waits);
    zone.querySelector("[data-files]").append(this.row);
  }

  say(kind, words, ...more) {
    const badge = document.createElement("span");
    badge.className = `badge ${kind}`;
    const sign = document.createElement("span");
    sign.ariaHidden = "true";
    sign.textContent = { good: "✓", warn: "!", bad: "✕", info: "…" }[kind] ?? "·";
    badge.append(sign, words);
    this.row.querySelector(".said").replaceChildren(badge, " ", ...more);
  }

  end(outcome, kind, words, ...more) {
    this.outcome = outcome;
    all.done += 1;
    all[outcome] += 1;
    this.progress.hidden = true;
    this.say(kind, words, ...more);
  }

  refuse(code, canBeTriedAgain = false) {
    this.end("refused", "bad", canBeTriedAgain ? texts.not_sent : texts.refused, texts[code] ?? texts.OTHER);
    this.button.hidden = !canBeTriedAgain;
    zone.querySelector("[data-files]").prepend(this.row); // what needs a person is seen first
  }

  again() {
    all.done -= 1;
    all.refused -= 1;
    const hadFocus = document.activeElement === this.button;
    this.button.hidden = true;
    this.progress.hidden = false;
    this.progress.value = 0;
    if (hadFocus) zone.querySelector(".files").focus();
    this.waits = 0;
    this.say("", texts.waits);
    queue.push(this);
    work();
  }

  link(words, id) {
    const link = document.createElement("a");
    link.href = zone.dataset.invoices + id;
    link.textContent = harmless(words);
    link.dir = "auto";
    return link;
  }

  // Resolves when it is known what became of the file.
  send() {
    if (this.isFolder) return Promise.resolve(this.refuse("FOLDER"));
    if (this.file.size === 0) return Promise.resolve(this.refuse("EMPTY"));
    if (this.file.size > Number(zone.dataset.mostBytes)) return Promise.resolve(this.refuse("TOO_LARGE"));
    this.say("info", texts.sends);
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      const body = new FormData();
      body.append("file", this.file, this.file.name || "upload");
      request.open("POST", zone.dataset.uploads);
      request.setRequestHeader("Idempotency-Key", this.key);
      request.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable) this.progress.value = event.loaded / event.total;
      });
      request.addEventListener("load", () => resolve(this.read(request)));
      for (const name of ["error", "abort", "timeout"]) {
        request.addEventListener(name, () => resolve(this.refuse("NETWORK", true)));
      }
      request.send(body);
    });
  }

  read(request) {
    let answer;
    try {
      answer = JSON.parse(request.responseText);
    } catch {
      answer = {};
    }
    if (request.status === 201) {
      const id = answer.received_invoice_id;
      if (answer.is_new) this.end("taken", "good", texts.taken, this.link(texts.open, id));
      else this.end("duplicate", "warn", texts.duplicate, this.link(answer.file_name, id));
      return undefined;
    }
    const seconds = Number(request.getResponseHeader("Retry-After"));
    if (seconds > 0 && this.waits < MOST_WAITS && answer.code !== "STORAGE_FULL") {
      this.waits += 1;
      this.say("", texts.waits);
      return new Promise((resolve) => setTimeout(resolve, seconds * 1000)).then(() => this.send());
    }
    return this.refuse(answer.code, request.status === 401 || request.status === 408 || request.status >= 500 || seconds > 0);
  }
}

async function work() {
  while (running < AT_ONCE && queue.length) {
    const next = queue.shift();
    running += 1;
    next.send().finally(() => {
      running -= 1;
      summarize(!running && !queue.length);
      if (running || queue.length) work();
      else showFound();
    });
  }
}

function take(files) {
  if (!files.length) return;
  zone.querySelector("[data-outcomes]").hidden = false;
  const most = Number(zone.dataset.mostFiles);
  files.forEach(({ file, isFolder }, index) => {
    const sending = new Sending(file, isFolder);
    all.count += 1;
    if (index < most) queue.push(sending);
    else sending.refuse("TOO_MANY_FILES");
  });
  summarize(true);
  work();
}

// The list below shows what came, without losing what became of each file.
async function showFound() {
  if (!all.taken) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const found = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#found");
  if (found) document.querySelector("#found").replaceWith(document.adoptNode(found));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  take(Array.from(input.files, (file) => ({ file, isFolder: false })));
  form.reset();
});
input.addEventListener("change", () => form.requestSubmit());
form.classList.add("scripted");

addEventListener("dragover", (event) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  zone.classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) zone.classList.remove("over");
});
addEventListener("drop", (event) => {
  zone.classList.remove("over");
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  const items = Array.from(event.dataTransfer.items).filter((item) => item.kind === "file");
  const files = items.map((item) => ({ file: item.getAsFile(), isFolder: Boolean(item.webkitGetAsEntry?.()?.isDirectory) }));
  take(files.filter(({ file }) => file));
});
addEventListener("beforeunload", (event) => {
  if (running || queue.length) event.preventDefault();
});
