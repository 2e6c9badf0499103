"use strict";
// Charts of a report: canvas, with hover (the nearest point), zoom (drag a box; double click, or the
// button, shows all again) and colours from the page's style. No network, no library.
(() => {
  const charts = [];
  const mix = (a, b, part) => Math.round(a + (b - a) * part);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (k) => (k === null ? style("--ink") : style("--c" + k));

  // Ticks at 1, 2 or 5 times a power of ten; on a logarithmic axis at powers of ten.
  function ticks([a, b], { log, names, whole }, most) {
    if (names) {
      const each = Math.max(1, Math.ceil((b - a) / most));
      return names.map((_, k) => k).filter((k) => k % each === 0 && k >= a && k <= b);
    }
    if (log) {
      const [first, last] = [Math.ceil(Math.log10(a) - 1e-9), Math.floor(Math.log10(b) + 1e-9)];
      const each = Math.max(1, Math.ceil((last - first + 1) / most));
      const found = [];
      for (let p = first; p <= last; p += each) found.push(10 ** p);
      if (found.length > 2) return found;
      // Within few decades also between them, as far as there is room.
      const between = [];
      for (let p = first - 1; p <= last; p++) for (const m of [1, 2, 5]) between.push(m * 10 ** p);
      const inside = between.filter((v) => v >= a * (1 - 1e-9) && v <= b * (1 + 1e-9));
      if (inside.length > 1) return inside;
      if (found.length > 1) return found;
    }
    const rough = (b - a) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const fits = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
    const step = whole ? Math.max(1, fits) : fits;
    const found = [];
    for (let k = Math.ceil(a / step - 1e-9); k * step <= b + 1e-9 * step; k++) found.push(k * step);
    return found;
  }

  // A number as it is read: up to `digits` digits, with an exponent only where it is needed.
  function shown(value, digits) {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e6 || size < 1e-4) return value.toExponential(Math.max(0, digits - 1)).replace(/\.?0+e/, "e").replace("e+", "e");
    return String(Number(value.toPrecision(digits)));
  }

  // A current as it is read: 20 pA.
  function current(value, digits) {
    const sizes = [["A", 1], ["mA", 1e-3], ["\u00b5A", 1e-6], ["nA", 1e-9], ["pA", 1e-12], ["fA", 1e-15]];
    const [unit, one] = sizes.find(([, one]) => Math.abs(value) >= one * 0.9995) || sizes[5];
    return `${shown(value / one, digits)} ${unit}`;
  }

  // A value at an axis: a number, or the name of that number.
  const named = (axis, value, digits) => (axis.names ? axis.names[Math.round(value)] ?? "" : shown(value, digits));
  const short = (text, most) => (text.length > most ? text.slice(0, most - 1) + "\u2026" : text);

  // The same for all charts, so that their time axes are equally long.
  let marginRight = 16;

  class Chart {
    constructor(box, data) {
      this.box = box;
      this.data = data;
      this.whole = { x: data.x.range, y: data.y.range };
      this.view = { ...this.whole };
      this.canvas = document.createElement("canvas");
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", `${data.title}: ${data.y.label} against ${data.x.label}`);
      this.tip = document.createElement("div");
      this.tip.className = "tip";
      this.reset = document.createElement("button");
      this.reset.textContent = "show all";
      this.reset.hidden = true;
      this.reset.onclick = () => this.zoom(this.whole);
      const plot = document.createElement("div");
      plot.className = "plot";
      plot.append(this.canvas, this.tip, this.reset);
      box.append(plot, this.legend());
      this.canvas.addEventListener("mousemove", (e) => this.hover(e));
      this.canvas.addEventListener("mouseleave", () => (this.tip.style.display = "none"));
      this.canvas.addEventListener("mousedown", (e) => (this.from = this.at(e)));
      this.canvas.addEventListener("mouseup", (e) => this.drop(e));
      this.canvas.addEventListener("dblclick", () => this.zoom(this.whole));
      this.draw();
    }

    legend() {
      const legend = document.createElement("ul");
      legend.className = "legend";
      const entry = (label, kind, k, dashed) => {
        const item = document.createElement("li");
        const mark = document.createElement("span");
        mark.className = "mark " + kind + (dashed ? " dashed" : "");
        mark.style.setProperty("--own", k === null ? "var(--ink)" : `var(--c${k})`);
        item.append(mark, label);
        legend.append(item);
      };
      const { series, levels } = this.data;
      if (series.length > 1 || levels.length) {
        series.slice(0, 16).filter((s) => s.x.length).forEach((s) => entry(s.label, s.kind, s.colour, s.dashed));
        if (series.length > 16) entry(`and ${series.length - 16} more`, "none", null, false);
      } else if (series.length === 1 && series[0].kind === "line") {
        entry(series[0].label, "line", series[0].colour, false);
      }
      levels.forEach(([, name]) => entry(name, "line", null, true));
      return legend;
    }

    // From values to pixels and back.
    scale(axis, range, size) {
      const log = this.data[axis].log;
      const f = log ? Math.log : (v) => v;
      const [a, b] = range.map(f);
      return {
        to: (v) => (axis === "x" ? this.left + ((f(v) - a) / (b - a)) * size : this.top + size - ((f(v) - a) / (b - a)) * size),
        back: (p) => {
          const share = axis === "x" ? (p - this.left) / size : 1 - (p - this.top) / size;
          const v = a + share * (b - a);
          return log ? Math.exp(v) : v;
        },
      };
    }

    draw() {
      const width = this.box.clientWidth || 700;
      const height = Math.max(260, Math.min(380, 0.5 * width));
      const dots = window.devicePixelRatio || 1;
      Object.assign(this.canvas, { width: width * dots, height: height * dots });
      Object.assign(this.canvas.style, { width: width + "px", height: height + "px" });
      const c = this.canvas.getContext("2d");
      c.scale(dots, dots);
      c.clearRect(0, 0, width, height);
      c.font = "12px system-ui, sans-serif";
      const right = this.data.right;
      const widest = Math.max(0, ...(this.data.y.names ?? []).map((name) => c.measureText(short(name, 18)).width));
      Object.assign(this, { left: Math.max(66, widest + 32), top: 10 });
      this.w = width - this.left - (this.data.map ? 92 : marginRight);
      this.h = height - this.top - 46;
      const x = (this.sx = this.scale("x", this.view.x, this.w));
      const y = (this.sy = this.scale("y", this.view.y, this.h));
      const line = (x0, y0, x1, y1) => { c.beginPath(); c.moveTo(x0, y0); c.lineTo(x1, y1); c.stroke(); };
      c.lineWidth = 1;
      c.textAlign = "center";
      c.textBaseline = "top";
      const { map } = this.data;
      if (map) this.cells(c, map, x, y, width);
      for (const tick of ticks(this.view.x, this.data.x, Math.max(2, Math.floor(this.w / 90)))) {
        c.strokeStyle = style("--grid");
        if (!map) line(x.to(tick), this.top, x.to(tick), this.top + this.h);
        c.fillStyle = style("--ink");
        const room = this.data.x.names ? Math.max(6, Math.floor(this.w / 7 / this.data.x.names.length)) : 20;
        c.fillText(short(named(this.data.x, tick, 5), room), x.to(tick), this.top + this.h + 6);
      }
      c.textAlign = "right";
      c.textBaseline = "middle";
      for (const tick of ticks(this.view.y, this.data.y, this.data.y.names ? 12 : 6)) {
        c.strokeStyle = style("--grid");
        if (!map) line(this.left, y.to(tick), this.left + this.w, y.to(tick));
        c.fillStyle = style("--ink");
        c.fillText(short(named(this.data.y, tick, 5), 18), this.left - 6, y.to(tick));
      }
      if (right) {
        c.textAlign = "left";
        const ends = this.view.y.map((v) => right.reference * Math.exp(v / right.scale));
        for (const tick of ticks(ends, { log: true }, 6)) {
          const at = y.to(right.scale * Math.log(tick / right.reference));
          c.strokeStyle = style("--ink");
          line(this.left + this.w, at, this.left + this.w + 4, at);
          c.fillText(current(tick, 3), this.left + this.w + 7, at);
        }
      }
      c.strokeStyle = style("--ink");
      c.strokeRect(this.left, this.top, this.w, this.h);
      c.fillStyle = style("--ink");
      c.textAlign = "center";
      c.textBaseline = "alphabetic";
      c.fillText(this.data.x.label, this.left + this.w / 2, height - 8);
      const beside = (text, at) => {
        c.save();
        c.translate(at, this.top + this.h / 2);
        c.rotate(-Math.PI / 2);
        c.fillText(text, 0, 0);
        c.restore();
      };
      beside(this.data.y.label, 13);
      if (right) beside(right.label, width - 6);
      c.save();
      c.beginPath();
      c.rect(this.left, this.top, this.w, this.h);
      c.clip();
      this.data.series.forEach((s) => this.series(c, s, x, y));
      c.setLineDash([6, 4]);
      c.strokeStyle = style("--soft");
      this.data.levels.forEach(([level]) => line(this.left, y.to(level), this.left + this.w, y.to(level)));
      c.restore();
      if (this.data.nothing) {
        c.textAlign = "center";
        c.fillText(this.data.nothing, this.left + this.w / 2, this.top + this.h / 2);
      }
    }

    // The colour of a part of the scale.
    shade(part) {
      const { colours } = this.data.map;
      const at = Math.max(0, Math.min(1, part)) * (colours.length - 1);
      const [low, high] = [Math.floor(at), Math.ceil(at)].map((k) => [1, 3, 5].map((p) => parseInt(colours[k].slice(p, p + 2), 16)));
      return `rgb(${low.map((v, k) => mix(v, high[k], at % 1)).join(",")})`;
    }

    // Cells of a heat map, and on the right which colour is which value.
    cells(c, map, x, y, width) {
      const [low, high] = map.range;
      const part = (value) => (value - low) / (high - low);
      c.save();
      c.beginPath();
      c.rect(this.left, this.top, this.w, this.h);
      c.clip();
      map.median.forEach((value, k) => {
        if (value === null) return;
        const [i, j] = [k % map.x.length, Math.floor(k / map.x.length)];
        const [x0, x1] = [x.to(map.x_edges[i]), x.to(map.x_edges[i + 1])];
        const [y0, y1] = [y.to(map.y_edges[j + 1]), y.to(map.y_edges[j])];
        c.fillStyle = this.shade(part(value));
        // No gap to the next one, where edges fall between pixels.
        c.fillRect(x0, y0, x1 - x0 + 0.4, y1 - y0 + 0.4);
      });
      c.restore();
      const at = this.left + this.w + 14;
      for (let k = 0; k < this.h; k++) {
        c.fillStyle = this.shade(1 - k / this.h);
        c.fillRect(at, this.top + k, 14, 1.4);
      }
      c.save();
      c.fillStyle = style("--ink");
      c.textAlign = "left";
      c.textBaseline = "middle";
      for (const tick of ticks(map.range, {}, 5)) c.fillText(shown(tick, 4), at + 18, this.top + this.h * (1 - part(tick)));
      c.translate(width - 6, this.top + this.h / 2);
      c.rotate(-Math.PI / 2);
      c.textAlign = "center";
      c.textBaseline = "alphabetic";
      c.fillText(map.label, 0, 0);
      c.restore();
    }

    series(c, s, x, y) {
      c.strokeStyle = c.fillStyle = colour(s.colour);
      c.lineWidth = 1.5;
      c.setLineDash(s.dashed ? [6, 4] : []);
      const n = s.x.length;
      const dot = (k, r) => { c.beginPath(); c.arc(x.to(s.x[k]), y.to(s.y[k]), r, 0, 2 * Math.PI); c.fill(); };
      if (s.kind === "dots") {
        const r = Math.max(0.7, Math.min(2.4, 70 / Math.sqrt(n + 1)));
        for (let k = 0; k < n; k++) dot(k, r);
        return;
      }
      if (s.kind === "ranges") {
        c.lineWidth = 9;
        c.globalAlpha = 0.45;
        for (let k = 0; k < n; k++) {
          c.beginPath();
          c.moveTo(x.to(s.x[k]), y.to(s.y[k]));
          c.lineTo(x.to(s.x[k]), y.to(s.to[k]));
          c.stroke();
        }
        c.globalAlpha = 1;
        return;
      }
      if (s.marks) for (let k = 0; k < n; k++) dot(k, 3);
      c.beginPath();
      if (s.kind === "steps") {
        for (let k = 0; k < n; k++) {
          c.lineTo(x.to(s.x[k]), y.to(s.y[k]));
          c.lineTo(x.to(s.to[k]), y.to(s.y[k]));
        }
      } else {
        for (let k = 0; k < n; k++) c.lineTo(x.to(s.x[k]), y.to(s.y[k]));
      }
      if (s.kind === "band") {
        for (let k = n - 1; k >= 0; k--) c.lineTo(x.to(s.x[k]), y.to(s.to[k]));
        c.globalAlpha = 0.45;
        c.fill();
        c.globalAlpha = 1;
        return;
      }
      c.stroke();
    }

    at(e) {
      const box = this.canvas.getBoundingClientRect();
      return [e.clientX - box.left, e.clientY - box.top];
    }

    // Beside the mouse.
    say(px, py, lines) {
      this.tip.textContent = lines.join("\n");
      this.tip.style.display = "block";
      const wide = this.tip.offsetWidth;
      this.tip.style.left = Math.max(0, Math.min(px + 14, this.box.clientWidth - wide - 4)) + "px";
      this.tip.style.top = py + 14 + "px";
    }

    // The cell under the mouse.
    hoverCell(px, py) {
      const { map, x, y } = this.data;
      const [vx, vy] = [this.sx.back(px), this.sy.back(py)];
      const find = (edges, v) => edges.findIndex((edge, k) => k + 1 < edges.length && v >= edge && v < edges[k + 1]);
      const [i, j] = [find(map.x_edges, vx), find(map.y_edges, vy)];
      if (i < 0 || j < 0) return void (this.tip.style.display = "none");
      const k = j * map.x.length + i;
      const value = map.median[k];
      const range = map.low.length && value !== null ? ` (5 % to 95 %: ${shown(map.low[k], 4)} to ${shown(map.high[k], 4)})` : "";
      this.say(px, py, [`${map.label}: ${value === null ? "no value" : shown(value, 5)}${range}`,
        `${x.label}: ${named(x, map.x[i], 6)}`, `${y.label}: ${named(y, map.y[j], 6)}`]);
    }

    // The point nearest to the mouse, of all series.
    hover(e) {
      const [px, py] = this.at(e);
      if (this.data.map) return this.hoverCell(px, py);
      let best = null;
      for (const s of this.data.series) {
        for (let k = 0; k < s.x.length; k++) {
          const middle = s.kind === "steps" ? 0.5 * (s.x[k] + s.to[k]) : s.x[k];
          const dx = this.sx.to(middle) - px;
          const far = s.kind === "dots" ? this.sy.to(s.y[k]) - py : 0.25 * (this.sy.to(s.y[k]) - py);
          const d = dx * dx + far * far;
          if (!best || d < best.d) best = { d, s, k };
        }
      }
      if (!best || best.d > 2500) return void (this.tip.style.display = "none");
      const { s, k } = best;
      const to = (kinds) => (kinds.includes(s.kind) && s.to[k] !== undefined ? ` to ${shown(s.to[k], 5)}` : "");
      const lines = [s.label, `${this.data.x.label}: ${named(this.data.x, s.x[k], 6)}${to(["steps"])}`,
        `${this.data.y.label}: ${shown(s.y[k], 5)}${to(["band", "ranges"])}`];
      const right = this.data.right;
      if (right) lines.push(`${right.label}: ${current(right.reference * Math.exp(s.y[k] / right.scale), 4)}`);
      this.say(px, py, lines);
    }

    drop(e) {
      const [from, to] = [this.from, this.at(e)];
      this.from = null;
      if (!from || Math.abs(from[0] - to[0]) < 8) return;
      const sorted = (a, b) => (a < b ? [a, b] : [b, a]);
      const high = Math.abs(from[1] - to[1]) > 12;
      this.zoom({
        x: sorted(this.sx.back(from[0]), this.sx.back(to[0])),
        y: high ? sorted(this.sy.back(from[1]), this.sy.back(to[1])) : this.view.y,
      });
    }

    zoom(view) {
      this.view = { ...view };
      this.reset.hidden = view === this.whole;
      this.draw();
    }
  }

  const redraw = () => charts.forEach((chart) => chart.draw());
  addEventListener("DOMContentLoaded", () => {
    const data = JSON.parse(document.getElementById("charts").textContent);
    if (data.some((chart) => chart.right)) marginRight = 78;
    document.querySelectorAll("[data-chart]").forEach((box) => charts.push(new Chart(box, data[box.dataset.chart])));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    addEventListener("resize", redraw);
    // Paper is light.
    addEventListener("beforeprint", () => { document.documentElement.classList.add("paper"); redraw(); });
    addEventListener("afterprint", () => { document.documentElement.classList.remove("paper"); redraw(); });
  });
})();
