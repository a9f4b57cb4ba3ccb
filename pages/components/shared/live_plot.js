// Draws a Plotly figure and updates it in place. Streamlit calls the default function again, with the same
// parentElement, whenever the data or the theme change; the cleanup it returns runs once, when the chart is removed.

const NARROW = 480; // px; below this width layout.meta.narrow changes the layout
const NEAR = 24; // px; a click this close to a curve is meant for it
const HIDDEN = 120; // px; below this width nothing is drawn
const DARK = {
  // Okabe and Ito's colours, brighter where they would be hard to see on a dark page
  "#0072b2": "#56b4e9",
  "#d55e00": "#f0803c",
  "#009e73": "#2dc296",
  "#cfdbe6": "#33424f", // the pale end of a progress scale
  "#8a94a0": "#8a97a5", // marks and notes
};
const states = new WeakMap();
const darkness = new Map(); // colour → whether it is dark
let library;

function loadPlotly(source) {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(source, document.baseURI);
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      script.remove();
      library = undefined; // the next chart tries again
      reject(new Error(`no answer from ${script.src}`));
    };
    document.head.append(script);
  });
  return library;
}

// Whether the visitor uses a finger, which scrolls the page: no zoom, so no buttons.
function byFinger() {
  return matchMedia("(pointer: coarse)").matches;
}

// Whether a CSS colour is dark. A canvas pixel is painted to find out, once per colour.
function isDark(colour) {
  if (!darkness.has(colour)) {
    const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    probe.fillStyle = colour;
    probe.fillRect(0, 0, 1, 1);
    const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
    darkness.set(colour, 0.299 * red + 0.587 * green + 0.114 * blue < 128);
  }
  return darkness.get(colour);
}

function readTheme(element) {
  const css = getComputedStyle(element);
  const read = (name) => css.getPropertyValue(name).trim();
  return {
    dark: isDark(read("--st-background-color")),
    text: read("--st-text-color"),
    background: read("--st-background-color"),
    border: read("--st-border-color"),
    font: read("--st-font"),
  };
}

// Copy part of a figure with the colours of DARK replaced; arrays of numbers are not copied.
function recolour(part) {
  if (typeof part === "string") return DARK[part.toLowerCase()] ?? part;
  if (Array.isArray(part)) return typeof part.at(-1) === "number" ? part : part.map(recolour);
  if (part === null || typeof part !== "object") return part;
  return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, recolour(value)]));
}

// The changes of the layout on a narrow page; also the height, if the figure stacks its panels there.
function whenNarrow(figure, width) {
  return (width < NARROW && figure.layout.meta?.narrow) || {};
}

function fit(state) {
  const { clientWidth, style } = state.box;
  style.height = `${whenNarrow(state.figure, clientWidth).height ?? state.figure.layout.height}px`;
}

// Apply the theme and the width to a copy of the figure.
function applyTheme(figure, theme, width) {
  const { data, layout } = theme.dark ? recolour(figure) : structuredClone(figure);
  for (const [name, part] of Object.entries(whenNarrow(figure, width)))
    layout[name] = typeof part === "object" ? { ...layout[name], ...part } : part;
  for (const [name, axis] of Object.entries(layout)) {
    if (!/^[xy]axis\d*$/.test(name)) continue;
    axis.gridcolor ??= theme.border;
    axis.zerolinecolor ??= theme.border;
    axis.linecolor ??= theme.border;
    if (axis.title) axis.title.font = { size: 12, ...axis.title.font };
  }
  layout.width = width;
  layout.dragmode = byFinger() ? false : "zoom";
  layout.font = { size: 12, ...layout.font, family: theme.font, color: theme.text };
  layout.paper_bgcolor = theme.background; // Plotly derives contrasting colours from it, such as the hover line's edge
  layout.plot_bgcolor = "rgba(0,0,0,0)";
  layout.hoverlabel = {
    ...layout.hoverlabel,
    bgcolor: theme.background,
    bordercolor: theme.border,
    font: { size: 12, family: theme.font, color: theme.text },
  };
  layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: theme.border, activecolor: theme.text, ...layout.modebar };
  return { data, layout };
}

async function draw(state) {
  const width = Math.floor(state.box.clientWidth);
  if (width < HIDDEN) return; // in a closed tab, expander or sidebar; the observer calls again
  state.width = width;
  fit(state);
  const { data, layout } = applyTheme(state.figure, readTheme(state.box), width);
  if (layout.uirevision !== state.revision) state.zoom = {};
  state.revision = layout.uirevision;
  // uirevision keeps hidden traces, but drops a zoom when the figure's own range changes; so the zoom is kept here.
  for (const [name, range] of Object.entries(state.zoom)) if (layout[name]) layout[name].range = range;
  state.config ??= configure(state); // the same object each time: with a new one Plotly.react draws from scratch
  await state.plotly.react(state.plot, data, layout, state.config);
  keepBoxOffCurves(state.plot);
  if (!state.listening) listen(state);
}

function configure(state) {
  const showAll = { name: "reset", title: state.words.reset, icon: state.plotly.Icons.home, click: () => reset(state) };
  const { save, saving, saved, unsaved } = state.words;
  const dictionary = { // Plotly's English texts for its button toImage
    "Download plot as a PNG": save,
    "Preparing image - this may take a few seconds": saving,
    "Image download succeeded": saved,
    "Sorry, there was a problem downloading your image!": unsaved,
  };
  return {
    locale: "page",
    locales: { page: { dictionary } },
    displaylogo: false,
    displayModeBar: byFinger() || state.figure.layout.meta?.still ? false : "hover",
    doubleClick: false,
    modeBarButtons: [[showAll, "toImage"]],
    responsive: false, // the observer resizes, and applies meta.narrow
  };
}

function reset(state) {
  state.zoom = {};
  draw(state);
}

function listen(state) {
  state.listening = true;
  state.box.classList.add("liveplot-ready");
  state.plot.on("plotly_doubleclick", () => reset(state));
  state.plot.on("plotly_click", ({ points, event }) => {
    // Where hover names all traces at a step, the one that was meant is the closest.
    const bottom = state.plot.getBoundingClientRect().top;
    const distance = ({ yaxis, y }) => Math.abs(bottom + yaxis._offset + yaxis.d2p(y) - event.clientY);
    const [closest] = points.length > 1 ? [...points].sort((one, other) => distance(one) - distance(other)) : points;
    // what a clickable point or trace stands for: a run's id for example, or the place of a point that was really hit
    const place = closest && distance(closest) <= NEAR ? String(closest.x) : undefined;
    const picked = closest?.id ?? (closest?.data.meta === "x" ? place : closest?.data.meta);
    if (picked !== undefined) state.pick(picked);
  });
  state.plot.on("plotly_relayout", (changed) => {
    for (const name of new Set(Object.keys(changed).map((key) => key.match(/^([xy]axis\d*)\.range/)?.[1])))
      if (name) state.zoom[name] = [...state.plot.layout[name].range];
  });
}

function mount(parent) {
  const box = parent.querySelector(".liveplot");
  const state = {
    box,
    plot: box.querySelector(".liveplot-figure"),
    note: box.querySelector(".liveplot-note"),
    zoom: {}, // axis → the range the visitor chose
    latest: Promise.resolve(),
  };
  state.observer = new ResizeObserver(() => {
    if (state.plotly && state.figure && Math.floor(box.clientWidth) !== state.width) draw(state);
  });
  state.observer.observe(box);
  states.set(parent, state);
  return state;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const state = states.get(parentElement) ?? mount(parentElement);
  state.figure = data.figure;
  if (state.words?.reset !== data.words.reset) state.config = undefined; // another language
  state.words = data.words;
  state.pick = (name) => setTriggerValue("picked", name);
  fit(state);
  state.box.setAttribute("aria-label", data.alt);
  // Draw one after another, each time the newest figure: calls of Plotly.react must not overlap.
  state.latest = state.latest
    .then(() => loadPlotly(data.source))
    .then((plotly) => {
      state.plotly = plotly;
      return state.removed ? undefined : draw(state);
    })
    .catch((error) => {
      console.error(error);
      if (!state.listening) state.note.textContent = data.words.failed;
    });

  return () => {
    state.removed = true;
    state.observer.disconnect();
    states.delete(parentElement);
    state.plotly?.purge(state.plot);
  };
}
