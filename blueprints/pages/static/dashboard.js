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

async function refresh() {
  const [stats, health, models, daily] = await Promise.all(
    ["/api/cache/stats", "/api/cache/health", "/api/models?limit=50", "/api/costs/daily"].map(fetchJson),
  );
  const { totals } = stats;
  $("cache").replaceChildren(
    ...pairs({
      Backend: health.backend,
      Circuit: health.circuit,
      "Redis, ms": health.redis_latency_ms,
      Reads: totals.reads,
      "Hit ratio": percent(totals.hit_ratio),
      "Shared loads": totals.coalesced_waits,
      Fallbacks: health.fallbacks,
      Inconsistencies: totals.inconsistencies,
    }),
  );
  $("warnings").replaceChildren(
    ...health.warnings.map((text) => Object.assign(document.createElement("li"), { textContent: text })),
  );
  $("namespaces").replaceChildren(
    ...stats.namespaces.map((each) =>
      row([each.namespace, each.reads, each.hits, each.misses, percent(each.hit_ratio), each.fills, each.invalidations]),
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
