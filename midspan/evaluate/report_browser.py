"""Style and script of the page of results: the list of cases beside the case that is looked at."""

from midspan.page import REPORT

STYLE = (
    REPORT
    + """
#filters { display: flex; flex-wrap: wrap; gap: .4rem .9rem; align-items: center; padding: .5rem 0; position: sticky;
  top: 0; background: var(--paper); border-bottom: 1px solid var(--line); z-index: 1; }
select, input { font: inherit; color: inherit; background: var(--code); border: 1px solid var(--line);
  border-radius: 4px; padding: .1rem .3rem; max-width: 15rem; }
output { color: var(--dim); }
#browser { display: grid; grid-template-columns: minmax(15rem, 22rem) minmax(0, 1fr); gap: 1rem; margin-top: .6rem; }
#list { list-style: none; position: relative; margin: 0; padding: 0; height: 80vh; overflow-y: auto;
  border: 1px solid var(--line); border-radius: 8px; }
#list li { padding: .3rem .6rem; border-bottom: 1px solid var(--line); cursor: pointer; overflow-wrap: anywhere;
  font-size: .88rem; }
#list li[aria-selected="true"] { background: var(--code); box-shadow: inset 3px 0 var(--mark); }
#list small { display: block; color: var(--dim); }
#list .worse { color: var(--bad); } #list .better { color: var(--good); }
#case { min-width: 0; }
#case h3 { margin: .2rem 0; overflow-wrap: anywhere; }
.around { max-height: 16rem; overflow: auto; color: var(--dim); }
.around + .sides { border-top: 1px solid var(--line); }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: .6rem;
  margin: .6rem 0; }
.sides section { min-width: 0; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
.sides h4 { margin: 0; padding: .35rem .7rem; font-size: .92rem; overflow-wrap: anywhere; }
.sides p { padding: 0 .7rem; margin: 0 0 .3rem; font-size: .85rem; }
.sides pre { max-height: 24rem; overflow: auto; }
.truth h4 { color: var(--good); }
ins { text-decoration: none; background: var(--goodmark); } del { text-decoration: none; background: var(--badmark); }
details { margin: .4rem 0; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
summary { cursor: pointer; padding: .35rem .7rem; }
kbd { border: 1px solid var(--line); border-radius: 3px; padding: 0 .25rem; font-size: .85em; }
[hidden] { display: none; }
@media (max-width: 800px) { body { padding: .6rem; } #browser { grid-template-columns: minmax(0, 1fr); }
  #list { height: 14rem; } #filters { position: static; } }
"""
)

SCRIPT = """
"use strict";
const data = JSON.parse(document.getElementById("index").textContent);
const packed = [...document.querySelectorAll("script.chunk")], unpacked = new Map();
const form = document.getElementById("filters"), list = document.getElementById("list");
const detail = document.getElementById("case");
let shown = [], chosen = 0, drawn = 0;

function element(tag, text, cls) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (cls) made.className = cls;
  return made;
}
function choice(name, options) {
  const label = element("label", name + " "), select = element("select");
  select.name = name;
  for (const [value, text] of options) {
    const option = element("option", text);
    option.value = value;
    select.append(option);
  }
  label.append(select);
  form.append(label);
}
function values(field) {
  return [["", "all"], ...[...new Set(data.cases.map(each => each[field]))].sort().map(each => [each, each])];
}
function change(each, other) { return each.kk[other] - each.kk[0] || (each.chrf[other] - each.chrf[0]) / 1e6; }

choice("language", values("language"));
choice("kind", values("kind"));
const outcomes = [["", "all"]], orders = [["", "as drawn"]];
data.systems.forEach((name, number) => {
  outcomes.push(["right" + number, name + ": exact"], ["wrong" + number, name + ": not exact"],
    ["empty" + number, name + ": nothing"]);
  orders.push(["low" + number, name + ": worst first"]);
  if (number) {
    outcomes.push(["worse" + number, name + ": worse than " + data.systems[0]],
      ["better" + number, name + ": better than " + data.systems[0]]);
    orders.push(["change" + number, name + ": regressions first"]);
  }
});
choice("outcome", outcomes);
choice("order", orders);
const search = element("input");
search.type = "search"; search.name = "text"; search.placeholder = "search path, truth, suggestions";
const count = element("output");
form.append(search, count);
if (data.compared) form.elements.order.value = "change1";

const tests = {
  right: (each, n) => each.em[n] === 1, wrong: (each, n) => each.em[n] !== 1, empty: (each, n) => !each.said[n].trim(),
  worse: (each, n) => each.kk[n] < each.kk[0], better: (each, n) => each.kk[n] > each.kk[0],
};
function split(value) { const found = /^([a-z]+)(\\d+)$/.exec(value); return [found[1], Number(found[2])]; }

function filter() {
  const wanted = Object.fromEntries(new FormData(form)), text = wanted.text.toLowerCase();
  shown = data.cases.map((each, number) => number).filter(number => {
    const each = data.cases[number];
    if (wanted.language && each.language !== wanted.language || wanted.kind && each.kind !== wanted.kind) return false;
    if (wanted.outcome) {
      const [test, system] = split(wanted.outcome);
      if (!tests[test](each, system)) return false;
    }
    return !text || [each.place, each.truth, ...each.said].some(field => field.toLowerCase().includes(text));
  });
  if (wanted.order) {
    const [order, system] = split(wanted.order);
    const key = order === "low" ? number => data.cases[number].kk[system] + data.cases[number].chrf[system] / 1e6
      : number => change(data.cases[number], system);
    const keys = new Map(shown.map(number => [number, key(number)]));
    shown.sort((one, other) => keys.get(one) - keys.get(other) || one - other);
  }
  count.textContent = shown.length + " of " + data.cases.length + " cases";
  list.replaceChildren(...shown.map((number, place) => item(number, place)));
  chosen = 0;
  show();
}
function item(number, place) {
  const each = data.cases[number], made = element("li", each.place), about = element("small");
  about.append(each.language + ", " + each.kind.replaceAll("_", " ") + " · KK ");
  each.kk.forEach((value, n) => {
    const difference = n ? value - each.kk[0] : 0;
    const way = difference < 0 ? "worse" : difference > 0 ? "better" : "";
    about.append(n ? " / " : "", element("span", value.toFixed(2), way));
  });
  made.append(about);
  made.onclick = () => { chosen = place; show(); };
  return made;
}
async function unpack(chunk) {
  if (!unpacked.has(chunk)) {
    const bytes = Uint8Array.from(atob(packed[chunk].textContent), letter => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    unpacked.set(chunk, JSON.parse(await new Response(stream).text()));
  }
  return unpacked.get(chunk);
}
function side(title, text, about, cls, truth) {
  const section = element("section", undefined, cls), code = element("pre");
  section.append(element("h4", title));
  if (about) section.append(element("p", about));
  let same = 0;
  if (truth !== undefined) while (same < text.length && text[same] === truth[same]) same++;
  else same = text.length;
  code.append(element("ins", text.slice(0, same)), element("del", text.slice(same)));
  section.append(code);
  return section;
}
async function show() {
  [...list.children].forEach((each, place) => each.setAttribute("aria-selected", place === chosen));
  const turn = ++drawn;
  if (!shown.length) { detail.replaceChildren(); return; }
  const row = list.children[chosen], end = row.offsetTop + row.offsetHeight - list.clientHeight;
  list.scrollTop = Math.min(row.offsetTop, Math.max(end, list.scrollTop));
  const number = shown[chosen], each = data.cases[number];
  const more = (await unpack(Math.floor(number / data.chunk)))[number % data.chunk];
  if (turn !== drawn) return;
  const before = element("pre", more.before, "around"), after = element("pre", more.after, "around");
  const sides = element("div", undefined, "sides");
  sides.append(side("really was", each.truth, "", "truth"));
  each.said.forEach((text, n) => sides.append(
    side(data.systems[n], text, (text.trim() ? "" : "nothing" + (each.dropped[n] ? ": " + each.dropped[n] : "") + "; ")
      + more.figures[n], "", each.truth)));
  const prompts = more.prompts.map((text, n) => {
    const made = element("details"), code = element("pre");
    made.append(element("summary", "prompt of " + data.systems[n]), code);
    made.ontoggle = () => { if (made.open && !code.textContent) code.textContent = text; };
    made.hidden = !text;
    return made;
  });
  const keys = element("p");
  keys.append(element("kbd", "j"), " next, ", element("kbd", "k"), " before, ", element("kbd", "/"), " search");
  const kind = each.kind.replaceAll("_", " ");
  detail.replaceChildren(element("h3", each.place),
    element("p", `${each.language}, caret at ${kind}, ${more.licence}, case ${more.id}`),
    before, sides, after, ...prompts, keys);
  before.scrollTop = before.scrollHeight;
}
form.addEventListener("input", filter);
form.addEventListener("submit", event => event.preventDefault());
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select")) { if (event.key === "Escape") event.target.blur(); return; }
  const down = event.key === "j" || event.key === "ArrowDown" && document.activeElement === list;
  const up = event.key === "k" || event.key === "ArrowUp" && document.activeElement === list;
  if (event.key === "/") search.focus();
  else if (down) chosen = Math.min(shown.length - 1, chosen + 1);
  else if (up) chosen = Math.max(0, chosen - 1);
  else return;
  event.preventDefault();
  if (down || up) show();
});
filter();
"""
