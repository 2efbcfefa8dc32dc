"use strict";

const STORED = "larder-key";
const EVERY_MS = 5000;
const $ = (id) => document.getElementById(id);
let timer = 0;

class Refused extends Error {}

async function fetchJson(path) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(STORED)}` };
  const response = await fetch(path, { headers });
  const body = await response.json();
  if (!response.ok) throw new Refused(body.detail || response.statusText);
  return body;
}

function row(cells) {
  const line = document.createElement("tr");
  for (const cell of cells) line.insertCell().textContent = cell ?? "–";
  return line;
}

function pairs(facts) {
  return Object.entries(facts).flatMap(([name, value]) => {
    const term = document.createElement("dt");
    const told = document.createElement("dd");
    const both = document.createElement("div");
    term.textContent = name;
    told.textContent = value ?? "–";
    both.append(term, told);
    return both;
  });
}

const percent = (ratio) => (ratio === null ? "–" : `${(ratio * 100).toFixed(1)} %`);
const count = (number) => number.toLocaleString("en");
const size = (bytes) => (bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(0)} kB` : `${(bytes / 2 ** 20).toFixed(1)} MB`);
const list = (texts) => texts.map((text) => Object.assign(document.createElement("li"), { textContent: text }));

const REASONS = {
  absent: "first reads",
  expired: "TTL over",
  inconsistent: "audited",
  request: "asked for",
  schema: "other version",
  signature: "foreign bytes",
  stamp: "after writes",
};

function mostMisses({ misses, misses_by_reason: reasons }) {
  const [most] = Object.entries(reasons).sort(([, a], [, b]) => b - a);
  return most && misses ? `${REASONS[most[0]] || most[0]}, ${percent(most[1] / misses)}` : "–";
}

function windows({ windows: each }) {
  return [...["1m", "1h", "24h"].map((name) => percent(each[name].hit_ratio)), count(each["24h"].reads)];
}

function loadTime({ latency }) {
  const loader = latency.find(({ tier }) => tier === "loader");
  return loader && loader.p95_ms !== null ? `${loader.p95_ms} ms` : "–";
}

function held({ entries, entries_complete: isComplete }) {
  return isComplete ? count(entries) : `about ${count(entries)}`;
}

function share(part, whole) {
  return whole ? `${count(part)} of ${count(whole)}` : "–";
}

async function refresh() {
  const [stats, health, models, daily] = await Promise.all(
    ["/api/cache/stats", "/api/cache/health", "/api/models?limit=50", "/api/costs/daily"].map(fetchJson),
  );
  const { totals } = stats;
  $("cache").replaceChildren(
    ...pairs({
      Backend: health.backend,
      "Hit ratio, 1 h": percent(totals.windows["1h"].hit_ratio),
      "Hit ratio, 24 h": percent(totals.windows["24h"].hit_ratio),
      "Reads, 24 h": count(totals.windows["24h"].reads),
      "Shared loads": count(totals.coalesced_waits),
      Circuit: health.circuit,
      "Redis, ms": health.redis_latency_ms,
      Fallbacks: health.fallbacks,
      Inconsistencies: count(totals.inconsistencies),
    }),
  );
  $("warnings").replaceChildren(...list(health.warnings));
  $("advice").replaceChildren(...list(stats.advice));
  $("well").hidden = health.warnings.length + stats.advice.length + totals.inconsistencies > 0;
  $("namespaces").replaceChildren(
    ...stats.namespaces.map((each) =>
      row([each.namespace, ...windows(each), mostMisses(each), loadTime(each), held(each), size(each.redis_bytes || each.bytes)]),
    ),
  );
  $("resources").replaceChildren(
    ...stats.namespaces.flatMap(({ namespace, resources }) =>
      resources.map((each) =>
        row([
          `${namespace} ${each.resource}`,
          ...windows(each),
          mostMisses(each),
          share(each.reloads_unchanged, each.reloads_unchanged + each.reloads_changed),
          share(each.ended_unused, each.ended_unused + each.ended_used),
        ]),
      ),
    ),
  );
  $("models").replaceChildren(
    ...models.items.map((each) => row([each.id, each.status, (each.capabilities || []).join(", ")])),
  );
  $("costs").replaceChildren(
    ...daily.items.map((each) => row([each.day, each.calls, each.input_tokens, each.output_tokens, each.cost_usd])),
  );
}

async function show() {
  clearTimeout(timer);
  try {
    await refresh();
    $("fault").hidden = true;
    $("sign-in").hidden = true;
    $("figures").hidden = false;
    timer = setTimeout(show, EVERY_MS);
  } catch (fault) {
    $("fault").textContent = fault.message;
    $("fault").hidden = false;
    if (fault instanceof Refused) forget();
    else timer = setTimeout(show, EVERY_MS);
  }
}

function forget() {
  clearTimeout(timer);
  sessionStorage.removeItem(STORED);
  $("figures").hidden = true;
  $("sign-in").hidden = false;
}

$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(STORED, $("key").value.trim());
  $("key").value = "";
  show();
});
$("sign-out").addEventListener("click", forget);
if (sessionStorage.getItem(STORED)) show();
