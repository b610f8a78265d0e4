// The page of a ranking: the judge that is chosen, and every section drawn from it. No figure is computed here.
const page = JSON.parse(byId("figures").textContent);
const data = JSON.parse(byId("pairs-data").textContent);
let chosen = 0; // the place of the judge
const shown = () => page.rankings[chosen];
const filter = (name) => byId(`f-${name}`);

function lines(id, texts) {
  byId(id).replaceChildren(...texts.map((line) => tag("li", {}, line)));
}

// The first and the last of many lines, which says how the others are to be read; the others on demand.
const MANY = 7;
function answer(texts) {
  lines("answer", texts);
  if (texts.length <= MANY) return;
  const rest = [...byId("answer").children].slice(MANY - 2, -1);
  const held = tag("li", {}, tag("details", {}, tag("summary", {}, `${rest.length} more`), tag("ul", { class: "facts" })));
  rest[0].before(held);
  held.querySelector("ul").append(...rest);
}

function judges() {
  byId("judges").hidden = page.rankings.length < 2;
  byId("ranking").append(...page.rankings.map((one, place) => tag("option", { value: place }, one.judge)));
  byId("ranking").addEventListener("change", (event) => { chosen = Number(event.target.value); draw(); });
  byId("other-judges").hidden = !page.compared.length;
  byId("compared").append(...page.compared.flatMap(({ sentence, shifts, judge }) => [
    tag("p", {}, sentence),
    tag("div", { class: "wide", tabindex: 0, role: "region", "aria-label": `Shifts by ${judge}` }, tag("table", {}, ...grid(shifts.headings, shifts.rows)))]));
}

// The drawings are there already: their marks are made to tell, and to lead to the pairs.
function readDrawings() {
  for (const drawing of document.querySelectorAll(".drawing"))
    for (const mark of drawing.querySelectorAll(".point")) {
      const { systems, told } = page.rankings[drawing.dataset.ranking], place = Number(mark.dataset.run);
      const title = mark.querySelector("title");
      title.remove(); // the tip tells more
      const corrected = drawing.closest("#corrected-part") !== null;
      telling(fill(mark, { role: data ? "button" : "img" }, []), systems[place], corrected ? [["corrected", title.textContent.slice(systems[place].length + 2)]] : told[place]);
      if (data) leads(mark, () => lookAt(systems[place], ""));
    }
}

function leads(mark, act) {
  mark.addEventListener("click", act);
  mark.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); act(); }
  });
}

function rateCell(cell, row, column) {
  if (row === column) return tag("span", { class: "self" }, "·");
  if (cell === null) return tag("span", { class: "self" }, "–");
  const side = cell.share === null ? "" : cell.share >= 50 ? "ahead" : "behind";
  const mark = tag("button", { type: "button", role: "button", class: `rate ${side} ${cell.decided ? "decided" : ""} ${data ? "" : "alone"}` }, cell.text);
  mark.style.setProperty("--strength", Math.abs((cell.share ?? 50) - 50) / 50);
  telling(mark, `${row} over ${column}`, cell.told);
  if (data) mark.addEventListener("click", () => lookAt(row, column));
  mark.setAttribute("tabindex", "-1"); // one stop for all cells: arrows lead on
  return mark;
}

function matrix() {
  const { matrix: cells, systems } = shown();
  byId("matrix-part").hidden = !cells;
  if (!cells) return;
  const numbers = systems.map((_, place) => String(place + 1));
  const rows = systems.map((name, row) =>
    [`${row + 1} ${name}`, ...cells[row].map((cell, column) => rateCell(cell, name, systems[column]))]);
  byId("matrix").replaceChildren(...grid(["", ...numbers], rows));
  byId("matrix").querySelectorAll("thead th").forEach((head, column) => { if (column) head.title = systems[column - 1]; });
  byId("matrix").querySelector(".rate")?.setAttribute("tabindex", "0");
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
function walk(event) {
  const step = STEPS[event.key], cell = event.target.closest("td");
  if (!step || !cell) return;
  event.preventDefault();
  const rows = [...byId("matrix").tBodies[0].rows];
  let row = rows.indexOf(cell.parentNode) + step[0], column = cell.cellIndex + step[1];
  let next = rows[row]?.cells[column];
  while (next && !next.querySelector(".rate")) next = rows[row += step[0]]?.cells[column += step[1]];
  if (!next || next.tagName !== "TD") return;
  event.target.setAttribute("tabindex", "-1");
  const mark = next.querySelector(".rate");
  mark.setAttribute("tabindex", "0");
  mark.focus();
}

function draw() {
  hideTip();
  const { headline, about, leaderboard, corrected, labels, notes, reading } = shown();
  byId("sentence").textContent = headline;
  byId("about").textContent = about;
  answer(shown().answer);
  for (const drawing of document.querySelectorAll(".drawing")) drawing.hidden = Number(drawing.dataset.ranking) !== chosen;
  byId("letters").hidden = !leaderboard.headings.includes("group");
  byId("leaderboard").replaceChildren(...grid(leaderboard.headings, leaderboard.rows));
  lines("reading", reading);
  matrix();
  byId("corrected-part").hidden = corrected === null;
  if (corrected !== null) byId("corrected").replaceChildren(...grid(corrected.headings, corrected.rows));
  lines("labels", labels);
  byId("votes-part").hidden = !notes.length;
  lines("votes", notes);
  if (data) offerSystems();
}

// The pairs.
const named = (name) => filter(name).value === "" ? null : data.systems.indexOf(filter(name).value);

function options(select, values, any) {
  const before = select.value;
  select.replaceChildren(tag("option", { value: "" }, any), ...values.map((value) => tag("option", { value }, value)));
  select.value = values.includes(before) ? before : "";
}

function offerSystems() {
  options(filter("system"), shown().systems, "any");
  offerOpponents();
}

function offerOpponents() {
  options(filter("opponent"), shown().systems.filter((name) => name !== filter("system").value), "any");
  offerKinds();
}

// Without a system each pair that was won was lost too.
function offerKinds() {
  const anyone = filter("system").value === "" && filter("opponent").value === "", before = filter("kind").value;
  const without = { lost: anyone, judges: page.rankings.length < 2, labelled: !data.labels, differ: !data.labels };
  const kinds = Object.keys(KINDS).filter((kind) => !without[kind]);
  filter("kind").replaceChildren(...kinds.map((kind) => tag("option", { value: kind }, kind === "won" && anyone ? "one won" : KINDS[kind])));
  filter("kind").value = kinds.includes(before) ? before : "all";
  list();
}

function list() {
  const { systems } = shown();
  paged(selectPairs(data, {
    judge: chosen, system: named("system"), opponent: named("opponent"), kind: filter("kind").value,
    words: wordsOf(filter("text")), names: page.rankings.map((one) => one.short),
    ranks: data.systems.map((name) => systems.indexOf(name)),
  }), SEEN);
}

function lookAt(system, opponent, kind = "all") {
  hideTip();
  filter("system").value = system;
  filter("opponent").value = "";
  options(filter("opponent"), shown().systems.filter((name) => name !== system), "any");
  filter("opponent").value = opponent;
  filter("kind").value = kind;
  offerKinds();
  byId("pairs").focus({ preventScroll: true });
  byId("pairs").scrollIntoView();
}

function readPairs() {
  byId("textless").hidden = data !== null;
  for (const id of ["filters", "count", "to-pairs"]) byId(id).hidden = data === null;
  if (data === null) return;
  filter("system").addEventListener("change", offerOpponents);
  filter("opponent").addEventListener("change", offerKinds);
  filter("kind").addEventListener("change", list);
  byId("to-labelled").hidden = !data.labels;
  for (const button of byId("to-labelled").children) button.addEventListener("click", () => lookAt("", "", button.dataset.kind));
  afterTyping(filter("text"), list);
}

document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
addEventListener("scroll", followTip, { passive: true });
byId("matrix").addEventListener("keydown", walk);
readDrawings();
judges();
readPairs();
draw();
document.documentElement.dataset.ready = "yes";
