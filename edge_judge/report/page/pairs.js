// The pairs: which ones match, and a few of them at a time as elements.
const KINDS = ["wrong", "flipped", "cut"];
const NAMES = { a: "A", b: "B", t: "tie", "-": "no valid verdict" };
const ORDERS = { ab: "A shown first", ba: "B shown first" };
const STEP = 10;

// Places become quick look-ups, once.
function unpack(data) {
  for (const run of data.runs)
    for (const order of Object.keys(ORDERS))
      if (run[order]) for (const kind of KINDS) run[order][kind] = new Set(run[order][kind]);
  return data;
}

const judged = (side, pair) => Boolean(side) && side.v[pair] !== " ";

function matches(run, pair, { kind, mass }) {
  const sides = [run.ab, run.ba].filter((side) => judged(side, pair));
  if (kind === "split") {
    if (sides.length < 2 || (sides[0].v[pair] === sides[1].v[pair] && sides[0].v[pair] !== "-")) return false;
    return mass === null || sides.some((side) => below(side, pair, mass));
  }
  return sides.some((side) => {
    if (mass !== null && !below(side, pair, mass)) return false;
    if (kind === "none") return side.v[pair] === "-";
    return kind === "all" || side[kind].has(pair);
  });
}

const below = (side, pair, mass) => side.mass !== null && side.mass[pair] !== null && side.mass[pair] < mass;

function search(set, words) {
  set.low ??= set.pairs.map((pair) => [pair[0], pair[1], pair[2], pair[3]].join("\n").toLowerCase());
  return (pair) => words.every((word) => set.low[pair].includes(word));
}

function verdictCell(run, order, pair, name) {
  const side = run[order];
  if (!judged(side, pair)) return tag("td", { "data-order": ORDERS[order] }, "–");
  const marks = KINDS.filter((kind) => side[kind].has(pair));
  const cell = tag("td", { "data-order": ORDERS[order] }, tag("b", { class: marks.includes("wrong") ? "said wrong" : "said" }, NAMES[side.v[pair]]));
  for (const mark of marks) cell.append(tag("span", { class: `mark ${mark}` }, mark === "cut" ? "shortened" : mark));
  const p = side.p?.slice(3 * pair, 3 * pair + 3) ?? [null, null, null];
  const told = ["A", "B", "tie"].map((label, place) => `${label} ${percent(p[place])}`);
  told.push(`mass ${percent(side.mass?.[pair] ?? null)}`);
  cell.append(tag("span", { class: "p" }, told.join(" · ")));
  const text = side.text[pair];
  if (text) cell.append(tag("details", {}, tag("summary", { "aria-label": `What ${name} wrote, ${ORDERS[order]}` }, "what it wrote"), tag("p", { class: "text" }, text)));
  return cell;
}

function card(pair, place, runs) {
  const [id, question, a, b, human, reference] = pair;
  const rows = runs.map(({ name, run, hit }) =>
    tag("tr", { class: hit ? "hit" : null }, tag("th", { scope: "row" }, name), verdictCell(run, "ab", place, name), verdictCell(run, "ba", place, name)));
  return tag("article", { class: "pair" },
    tag("header", {}, tag("h3", {}, id), tag("p", { class: "human" }, "human label ", tag("b", {}, human))),
    tag("p", { class: "text question", tabindex: "0" }, question),
    tag("div", { class: "answers" }, answerBox("A", a), answerBox("B", b)),
    reference === null ? null : tag("details", {}, tag("summary", {}, "reference answer"), tag("p", { class: "text" }, reference)),
    tag("div", { class: "wide" }, tag("table", { class: "verdicts" },
      tag("thead", {}, tag("tr", {}, tag("th", { scope: "col" }, "run"), ...Object.values(ORDERS).map((order) => tag("th", { scope: "col" }, order)))),
      tag("tbody", {}, ...rows))));
}

// What the filters name: {found: places of pairs, show: (place) => card}.
function select(page, data, asked) {
  const set = data.sets[asked.set];
  const runs = asked.runs.map((place) => ({ run: data.runs[place], name: asked.name(page.runs[place]), place }));
  const chosen = runs.filter(({ place }) => asked.scheme === "" || page.runs[place].scheme === asked.scheme);
  const within = search(set, asked.words);
  const found = [];
  for (let pair = 0; pair < set.pairs.length; pair++)
    if (chosen.some(({ run }) => matches(run, pair, asked)) && (!asked.words.length || within(pair))) found.push(pair);
  const plain = asked.kind === "all" && asked.mass === null;
  const show = (pair) => card(set.pairs[pair], pair, runs.map((one) => ({ ...one, hit: !plain && chosen.includes(one) && matches(one.run, pair, asked) })));
  return { found, show, all: set.pairs.length };
}
