"use strict";

/* Theme: the reader's system decides until the button is pressed. */
const themeButton = document.getElementById("theme");
const systemDark = window.matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme || (systemDark.matches ? "dark" : "light")) === "dark";
const tellTheme = () => themeButton.setAttribute("aria-pressed", String(isDark()));
themeButton.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  tellTheme();
});
systemDark.addEventListener("change", tellTheme);
tellTheme();

/* Two views of one chart. */
for (const box of document.querySelectorAll(".either")) {
  const buttons = [...box.querySelectorAll(":scope > .switch button")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      for (const view of box.querySelectorAll(":scope > .view")) view.hidden = view.dataset.view !== button.dataset.view;
    });
  }
}

/* The contents show where the reader is. */
const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const link of links.values()) link.classList.remove("here");
    links.get(entry.target.id)?.classList.add("here");
  }
}, { rootMargin: "-20% 0px -70% 0px" });
for (const section of document.querySelectorAll("section")) watcher.observe(section);

/* Frames: which one, which sensors are on, which view. */
const viewer = document.getElementById("viewer");
if (viewer) showFrames(viewer, JSON.parse(document.getElementById("frames-data").textContent));

function make(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in node) node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

function score(value, signed = false) {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(value).toFixed(1);
  if (Number(text) === 0) return signed ? "±0.0" : "0.0";
  return (value < 0 ? "\u2212" : signed ? "+" : "") + text;
}

function listed(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

function showFrames(root, data) {
  const part = (name) => root.querySelector(`.${name}`);
  const models = data.models;
  const subject = models.at(-1);
  let place = 0, on = data.sensors.map(() => true), mode = "overlay", turn = 0;

  const frame = () => data.frames[place];
  const image = (number) => frame().images[number];
  const has = (sensor) => frame().inputs[sensor].some((entry) => entry !== null);
  const word = (switches) => switches.map((state) => (state ? "1" : "0")).join("");
  const value = (model, switches) => {
    const live = switches.map((state, sensor) => state && has(sensor));
    if (!live.some(Boolean)) return null;
    return frame().models[model][word(switches)]?.[1] ?? frame().models[model][word(live)]?.[1] ?? null;
  };

  /* Thumbnails of all frames. */
  const thumbs = data.frames.map((entry, number) => {
    const [picture] = entry.backdrops[0];
    const tag = entry.tags.condition ?? Object.values(entry.tags)[0] ?? entry.name;
    const button = make("button", { type: "button", title: entry.name },
      make("img", { src: entry.images[picture], alt: "" }),
      make("b", { textContent: score(-entry.loss) }), `no ${entry.sensor}`);
    button.setAttribute("aria-label", `Frame ${number + 1}, ${entry.name}, ${tag}: loses ${score(entry.loss)} points without ${entry.sensor}`);
    button.addEventListener("click", () => go(number));
    return button;
  });
  part("strip").append(...thumbs);

  /* A button per sensor: its picture, its state, what the other state would cost. */
  const switches = data.sensors.map((name, sensor) => {
    const inputs = make("div", { className: "inputs" });
    const title = make("span", {}, ...(sensor < 9 ? [make("kbd", { textContent: sensor + 1 })] : []), name);
    const state = make("span"), what = make("small");
    const button = make("button", { type: "button" }, inputs, make("div", { className: "name" }, title, state), what);
    button.dataset.sensor = sensor;
    button.addEventListener("click", () => toggle(sensor));
    part("sensors").append(button);
    return { button, inputs, state, what };
  });

  /* The truth and what each model sees. */
  const pictures = ["truth", ...models].map((name) => {
    const base = make("img", { className: "base", alt: "" });
    const top = make("img", { className: "top", alt: "" });
    const errors = make("canvas", { className: "errors", hidden: true });
    const nothing = make("div", { className: "nothing", textContent: "no sensor left", hidden: true });
    const box = make("div", { className: "picture" }, base, top, errors, nothing);
    const title = make("b", { textContent: name }), number = make("span");
    part("stage").append(make("figure", {}, box, make("figcaption", {}, title, number)));
    box.dataset.model = name;
    return { name, box, base, top, errors, nothing, number };
  });

  for (const button of root.querySelectorAll("[data-mode]")) {
    button.addEventListener("click", () => { mode = button.dataset.mode; draw(); });
  }

  function go(number) {
    place = (number + data.frames.length) % data.frames.length;
    thumbs[place].scrollIntoView({ block: "nearest", inline: "nearest" });
    draw();
  }

  function toggle(sensor) {
    if (!has(sensor)) return;
    on[sensor] = !on[sensor];
    draw();
  }

  function draw() {
    turn += 1;
    thumbs.forEach((thumb, number) => thumb.setAttribute("aria-current", String(number === place)));
    for (const button of root.querySelectorAll(".tools [data-mode]")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    }
    drawStory();
    switches.forEach(drawSwitch);
    for (const entry of pictures) drawPicture(entry);
    tell();
  }

  function drawStory() {
    const { sensor, loss, name, tags } = frame();
    const known = Object.entries(tags).map(([key, text]) => `${key}: ${text}`).join(", ");
    const number = data.sensors.indexOf(sensor);
    const button = make("button", { type: "button", textContent: `Without ${sensor}` });
    button.addEventListener("click", () => { on = data.sensors.map((_, other) => other !== number); draw(); });
    part("story").replaceChildren(button, ` the ${subject} loses ${score(loss)} points here. Frame ${name}${known ? ` (${known})` : ""}.`);
  }

  function drawSwitch({ button, inputs, state, what }, sensor) {
    const here = has(sensor), live = here && on[sensor];
    button.disabled = !here;
    button.setAttribute("aria-pressed", String(live));
    inputs.replaceChildren(...frame().inputs[sensor].map((number, input) =>
      make("img", number === null ? { alt: "absent" } : { src: image(number), alt: data.inputs[sensor][input] })));
    state.textContent = !here ? "absent" : live ? "on" : "off";
    const now = value(subject, on), other = value(subject, on.map((entry, place) => (place === sensor ? !entry : entry)));
    what.textContent = !here ? "not in this frame"
      : live && other === null ? "the last one"
      : now === null || other === null ? (live ? "" : `alone ${score(other)}`)
      : `${score(other - now, true)} if ${live ? "off" : "on"}`;
  }

  function drawPicture(entry) {
    const truth = entry.name === "truth";
    const live = on.map((state, sensor) => state && has(sensor));
    const nothing = !truth && !live.some(Boolean);
    const view = truth && mode === "errors" ? "overlay" : mode;
    const stored = truth ? [frame().truth, null] : frame().models[entry.name][word(on)];
    const [width, height] = frame().size;
    entry.box.style.aspectRatio = `${width} / ${height}`;
    entry.box.dataset.mode = view;
    const backdrops = frame().backdrops;
    const [backdrop] = (truth ? null : backdrops.find(([, sensor]) => live[sensor])) ?? backdrops[0];
    entry.base.src = image(backdrop);
    entry.base.hidden = nothing || view === "labels";
    entry.nothing.textContent = nothing ? "no sensor left" : "this state was not stored";
    entry.nothing.hidden = !nothing && Boolean(stored);
    entry.top.hidden = nothing || !stored || view === "errors";
    entry.errors.hidden = nothing || !stored || view !== "errors";
    if (stored && !nothing) {
      entry.top.src = image(stored[0]);
      entry.top.alt = truth ? "the true labels" : `what the ${entry.name} sees`;
      if (view === "errors") drawErrors(entry, stored[0]);
    }
    const now = truth ? null : value(entry.name, on), all = truth ? null : value(entry.name, on.map(() => true));
    entry.number.textContent = truth ? "" : nothing ? "–"
      : now === null ? "not scored"
      : `mIoU ${score(now)}` + (all !== null && now !== all ? ` (${score(now - all, true)})` : "");
  }

  /* Wrong pixels in orange on the truth's grey; unlabelled ones stay dark. */
  async function drawErrors(entry, number) {
    const mine = turn;
    const [seen, truth] = await Promise.all([pixels(image(number)), pixels(image(frame().truth))]);
    if (mine !== turn) return;
    entry.errors.width = seen.width;
    entry.errors.height = seen.height;
    const drawn = new ImageData(seen.width, seen.height);
    for (let at = 0; at < drawn.data.length; at += 4) {
      const labelled = truth.data[at + 3] > 0;
      const wrong = [0, 1, 2].some((channel) => seen.data[at + channel] !== truth.data[at + channel]);
      drawn.data.set(!labelled ? [0, 0, 0, 0] : wrong ? [240, 125, 45, 235] : [235, 240, 245, 60], at);
    }
    entry.errors.getContext("2d").putImageData(drawn, 0, 0);
  }

  async function pixels(uri) {
    const picture = new Image();
    picture.src = uri;
    await picture.decode();
    const canvas = make("canvas", { width: picture.naturalWidth, height: picture.naturalHeight });
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height);
  }

  function tell() {
    const off = data.sensors.filter((_, sensor) => has(sensor) && !on[sensor]);
    const nothing = data.sensors.every((_, sensor) => !has(sensor) || !on[sensor]);
    const numbers = models.map((name) => `${name} ${score(value(name, on))}`).reverse().join(", ");
    part("status").textContent = nothing ? "No sensor left: there is nothing to predict from."
      : off.length ? `Without ${listed(off)}: ${numbers}.` : `All sensors: ${numbers}.`;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, .scroll")) return;
    const box = root.getBoundingClientRect();
    if (box.bottom < 0 || box.top > window.innerHeight) return;
    const digit = /^[0-9]$/.test(event.key) ? Number(event.key) : -1;
    if (digit > 0 && digit <= data.sensors.length) toggle(digit - 1);
    else if (digit === 0) { on = on.map(() => true); draw(); }
    else if (event.key === "ArrowRight") go(place + 1);
    else if (event.key === "ArrowLeft") go(place - 1);
    else if (event.key === "m") { mode = { overlay: "labels", labels: "errors", errors: "overlay" }[mode]; draw(); }
    else return;
    event.preventDefault();
  });

  draw();
}
