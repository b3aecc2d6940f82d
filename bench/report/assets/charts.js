// Charts: what is under the pointer or the arrow keys, series on and off, profiles drawn anew.
"use strict";
(() => {
  const MOST = 9; // lines in the box beside the pointer

  function place(axis, value) {
    const v = Math.min(Math.max(value, axis.low), axis.high);
    return axis.log
      ? Math.log(v / axis.low) / Math.log(axis.high / axis.low)
      : (v - axis.low) / (axis.high - axis.low);
  }

  function valueAt(axis, share) {
    return axis.log
      ? axis.low * Math.pow(axis.high / axis.low, share)
      : axis.low + share * (axis.high - axis.low);
  }

  function shown(axis, value) {
    if (value === null) return "never";
    if (axis.floor !== null && value <= axis.low * 1.001) return axis.floor;
    const digits = (v) => String(Number(v.toPrecision(3)));
    if (axis.kind === "time") {
      if (value < 0.9995e-3) return `${digits(value * 1e6)} us`;
      return value < 0.9995 ? `${digits(value * 1e3)} ms` : `${digits(value)} s`;
    }
    if (axis.kind === "gap" || axis.kind === "share") return `${digits(100 * value)} %`;
    return String(Number(value.toPrecision(6)));
  }

  class Plot {
    constructor(figure) {
      this.figure = figure;
      this.data = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
      this.box = figure.querySelector(".plot");
      this.tip = figure.querySelector(".tip");
      this.hidden = new Set();
      this.at = null; // series and point under the arrow keys
      for (const title of this.box.querySelectorAll(".mark title, .line + title, path > title")) {
        title.remove(); // the box beside the pointer says more
      }
      this.listen();
    }

    get layout() {
      const narrow = this.box.querySelector(".drawing.narrow");
      const name = getComputedStyle(narrow).display === "none" ? "wide" : "narrow";
      const [width, height, left, right, top, bottom] = this.data.layouts[name];
      const svg = this.box.querySelector(`.drawing.${name}`);
      return { svg, width, height, left, right, top, bottom };
    }

    spot(x, y, to) {
      return [
        to.left + place(this.data.x, x) * (to.width - to.left - to.right),
        to.height - to.bottom - place(this.data.y, y) * (to.height - to.top - to.bottom),
      ];
    }

    label(series) {
      const name = this.data.names[series.k];
      return series.part ? `${name}, ${series.part}` : name;
    }

    get visible() {
      return this.data.series.filter((series) => !this.hidden.has(series.k));
    }

    get lines() {
      return this.visible.filter((series) => series.style !== "points");
    }

    heightAt(series, x) {
      const points = series.points;
      if (points.length === 0) return null;
      if (series.style === "step") {
        let height = this.data.y.low;
        for (const point of points) if (point[0] <= x) height = point[1];
        return height;
      }
      if (x < points[0][0] || x > points[points.length - 1][0]) return null;
      let k = 0;
      while (k + 1 < points.length && points[k + 1][0] <= x) k += 1;
      if (series.style === "hold" || k + 1 === points.length) return points[k][1];
      const [low, high] = [points[k], points[k + 1]];
      const share = place(this.data.x, x) - place(this.data.x, low[0]);
      const whole = place(this.data.x, high[0]) - place(this.data.x, low[0]);
      const up = place(this.data.y, high[1]) - place(this.data.y, low[1]);
      return valueAt(this.data.y, place(this.data.y, low[1]) + (share / (whole || 1)) * up);
    }

    // -- what is said ----------------------------------------------------------------------

    emphasise(k) {
      for (const group of this.box.querySelectorAll("g[data-series]")) {
        group.classList.toggle("dim", k !== null && Number(group.dataset.series) !== k);
        group.classList.toggle("bold", Number(group.dataset.series) === k);
      }
    }

    showTip(lines, px, py, to) {
      this.tip.replaceChildren(
        ...lines.map(([text, k, strong]) => {
          const line = document.createElement("div");
          if (k !== null) {
            const swatch = document.createElement("span");
            swatch.className = "dot";
            const group = this.box.querySelector(`g[data-series="${k}"].series`);
            swatch.style.background = group ? getComputedStyle(group).color : "currentColor";
            line.append(swatch);
          }
          line.append(text);
          if (strong) line.className = "strong";
          return line;
        }),
      );
      this.tip.hidden = false;
      const frame = this.box.getBoundingClientRect();
      const scale = frame.width / to.width;
      const width = this.tip.offsetWidth;
      const height = this.tip.offsetHeight;
      let left = px * scale + 14;
      if (left + width > frame.width) left = Math.max(0, px * scale - width - 14);
      const top = Math.min(Math.max(0, py * scale - height / 2), frame.height - height);
      this.tip.style.left = `${left}px`;
      this.tip.style.top = `${top}px`;
    }

    cross(px, to) {
      let line = to.svg.querySelector(".cross");
      if (!line) {
        line = document.createElementNS("http://www.w3.org/2000/svg", "line");
        line.setAttribute("class", "cross");
        to.svg.append(line);
      }
      for (const [name, value] of [["x1", px], ["x2", px], ["y1", to.top], ["y2", to.height - to.bottom]]) {
        line.setAttribute(name, value);
      }
    }

    clear() {
      this.tip.hidden = true;
      this.emphasise(null);
      for (const line of this.box.querySelectorAll(".cross")) line.remove();
    }

    sayPoint(series, index, to) {
      const point = series.points[index];
      const [px, py] = this.spot(point[0], point[1], to);
      const said =
        series.said[index] ||
        `${this.label(series)}: ${shown(this.data.x, point[0])}, ${shown(this.data.y, point[1])}`;
      this.emphasise(series.k);
      this.showTip([[said, series.k, true]], px, py, to);
    }

    sayAt(x, near, to) {
      const found = this.lines
        .map((series) => [series, this.heightAt(series, x)])
        .filter((entry) => entry[1] !== null)
        .map(([series, y]) => ({ series, y, py: this.spot(x, y, to)[1] }));
      if (found.length === 0) return;
      const gap = (entry) => Math.abs(entry.py - near);
      const nearest = found.reduce((a, b) => (gap(b) < gap(a) ? b : a));
      const kept = found.slice().sort((a, b) => gap(a) - gap(b)).slice(0, MOST);
      kept.sort((a, b) => a.py - b.py);
      const lines = kept.map(({ series, y }) => [
        `${this.label(series)}: ${shown(this.data.y, y)}`,
        series.k,
        series === nearest.series,
      ]);
      lines.unshift([`${this.data.x.label}: ${shown(this.data.x, x)}`, null, false]);
      if (found.length > kept.length) lines.push([`and ${found.length - kept.length} more`, null, false]);
      const [px] = this.spot(x, this.data.y.low, to);
      this.cross(px, to);
      this.emphasise(found.length > 1 ? nearest.series.k : null);
      this.showTip(lines, px, nearest.py, to);
    }

    point(event) {
      const to = this.layout;
      const frame = to.svg.getBoundingClientRect();
      const px = ((event.clientX - frame.left) * to.width) / frame.width;
      const py = ((event.clientY - frame.top) * to.height) / frame.height;
      if (this.lines.length > 0) {
        const share = (px - to.left) / (to.width - to.left - to.right);
        if (share < 0 || share > 1) return this.clear();
        return this.sayAt(valueAt(this.data.x, share), py, to);
      }
      let best = null;
      for (const series of this.visible) {
        series.points.forEach((point, index) => {
          const [x, y] = this.spot(point[0], point[1], to);
          const far = Math.hypot(x - px, y - py);
          if (best === null || far < best.far) best = { series, index, far };
        });
      }
      if (best === null || best.far > 60) return this.clear();
      return this.sayPoint(best.series, best.index, to);
    }

    // Left and right go along a series, up and down change it.
    key(event) {
      const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
      if (event.key === "Escape") {
        this.at = null;
        return this.clear();
      }
      if (!(event.key in moves)) return undefined;
      event.preventDefault();
      const all = this.visible.filter((series) => series.points.length > 0);
      if (all.length === 0) return undefined;
      if (this.at === null || !all.includes(this.at.series)) {
        this.at = { series: all[0], index: 0 };
      } else {
        const [across, along] = moves[event.key];
        const next = (all.indexOf(this.at.series) + across + all.length) % all.length;
        const last = all[next].points.length - 1;
        const index = across ? Math.min(this.at.index, last) : this.at.index + along;
        this.at = { series: all[next], index: Math.min(Math.max(index, 0), last) };
      }
      const to = this.layout;
      const x = this.at.series.points[this.at.index][0];
      if (this.at.series.style !== "points") this.cross(this.spot(x, this.data.y.low, to)[0], to);
      return this.sayPoint(this.at.series, this.at.index, to);
    }

    // -- series on and off -----------------------------------------------------------------

    toggle(k, on) {
      if (on) this.hidden.delete(k);
      else this.hidden.add(k);
      const button = this.figure.querySelector(`.legend button[data-series="${k}"]`);
      button.setAttribute("aria-pressed", String(on));
      for (const mark of this.box.querySelectorAll(`g[data-series="${k}"]`)) {
        mark.classList.toggle("off", !on);
      }
    }

    // The performance profile among the methods shown, as Dolan and More define it.
    profile() {
      const among = this.figure.querySelector(".among");
      if (!among) return;
      const { costs, floor } = this.data;
      const kept = this.data.names
        .map((_, k) => k)
        .filter((k) => !among.checked || !this.hidden.has(k));
      const tasks = costs[0].length;
      const best = Array.from({ length: tasks }, (_, i) =>
        Math.min(...kept.map((k) => (costs[k][i] === null ? Infinity : Math.max(costs[k][i], floor)))),
      );
      for (const series of this.data.series) {
        const ratios = costs[series.k]
          .map((cost, i) => (cost === null ? Infinity : Math.max(Math.max(cost, floor) / best[i], 1)))
          .filter(Number.isFinite)
          .sort((a, b) => a - b);
        series.points = [];
        ratios.forEach((ratio, i) => {
          if (i + 1 === ratios.length || ratios[i + 1] > ratio) {
            series.points.push([ratio, (i + 1) / tasks]);
          }
        });
        for (const name of ["wide", "narrow"]) {
          const [width, height, left, right, top, bottom] = this.data.layouts[name];
          const to = { width, height, left, right, top, bottom };
          const path = this.box.querySelector(`.drawing.${name} g[data-series="${series.k}"] path`);
          if (path) path.setAttribute("d", this.path(series, to));
        }
      }
    }

    path(series, to) {
      let points = series.points;
      if (points.length === 0) return "";
      if (points[0][0] > this.data.x.low) points = [[this.data.x.low, this.data.y.low], ...points];
      const parts = points.map(([x, y], k) => {
        const [px, py] = this.spot(x, y, to);
        return k ? `H${px.toFixed(1)}V${py.toFixed(1)}` : `M${px.toFixed(1)} ${py.toFixed(1)}`;
      });
      return `${parts.join("")}H${to.width - to.right}`;
    }

    listen() {
      this.box.tabIndex = 0;
      this.box.setAttribute("role", "application");
      this.box.setAttribute("aria-roledescription", "chart");
      const title = this.figure.querySelector("figcaption strong").textContent;
      this.box.setAttribute(
        "aria-label",
        `${title}. Arrow keys: along a series, and to other series. The table below has the same.`,
      );
      this.box.addEventListener("pointermove", (event) => this.point(event));
      this.box.addEventListener("pointerdown", (event) => this.point(event));
      this.box.addEventListener("pointerleave", () => this.clear());
      this.box.addEventListener("blur", () => this.clear());
      this.box.addEventListener("keydown", (event) => this.key(event));
      for (const button of this.figure.querySelectorAll(".legend button")) {
        if (button.dataset.show) {
          button.addEventListener("click", () => {
            this.data.names.forEach((_, k) => this.toggle(k, button.dataset.show === "all"));
            this.profile();
          });
          continue;
        }
        const k = Number(button.dataset.series);
        button.addEventListener("click", () => {
          this.toggle(k, button.getAttribute("aria-pressed") !== "true");
          this.profile();
        });
        for (const [name, value] of [["pointerenter", k], ["focus", k], ["pointerleave", null], ["blur", null]]) {
          button.addEventListener(name, () => this.emphasise(value));
        }
      }
      const among = this.figure.querySelector(".among");
      if (among) among.addEventListener("change", () => this.profile());
    }
  }

  for (const figure of document.querySelectorAll("figure.chart")) new Plot(figure);
  document.documentElement.dataset.ready = "true";
})();
