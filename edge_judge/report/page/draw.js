// Elements, tips and charts. Whatever is shown goes in as a text node, never as markup.
const SVG = "http://www.w3.org/2000/svg";
const fill = (node, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
};
const tag = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
const shape = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
const byId = (id) => document.getElementById(id);

const tip = byId("tip");
const hideTip = () => { tip.hidden = true; };

// A mark that tells all it stands for when it is pointed at, tapped or reached with the keyboard.
function telling(mark, title, lines) {
  const show = () => {
    if (!mark.isConnected) return; // drawn anew by the click that is being told
    const rows = lines.flatMap(([name, text]) => [tag("dt", {}, name), tag("dd", {}, text)]);
    tip.replaceChildren(tag("strong", {}, title), tag("dl", {}, ...rows));
    tip.hidden = false;
    const at = mark.getBoundingClientRect();
    const { offsetWidth: wide, offsetHeight: high } = tip;
    const within = (place, length, room) => Math.max(8, Math.min(place, room - length - 8));
    let left = at.right + 12, top = at.top + at.height / 2 - high / 2; // aside, where there is room for it
    if (left + wide > innerWidth - 8) left = at.left - 12 - wide;
    if (left < 8) {
      left = at.left + at.width / 2 - wide / 2;
      top = at.top - high - 10 < 8 ? at.bottom + 10 : at.top - high - 10;
    }
    tip.style.left = `${within(left, wide, innerWidth)}px`;
    tip.style.top = `${within(top, high, innerHeight)}px`;
  };
  fill(mark, { tabindex: "0", "aria-label": [title, ...lines.map((line) => line.join(" "))].join(", ") }, []);
  if (!mark.hasAttribute("role")) mark.setAttribute("role", "img");
  for (const event of ["pointerenter", "focus", "click"]) mark.addEventListener(event, show);
  for (const event of ["pointerleave", "blur"]) mark.addEventListener(event, hideTip);
  return mark;
}

function scale(axis, from, to) {
  const place = axis.log ? Math.log10 : (value) => value;
  const low = place(axis.low), span = place(axis.high) - low || 1;
  return (value) => from + ((place(value) - low) / span) * (to - from);
}

function ticks({ low, high, log }, room) {
  if (log) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const digit of high / low < 15 ? [1, 2, 3, 4, 6, 8] : [1, 2, 5]) found.push(digit * 10 ** power);
    const inside = found.filter((value) => value >= low && value <= high);
    if (inside.length > 1) return inside.filter((_, place) => place % Math.ceil(inside.length / room) === 0);
  }
  const rough = (high - low) / room, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((size) => size >= 0.8 * rough);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, place) => (first + place) * step);
}

// The range of some values with room around them.
function range(values, { least = -Infinity, most = Infinity, log = false, room = 0.08 } = {}) {
  const low = Math.min(...values), high = Math.max(...values);
  if (log) return { log, low: low / (high / low || 1) ** room / 1.12, high: high * (high / low || 1) ** room * 1.12 };
  const around = (high - low || Math.abs(high) / 10 || 1) * room;
  return { low: Math.max(least, low - around), high: Math.min(most, high + around) };
}

const decimals = (marks) => {
  const step = marks.length > 1 ? Math.abs(marks[1] - marks[0]) : Math.abs(marks[0]) || 1;
  return Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
};
const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");
const size = (bytes) => {
  const [unit, by] = bytes >= 1e9 ? ["GB", 1e9] : bytes >= 1e6 ? ["MB", 1e6] : ["kB", 1e3];
  return `${number(bytes / by, bytes / by < 10 && bytes % by ? 1 : 0)} ${unit}`;
};

// An empty chart with its axes, as wide as its place: {svg, x, y, box}.
function frame(host, { x, y, xLabel, yLabel, label, height = 300, left = 52 }) {
  const width = Math.max(240, host.clientWidth);
  const box = { left, right: width - 16, top: 26, bottom: height - 44 };
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": label });
  const sx = scale(x, box.left, box.right), sy = scale(y, box.bottom, box.top);
  const down = y.names ? [] : ticks(y, Math.max(3, Math.floor(height / 60)));
  const across = ticks(x, Math.min(8, Math.max(3, Math.floor(width / 90))));
  for (const value of down)
    svg.append(
      shape("line", { class: "grid", x1: box.left, x2: box.right, y1: sy(value), y2: sy(value) }),
      shape("text", { class: "tick", x: box.left - 8, y: sy(value) + 4, "text-anchor": "end" }, number(value, decimals(down))),
    );
  for (const value of across)
    svg.append(
      shape("line", { class: "grid", x1: sx(value), x2: sx(value), y1: box.top, y2: box.bottom }),
      shape("text", { class: "tick", x: sx(value), y: box.bottom + 18, "text-anchor": "middle" },
        x.format ? x.format(value) : number(value, decimals(across))),
    );
  svg.append(
    shape("text", { class: "axis", x: box.right, y: height - 6, "text-anchor": "end" }, xLabel),
    shape("text", { class: "axis", x: y.names ? 0 : box.left - 44, y: 12 }, yLabel),
  );
  host.replaceChildren(svg);
  return { svg, x: sx, y: sy, box };
}

// Labels at the ends of upright marks, each where it hides no other label and no mark.
function labels(svg, box, marks) {
  const taken = marks.map(({ x, top, bottom }) => [x - 5, top - 2, x + 5, bottom + 2]);
  for (const { x, top, bottom, text, on } of marks) {
    const label = shape("text", { class: on ? "name on" : "name" }, text);
    svg.append(label);
    const wide = label.getComputedTextLength(), places = [];
    for (const aside of [-wide / 2, 8, -8 - wide])
      for (const base of [bottom + 16, top - 7, (top + bottom) / 2 + 4]) places.push([x + aside, base]);
    const room = ([left, base]) => [left - 2, base - 12, left + wide + 2, base + 3];
    const free = (place) => {
      const [l, t, r, b] = room(place);
      if (l < box.left || r > box.right + 14 || t < 0 || b > box.bottom) return false;
      return taken.every(([left, top, right, bottom]) => r < left || l > right || b < top || t > bottom);
    };
    const best = places.find(free) ?? places[0];
    taken.push(room(best));
    fill(label, { x: best[0], y: best[1] }, []);
  }
}

const path = (points) => points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");

// A chart draws itself again when its place gets another width.
const widths = new WeakMap();
const watcher = new ResizeObserver((seen) => {
  for (const { target, contentRect } of seen)
    if (widths.get(target) !== contentRect.width) { widths.set(target, contentRect.width); target.draw?.(); }
});
function chart(id, draw) {
  const host = byId(id);
  host.draw = () => {
    const held = host.contains(document.activeElement) ? document.activeElement.dataset.run : undefined;
    draw(host);
    if (held !== undefined) host.querySelector(`[data-run="${held}"]`)?.focus();
  };
  host.draw();
  watcher.observe(host);
}
const nothing = (host, why) => host.replaceChildren(tag("p", { class: "nothing" }, `– ${why}`));
