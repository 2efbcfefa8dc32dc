"use strict";

const VERBS = ["get", "post", "put", "patch", "delete"];
const $ = (id) => document.getElementById(id);

function make(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text ?? "";
  if (className) made.className = className;
  return made;
}

function example(schema, all, depth = 0) {
  if (!schema || depth > 6) return null;
  if (schema.$ref) return example(all[schema.$ref.split("/").pop()], all, depth + 1);
  const kind = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (schema.enum) return schema.enum.join(" | ");
  if (kind === "array") return [example(schema.items, all, depth + 1)];
  if (kind === "object" || schema.properties) {
    const named = Object.entries(schema.properties || {});
    return Object.fromEntries(named.map(([name, inner]) => [name, example(inner, all, depth + 1)]));
  }
  return [kind || "any", schema.format, schema.description].filter(Boolean).join(", ");
}

function shape(title, content, all) {
  const [media, held] = Object.entries(content || {})[0] || [];
  if (!held) return [];
  const shown = held.schema ? JSON.stringify(example(held.schema, all), null, 2) : media;
  return [make("h4", `${title}: ${media}`), make("pre", shown)];
}

function operation(path, verb, told, all, refusals) {
  const box = document.createElement("details");
  const head = document.createElement("summary");
  head.append(make("span", verb.toUpperCase(), "verb"), make("code", path), ` ${told.summary || ""}`);
  head.append(make("span", told["x-permission"] || "public", "permission"));
  box.append(head, make("p", told.description));
  const asked = (told.parameters || []).map((each) => {
    const kind = [each.schema?.type].flat().filter(Boolean).join(" or ");
    return `${each.name} (${each.in}${each.required ? ", required" : ""}): ${kind} ${each.description || ""}`;
  });
  if (asked.length) box.append(make("h4", "Parameters"), make("pre", asked.join("\n")));
  box.append(...shape("Body", told.requestBody?.content, all));
  for (const [status, own] of Object.entries(told.responses)) {
    const answer = own.$ref ? { ...refusals[own.$ref.split("/").pop()], ...own } : own;
    box.append(...shape(`${status} ${answer.description || ""}`, answer.content, all));
  }
  box.dataset.words = `${verb} ${path} ${told.summary || ""} ${told["x-permission"] || ""}`.toLowerCase();
  return box;
}

async function show() {
  const document_ = await (await fetch("/api/openapi.json")).json();
  const { schemas: all, responses: refusals } = document_.components;
  $("about").textContent = document_.info.description;
  const made = Object.entries(document_.paths).flatMap(([path, verbs]) =>
    VERBS.filter((verb) => verbs[verb]).map((verb) => operation(path, verb, verbs[verb], all, refusals)),
  );
  $("operations").replaceChildren(...made);
}

$("filter").addEventListener("input", () => {
  const words = $("filter").value.toLowerCase();
  for (const each of $("operations").children) each.hidden = !each.dataset.words.includes(words);
});
show().catch((fault) => {
  $("fault").textContent = fault.message;
  $("fault").hidden = false;
});
