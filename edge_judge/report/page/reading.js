// What pages of pairs share: tables of texts, answers to read, the words of a search, a few cards at a time.
const percent = (share) => share === null ? "–" : number(100 * share, 1);
const wordsOf = (input) => input.value.toLowerCase().split(/\s+/).filter(Boolean);
const answerBox = (label, content) =>
  tag("div", { class: "answer" }, tag("h4", {}, label), tag("p", { class: "text", tabindex: "0" }, content));

// The head and the body of a table; the first cell of a row names it. on: the place of the row in colour.
const grid = (headings, rows, on = null) => [
  tag("thead", {}, tag("tr", {}, ...headings.map((name) => tag("th", { scope: "col" }, name)))),
  tag("tbody", {}, ...rows.map((cells, place) => tag("tr", { class: place === on ? "on" : null },
    ...cells.map((cell, column) => column ? tag("td", {}, cell) : tag("th", { scope: "row" }, cell)))))];

// Cards of what was found, a step at a time: a list, how many there are, and a button for more.
function paged({ found, show, all }, step) {
  let shown = 0;
  const more = () => {
    byId("list").append(...found.slice(shown, shown + step).map(show));
    shown = Math.min(shown + step, found.length);
    byId("more").hidden = shown === found.length;
  };
  byId("list").replaceChildren();
  byId("count").textContent = `${number(found.length)} of ${number(all)} pairs`;
  byId("more").onclick = more;
  more();
}

// Acts once a reader has stopped typing.
function afterTyping(input, act) {
  let waiting;
  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(act, 120); });
}
