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
let told = null; // the mark that the tip is about

function placeTip() {
  const at = told.getBoundingClientRect();
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
}

// A mark that the keyboard led to may have been scrolled to: its tip goes along. Any other tip goes away.
function followTip() {
  if (tip.hidden) return;
  const { top, bottom } = told.getBoundingClientRect();
  if (told.matches(":focus-visible") && bottom > 0 && top < innerHeight) placeTip();
  else hideTip();
}

// A mark that tells all it stands for when it is pointed at, tapped or reached with the keyboard.
function telling(mark, title, lines) {
  const show = () => {
    if (!mark.isConnected) return; // drawn anew by the click that is being told
    const rows = lines.flatMap(([name, text]) => [tag("dt", {}, name), tag("dd", {}, text)]);
    tip.replaceChildren(tag("strong", {}, title), tag("dl", {}, ...rows));
    tip.hidden = false;
    told = mark;
    placeTip();
  };
  fill(mark, { tabindex: "0", "aria-label": [title, ...lines.map((line) => line.join(" "))].join(", ") }, []);
  if (!mark.hasAttribute("role")) mark.setAttribute("role", "img");
  for (const event of ["pointerenter", "focus", "click"]) mark.addEventListener(event, show);
  for (const event of ["pointerleave", "blur"]) mark.addEventListener(event, hideTip);
  return mark;
}

function scale({ low, high }, from, to) {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

function ticks({ low, high }, room) {
  const rough = (high - low) / room, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((size) => size >= 0.8 * rough);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, place) => (first + place) * step);
}

const decimals = (marks) => {
  const step = marks.length > 1 ? Math.abs(marks[1] - marks[0]) : Math.abs(marks[0]) || 1;
  return Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
};
const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");

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
        number(value, decimals(across))),
    );
  svg.append(
    shape("text", { class: "axis", x: box.right, y: height - 6, "text-anchor": "end" }, xLabel),
    shape("text", { class: "axis", x: y.names ? 0 : box.left - 44, y: 12 }, yLabel),
  );
  host.replaceChildren(svg);
  return { svg, x: sx, y: sy, box };
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
