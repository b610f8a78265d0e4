// The page: what is chosen, and every section drawn from it. No figure is computed here.
const page = JSON.parse(byId("figures").textContent);
const settingName = ({ model, grammar }) => `${model} · ${grammar}`;

const state = { setting: 0, run: 0 };
const runsShown = () => page.settings[state.setting].runs;
const benchmarks = [...new Set(page.settings.map((one) => one.benchmark))];

function choose(setting) {
  state.setting = setting;
  const runs = runsShown();
  // the smallest that lost less than the margin; where none is known, the largest
  state.run = [...runs].reverse().find((place) => page.runs[place].within) ?? runs[0];
  schemes();
  draw();
}

function highlight(run) {
  state.run = run;
  for (const radio of byId("schemes").querySelectorAll("input")) radio.checked = Number(radio.value) === run;
  draw();
}

function settings() {
  const groups = benchmarks.map((name) => tag("optgroup", { label: name }, ...page.settings.flatMap((one, place) =>
    one.benchmark === name ? [tag("option", { value: place }, `${settingName(one)} (${one.runs.length})`)] : [])));
  byId("setting").append(...groups);
  byId("setting").addEventListener("change", (event) => { choose(Number(event.target.value)); offer(); });
  byId("setting").value = document.querySelector(".drawing:not([hidden])").dataset.setting; // as it is drawn
}

function schemes() {
  byId("schemes").replaceChildren(...runsShown().map((place) => {
    const radio = tag("input", { type: "radio", name: "scheme", value: place });
    radio.checked = place === state.run;
    radio.addEventListener("change", () => highlight(place));
    return tag("label", {}, radio, tag("span", {}, page.runs[place].scheme));
  }));
}

// The coloured run last, so that it lies on top.
const layered = () => [...runsShown()].sort((a, b) => (a === state.run) - (b === state.run)).map((place) => ({ ...page.runs[place], place }));
const mark = (run) => run.place === state.run ? "on" : "off";
const runMark = (run, element) => {
  element.addEventListener("click", () => highlight(run.place));
  element.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); highlight(run.place); }
  });
  return telling(fill(element, { "data-run": run.place }, []), run.scheme, run.told);
};

// The drawings of accuracy are there already: their marks are made to tell and to choose.
function readDrawings() {
  for (const element of document.querySelectorAll(".drawing .point")) {
    element.querySelector("title").remove(); // the tip tells more
    const place = Number(element.dataset.run);
    runMark({ ...page.runs[place], place }, fill(element, { role: "button" }, []));
  }
}

function accuracy() {
  for (const drawing of document.querySelectorAll(".drawing")) {
    drawing.hidden = Number(drawing.dataset.setting) !== state.setting;
    for (const part of drawing.querySelectorAll("[data-run]")) part.classList.toggle("on", Number(part.dataset.run) === state.run);
    for (const svg of drawing.hidden ? [] : drawing.querySelectorAll("svg")) raise(svg);
  }
}

// The coloured mark last, so that it lies on top. It stays in its place, and keeps the focus: the others go before it.
function raise(svg) {
  const marks = runsShown().map((place) => svg.querySelector(`.point[data-run="${place}"]`)).filter((mark) => mark !== null);
  svg.querySelector(".point.on")?.before(...marks.filter((mark) => !mark.classList.contains("on")));
}

function calibration() {
  chart("calibration", (host) => {
    const runs = layered().filter((run) => run.bins.length);
    if (!runs.length) return nothing(host, "no labelled verdict here has probabilities");
    const least = Math.min(...runs.flatMap((run) => run.bins.map((bin) => Math.min(bin[0], bin[1][1] ?? bin[1][0]))));
    const both = { low: Math.max(0, Math.floor(least / 10) * 10), high: 100 };
    const at = frame(host, { x: { ...both, high: 101 }, y: { ...both, high: 101 }, xLabel: "probability of its verdict, %", yLabel: "right, %", label: "Share of right verdicts at each confidence" });
    at.svg.append(shape("line", { class: "rule", x1: at.x(both.low), y1: at.y(both.low), x2: at.x(100), y2: at.y(100) }));
    for (const run of runs) {
      at.svg.append(shape("path", { class: `line ${mark(run)}`, d: path(run.bins.map(([sure, right]) => [at.x(sure), at.y(right[0])])) }));
      if (run.place !== state.run) continue;
      for (const [sure, [value, low, high], text] of run.bins) {
        const x = at.x(sure);
        at.svg.append(telling(shape("g", { class: "point on" }, shape("line", { x1: x, x2: x, y1: at.y(low), y2: at.y(high) }),
          shape("circle", { class: "reach", cx: x, cy: at.y(value), r: 14 }), shape("circle", { cx: x, cy: at.y(value), r: 4.5 })), run.scheme, [["", text]]));
      }
    }
  });
}

function risk() {
  chart("risk", (host) => {
    const runs = layered().filter((run) => run.risk);
    if (!runs.length) return nothing(host, "no labelled verdict here has probabilities");
    const most = Math.max(...runs.flatMap((run) => [...run.risk.line.map(([, wrong]) => wrong), ...run.risk.points.map(([, wrong]) => wrong[2] ?? 0)]), 0.1);
    const at = frame(host, { x: { low: 0, high: 101 }, y: { low: 0, high: most * 1.1 }, xLabel: "answered, the surest first, %", yLabel: "wrong among them, %", label: "Share of wrong answers at each coverage" });
    for (const run of runs) {
      at.svg.append(shape("path", { class: `line ${mark(run)}`, d: path(run.risk.line.map(([share, wrong]) => [at.x(share), at.y(wrong)])) }));
      if (run.place !== state.run) continue;
      for (const [share, [wrong, low, high], told] of run.risk.points)
        at.svg.append(telling(shape("g", { class: "point on" },
          low === null ? null : shape("line", { x1: at.x(share), x2: at.x(share), y1: at.y(low), y2: at.y(high) }),
          shape("circle", { class: "reach", cx: at.x(share), cy: at.y(wrong), r: 14 }),
          shape("circle", { cx: at.x(share), cy: at.y(wrong), r: 4.5 })), run.scheme, told));
    }
  });
}

function bias() {
  chart("bias", (host) => {
    const runs = runsShown().map((place) => ({ ...page.runs[place], place })).filter((run) => run.bias);
    if (!runs.length) return nothing(host, "no pair here was judged in both orders");
    const reach = Math.max(...runs.flatMap((run) => run.bias).map((end) => Math.abs(end ?? 0)), 1) * 1.1;
    const left = 14 + 7.5 * Math.max(...runs.map((run) => run.scheme.length));
    const at = frame(host, { x: { low: -reach, high: reach }, y: { low: runs.length, high: 0, names: true }, left, height: 72 + 30 * runs.length, xLabel: "← the second · the first →, %", yLabel: "", label: "Position bias of each run" });
    at.svg.append(shape("line", { class: "rule", x1: at.x(0), x2: at.x(0), y1: at.box.top, y2: at.box.bottom }));
    runs.forEach((run, place) => {
      const [value, low, high] = run.bias, y = at.box.top + ((place + 0.5) * (at.box.bottom - at.box.top)) / runs.length;
      at.svg.append(
        shape("text", { class: `name ${mark(run)}`, x: 0, y: y + 4 }, run.scheme),
        runMark(run, shape("g", { class: `point ${mark(run)}`, role: "button" },
          low === null ? null : shape("line", { x1: at.x(low), x2: at.x(high), y1: y, y2: y }),
          shape("circle", { class: "reach", cx: at.x(value), cy: y, r: 14 }), shape("circle", { cx: at.x(value), cy: y, r: 5 }))));
    });
  });
}

function table(id, cells) {
  const places = runsShown();
  byId(id).replaceChildren(...grid(page.headings[cells], places.map((place) => page.runs[place][cells]), places.indexOf(state.run)));
}

function slices() {
  const run = page.runs[state.run];
  byId("slices").hidden = !run.slices.length;
  byId("sliced").textContent = run.scheme;
  byId("slice-tables").replaceChildren(...run.slices.flatMap(({ headings, rows, about }) => [
    tag("div", { class: "wide", tabindex: 0, role: "region", "aria-label": `${run.scheme} ${headings[0]}` }, tag("table", {}, ...grid(headings, rows))),
    ...about.map((line) => tag("p", { class: "notes" }, line))]));
}

function judges() {
  const { benchmarks, rows, notes } = page.judges;
  byId("judges").append(
    tag("thead", {}, tag("tr", {}, ...["judge", ...benchmarks].map((name) => tag("th", { scope: "col" }, name)))),
    tag("tbody", {}, ...rows.map((row) => tag("tr", { class: row.published ? "published" : "ours" },
      tag("th", { scope: "row" }, row.judge, tag("small", {}, row.of)),
      ...row.cells.map(([first, ...rest]) => tag("td", {}, first, ...rest.map((line) => tag("small", {}, line))))))));
  byId("judges-notes").append(...notes.map((line) => tag("li", {}, line)));
}

// The claim large, and what it rests on below it.
function say(sentence) {
  const end = sentence.indexOf(": ") + 1;
  byId("sentence").replaceChildren(end ? sentence.slice(0, end) : sentence, tag("span", {}, end ? sentence.slice(end) : ""));
}

function draw() {
  hideTip();
  const shown = page.settings[state.setting];
  const agreement = shown.agreement === "–" ? "" : ` A vote agrees with the majority of the others in ${shown.agreement} %.`;
  const most = shown.attainable === "–" ? "" : ` The best possible judge agrees with ${shown.attainable} % of the votes.`;
  say(shown.sentences[0] ?? page.headline);
  byId("beside").textContent = shown.sentences[1] ?? "";
  byId("about").textContent = `${settingName(shown)} on ${shown.benchmark}, ${shown.pairs}.${agreement}${most}`;
  accuracy();
  table("flips", "ladder");
  slices();
  calibration();
  risk();
  bias();
  table("behaviour", "behaviour");
}

// The pairs are read after the figures are there to see.
let data = null;
const filter = (name) => byId(`f-${name}`);

function offer() {
  filter("set").value = data.runs[runsShown()[0]].set;
  offerSettings(state.setting);
}

function offerSettings(chosen) {
  const set = Number(filter("set").value);
  const here = page.settings.map((one, place) => [one, place]).filter(([one]) => data.runs[one.runs[0]].set === set);
  filter("setting").replaceChildren(
    ...here.map(([one, place]) => tag("option", { value: place }, settingName(one))),
    ...(here.length > 1 ? [tag("option", { value: "all" }, "all of them")] : []));
  filter("setting").value = here.some(([, place]) => place === chosen) ? chosen : here[0][1];
  offerSchemes();
}

function filtered() {
  const set = Number(filter("set").value);
  return page.settings.flatMap((one, place) =>
    data.runs[one.runs[0]].set === set && [String(place), "all"].includes(filter("setting").value) ? one.runs : []);
}

function offerSchemes() {
  const names = [...new Set(filtered().map((place) => page.runs[place].scheme))];
  const before = filter("scheme").value;
  filter("scheme").replaceChildren(tag("option", { value: "" }, "any"), ...names.map((name) => tag("option", {}, name)));
  filter("scheme").value = names.includes(before) ? before : "";
  list();
}

function list() {
  const many = filter("setting").value === "all";
  paged(select(page, data, {
    set: Number(filter("set").value), runs: filtered(), scheme: filter("scheme").value, kind: filter("kind").value,
    mass: filter("mass").value ? Number(filter("mass").value) : null,
    words: wordsOf(filter("text")),
    name: (run) => many ? `${settingName(run)} · ${run.scheme}` : run.scheme,
  }), STEP);
}

function readPairs() {
  data = unpack(JSON.parse(byId("pairs-data").textContent));
  filter("set").append(...data.sets.map((set, place) => tag("option", { value: place }, set.name)));
  filter("set").addEventListener("change", () => offerSettings(null));
  filter("setting").addEventListener("change", offerSchemes);
  for (const name of ["scheme", "kind", "mass"]) filter(name).addEventListener("change", list);
  afterTyping(filter("text"), list);
  offer();
  document.documentElement.dataset.ready = "yes";
}

byId("remarks").append(...page.remarks.map((line) => tag("li", {}, line)));
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
addEventListener("scroll", followTip, { passive: true });
readDrawings();
settings();
choose(Number(byId("setting").value));
judges();
setTimeout(readPairs);
