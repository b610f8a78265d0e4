// The pairs of answers: which ones match, and each as a card.
const SEEN = 20; // cards at a time
const BOTH = ["ab", "ba"];
const KINDS = {
  all: "all", won: "won", lost: "lost", tie: "tie", upset: "the lower ranked won", split: "orders disagree", none: "no valid verdict",
  judges: "judges disagree", labelled: "labelled", differ: "person disagrees",
};

// What a judge's votes on a pair say of one of its systems; null without a vote. turned: whether it is the second.
function outcome(judge, pair, turned) {
  const said = BOTH.map((order) => judge[order]?.v[pair] ?? " ").filter((vote) => vote !== " ");
  if (!said.length) return null;
  if (said.includes("-")) return "none";
  if (said.some((vote) => vote !== said[0])) return "split";
  if (said[0] === "t" || said[0] === "=") return "tie";
  return (said[0] === "a") !== turned ? "won" : "lost";
}

// What a person said of a pair's system; null without a label.
function labelled(data, pair, turned) {
  const label = data.labels?.[pair] ?? " ";
  return label === " " ? null : label === "t" ? "tie" : (label === "a") !== turned ? "won" : "lost";
}

// In how many orders a judge was asked about a labelled pair, and in how many of them it says what the person says.
function agreement(data, judge, pair) {
  const said = BOTH.map((order) => judge[order]?.v[pair] ?? " ").filter((vote) => vote !== " " && vote !== "=");
  return { asked: said.length, alike: said.filter((vote) => vote === data.labels[pair]).length };
}

function agrees({ asked, alike }) {
  return alike === asked ? "they agree" : alike ? "they disagree in one order" : "they disagree";
}

// The systems of a pair, each seen as the one that is asked about, the one that stands higher first.
function views(data, pair, ranks) {
  const [, first, second] = data.met.slice(3 * pair, 3 * pair + 3);
  const both = [{ pair, one: first, other: second, turned: false }, { pair, one: second, other: first, turned: true }];
  return ranks[first] <= ranks[second] ? both : both.reverse();
}

function fits(data, { pair, one, other, turned }, { system, opponent, kind, judge, ranks }) {
  if ((system !== null && one !== system) || (opponent !== null && other !== opponent)) return false;
  const said = outcome(data.judges[judge], pair, turned);
  if (said === null) return false;
  if (kind === "labelled" || kind === "differ") {
    if (labelled(data, pair, turned) === null) return false;
    const { asked, alike } = agreement(data, data.judges[judge], pair);
    return kind === "labelled" || alike < asked;
  }
  if (kind === "upset") return said === (ranks[one] > ranks[other] ? "won" : "lost");
  if (kind !== "judges") return kind === "all" || said === kind;
  return data.judges.some((judge) => ![null, said].includes(outcome(judge, pair, turned)));
}

// Whether every word is in the question or in one of the two answers. A text is looked through once for all its pairs.
function wordsWithin(data, words) {
  const has = (text, word) => text !== null && text.toLowerCase().includes(word);
  const found = words.map((word) => data.tasks.map(([id, question, , answers]) =>
    has(id, word) || has(question, word) || answers.map((text) => has(text, word))));
  return (pair, one, other) => found.every((tasks) => {
    const here = tasks[data.met[3 * pair]];
    return here === true || here[one] || here[other];
  });
}

function voteCell(data, judge, { pair, one, other, turned }, order) {
  const first = order === "ab" ? one : other, side = judge[turned ? (order === "ab" ? "ba" : "ab") : order];
  const vote = side?.v[pair] ?? " ", label = `${data.systems[first]} shown first`;
  if (vote === " ") return tag("td", { "data-order": label }, "–");
  const [a, b] = turned ? [other, one] : [one, other];
  const said = { a: data.systems[a], b: data.systems[b], t: "tie", "=": "tie", "-": "no valid verdict" }[vote];
  const cell = tag("td", { "data-order": label }, tag("b", { class: "said" }, said));
  if (vote === "=") cell.append(tag("span", { class: "p" }, "equal answers, not asked"));
  const p = side.p?.slice(3 * pair, 3 * pair + 3) ?? [null];
  if (p[0] === null) return cell;
  const told = (turned ? [p[1], p[0]] : [p[0], p[1]]).map((share, place) => `${data.systems[[one, other][place]]} ${percent(share)}`);
  cell.append(tag("span", { class: "p" }, [...told, `tie ${percent(p[2])}`].join(" · ")));
  return cell;
}

function pairCard(data, view, names, chosen) {
  const [id, question, reference, answers] = data.tasks[data.met[3 * view.pair]];
  const [one, other] = [data.systems[view.one], data.systems[view.other]];
  const said = outcome(data.judges[chosen], view.pair, view.turned);
  const word = (outcome) => ({ won: `${one} won`, lost: `${other} won` })[outcome] ?? KINDS[outcome];
  const label = labelled(data, view.pair, view.turned);
  const told = label === null ? [tag("b", {}, word(said))] : [
    tag("span", {}, "judge: ", tag("b", {}, word(said))), tag("span", {}, "person: ", tag("b", {}, word(label)))];
  const match = label === null ? null : agreement(data, data.judges[chosen], view.pair);
  if (match?.asked) told.push(tag("span", { class: match.alike < match.asked ? "mark wrong" : "mark" }, agrees(match)));
  const rows = data.judges.map((judge, place) => tag("tr", { class: place === chosen && names.length > 1 ? "hit" : null },
    tag("th", { scope: "row" }, names[place]), voteCell(data, judge, view, "ab"), voteCell(data, judge, view, "ba")));
  return tag("article", { class: "pair" },
    tag("header", {}, tag("h3", {}, id), tag("p", { class: "human" }, ...told)),
    tag("p", { class: "text question", tabindex: "0" }, question),
    tag("div", { class: "answers" }, answerBox(one, answers[view.one]), answerBox(other, answers[view.other])),
    reference === null ? null : tag("details", {}, tag("summary", {}, "reference answer"), tag("p", { class: "text" }, reference)),
    tag("div", { class: "wide" }, tag("table", { class: "verdicts" },
      tag("thead", {}, tag("tr", {}, ...["judge", `${one} shown first`, `${other} shown first`].map((name) => tag("th", { scope: "col" }, name)))),
      tag("tbody", {}, ...rows))));
}

// What the filters name: {found: pairs, each as seen by one of its systems, show: (found) => card, all: how many}.
function selectPairs(data, asked) {
  const within = wordsWithin(data, asked.words), found = [], all = data.met.length / 3;
  for (let pair = 0; pair < all; pair++) {
    const view = views(data, pair, asked.ranks).find((one) => fits(data, one, asked));
    if (view && within(pair, view.one, view.other)) found.push(view);
  }
  return { found, show: (view) => pairCard(data, view, asked.names, asked.judge), all };
}
