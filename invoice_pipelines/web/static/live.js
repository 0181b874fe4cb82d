// What changes while a page is open. Pages say by data attributes what they show of it:
//
//   data-live="/desk/acme/events"   once, in the layout: the stream of the organization.
//   data-live-standing="JSON"       beside it: counts and versions from just before the page was made, so that a change
//                                   before the first message is noticed as well.
//   data-live-job="ID"              the page watches this batch operation: `job.*` is about it.
//   data-live-row="ID"              inside, `job.*` is about this batch operation, as long as it is open. Once it is not,
//                                   the nearest data-live-refresh around it is shown anew.
//   data-live-text="PATH"           the text of the element. data-live-as="number" (else), "capped" (99+ for 100 or more),
//                                   "share" (a percentage of 100), "rate" or "lasting" (seconds, as 3 minutes).
//   data-live-value="PATH"          the value of a <progress>.
//   data-live-show="PATH"           seen only while the value is something: no nothing, no 0.
//   data-live-show="PATH=a,b"       seen only while the value is one of these.
//   data-live-refresh="PATHS"       with an id: when a value is another one than data-live-seen (without it: than the first
//                                   that is known), the element is taken anew from the page's own address: by each open
//                                   page at another moment, and at most every five seconds. Not while somebody is in one
//                                   of its fields.
//   data-live-offer="PATHS"         with hidden: is shown when a value is another one than at first, such as a link
//                                   that says that something changed. For lists in which people tick rows.
//
// Paths: counts.reviews and counts.jobs (100 stands for more as well); versions.NAME, another text whenever a list may have
// changed: jobs, invoice, received_invoice, document, message, quickbooks and so on, as the events of the API are named,
// sales_order and payment (live/watched.sql); jobs.ID.FIELD of open ones and job.FIELD, with the fields of work.job_progress (work/progress.sql); and stream, which
// is on, away (nothing comes for now) or ended (the reader may not look any more).
//
// A browser opens six connections to a server over HTTP/1.1, for all of its tabs: a page has one stream, and closes it while
// nobody sees the page.

const FEWEST_SECONDS = 5;
const language = document.documentElement.lang || "en";
const numbers = new Intl.NumberFormat(language);
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

const place = document.querySelector("[data-live]");
const known = { stream: "coming", ...JSON.parse(place?.dataset.liveStanding ?? "{}") };
const first = new WeakMap();
const refreshing = new WeakMap();
let source = null;
let tries = 0;
let coming = 0;

function value(path, scope) {
  let found = scope;
  for (const name of path.split(".")) found = found?.[name];
  return found;
}

function scopeOf(element) {
  const row = element.closest("[data-live-row]");
  return row ? { ...known, job: known.jobs?.[row.dataset.liveRow] } : known;
}

function lasting(seconds) {
  const [unit, length] = UNITS.find(([name, each]) => seconds >= 1.5 * each || name === "second");
  const count = Math.max(Math.round(seconds / length), 1);
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(count);
}

const WAYS = {
  number: (found) => numbers.format(found),
  capped: (found) => (found >= 100 ? "99+" : numbers.format(found)),
  share: (found) => new Intl.NumberFormat(language, { style: "percent" }).format(found / 100),
  rate: (found) => new Intl.NumberFormat(language, { maximumFractionDigits: found < 10 ? 1 : 0 }).format(found),
  lasting,
};

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function isSeen(condition, scope) {
  const [path, wanted] = condition.split("=");
  const found = value(path, scope);
  return wanted === undefined ? Boolean(found) : wanted.split(",").includes(String(found));
}

function show(root = document) {
  for (const element of root.querySelectorAll("[data-live-text]")) {
    const found = value(element.dataset.liveText, scopeOf(element));
    if (found !== undefined && found !== null) write(element, (WAYS[element.dataset.liveAs] ?? WAYS.number)(found));
  }
  for (const element of root.querySelectorAll("[data-live-value]")) {
    const found = value(element.dataset.liveValue, scopeOf(element));
    if (found !== undefined && element.value !== found) element.value = found;
  }
  for (const element of root.querySelectorAll("[data-live-show]")) {
    const [path] = element.dataset.liveShow.split("=");
    const scope = scopeOf(element);
    if (value(path.split(".")[0], scope) !== undefined) element.hidden = !isSeen(element.dataset.liveShow, scope);
  }
}

// What another reader's page has at the moment is not what this one has: each takes its part anew at its own moment.
function refreshSoon(element) {
  if (!element?.id || refreshing.has(element)) return;
  const pause = Math.max((element.refreshedAt ?? 0) + FEWEST_SECONDS * 1000 - Date.now(), 0);
  const turn = setTimeout(() => refresh(element), pause + Math.random() * FEWEST_SECONDS * 1000);
  refreshing.set(element, turn);
}

async function refresh(element) {
  refreshing.delete(element);
  if (!element.isConnected) return;
  if (document.hidden || element.contains(document.activeElement)) {
    element.refreshedAt = Date.now();
    refreshSoon(element);
    return;
  }
  let fresh = null;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.ok && !answer.redirected) {
      fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(element.id);
    }
  } catch {
    // the next change is another chance
  }
  element.refreshedAt = Date.now();
  if (!fresh || !element.isConnected) return; // somebody else may have shown it anew meanwhile
  fresh = document.importNode(fresh, true);
  fresh.refreshedAt = element.refreshedAt;
  if (first.has(element)) first.set(fresh, first.get(element));
  element.replaceWith(fresh);
  show(fresh.parentElement);
  document.dispatchEvent(new CustomEvent("live:refreshed", { detail: fresh }));
}

function notice() {
  for (const element of document.querySelectorAll("[data-live-refresh], [data-live-offer]")) {
    const paths = (element.dataset.liveRefresh ?? element.dataset.liveOffer).split(" ");
    const scope = scopeOf(element);
    if (paths.some((path) => scope[path.split(".")[0]] === undefined)) continue;
    const found = paths.map((path) => value(path, scope) ?? "").join(" ");
    const seen = first.get(element) ?? element.dataset.liveSeen;
    if (seen === undefined) first.set(element, found);
    else if (seen !== found) {
      if (element.dataset.liveOffer !== undefined) element.hidden = false;
      else {
        first.set(element, found);
        refreshSoon(element);
      }
    }
  }
  for (const row of document.querySelectorAll("[data-live-row]")) {
    if (known.jobs && Object.keys(known.jobs).length < 20 && !known.jobs[row.dataset.liveRow]) {
      refreshSoon(row.closest("[data-live-refresh]"));
    }
  }
}

function come() {
  clearTimeout(coming);
  if (document.hidden || source || known.stream === "ended") return;
  const job = document.querySelector("[data-live-job]")?.dataset.liveJob;
  source = new EventSource(place.dataset.live + (job ? `?job=${encodeURIComponent(job)}` : ""));
  const hear = (name, take) =>
    source.addEventListener(name, (event) => {
      tries = 0;
      take(JSON.parse(event.data));
      show();
      notice();
    });
  hear("standing", (standing) => {
    // A version that is not named any more is too far behind what is newest, not another one.
    Object.assign(known, standing, { stream: "on", versions: { ...known.versions, ...standing.versions } });
  });
  hear("job", (found) => { known.job = found; });
  hear("away", () => { known.stream = "away"; });
  hear("ended", () => { known.stream = "ended"; leave(); });
  source.addEventListener("error", () => {
    leave();
    known.stream = "away";
    show();
    tries += 1;
    coming = setTimeout(come, Math.min(1000 * 2 ** tries, 30000) * (0.5 + Math.random()));
  });
}

function leave() {
  clearTimeout(coming);
  source?.close();
  source = null;
}

if (place) {
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : come()));
  addEventListener("pagehide", leave);
  addEventListener("pageshow", come);
  document.addEventListener("htmx:after:swap", () => show());
  show();
  notice();
  come();
}
