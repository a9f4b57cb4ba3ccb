// Plays a race: the paths of a drawn figure grow step by step. Streamlit calls the default function at every rerun.

const SECONDS = 5; // from the first step to the last
const PATH = /^path-/; // uid of a path, with the step of each point in customdata; the uid of its head begins with end-
const whole = new WeakMap(); // traces of a figure → its paths, before they were cut
let played; // how many times Play had been pressed when the page was drawn last
let current; // the race that goes on

export default function ({ data, parentElement }) {
  const isNew = played !== undefined && data.played > played; // not where a visitor comes back to the page
  played = data.played;
  const plot = document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
  if (isNew && plot?.data && window.Plotly) play(plot);
  return () => (current = undefined);
}

// Draw the paths up to a step that grows with time, until all is drawn, the figure is another one or Play is pressed again.
function play(plot) {
  const traces = plot.data;
  if (!whole.has(traces)) whole.set(traces, readPaths(traces));
  const paths = whole.get(traces);
  const last = Math.max(...paths.map(({ steps }) => steps.at(-1)));
  const places = [...paths.map(({ place }) => place), ...paths.map(({ head }) => head)];
  const race = (current = {});
  const began = performance.now();
  const draw = (now) => {
    if (current !== race || plot.data !== traces) return;
    const share = Math.min(Math.max(now - began, 0) / (1000 * SECONDS), 1);
    const cut = (name) => paths.map((path) => path[name].filter((_value, point) => path.steps[point] <= share * last));
    const [x, y] = [cut("x"), cut("y")];
    const heads = (values) => values.map((some) => some.slice(-1));
    window.Plotly.restyle(plot, { x: [...x, ...heads(x)], y: [...y, ...heads(y)] }, places);
    if (share < 1) requestAnimationFrame(draw);
  };
  requestAnimationFrame(draw);
}

function readPaths(traces) {
  return traces.flatMap(({ uid, x, y, customdata }, place) => {
    if (!PATH.test(uid)) return [];
    const head = traces.findIndex((trace) => trace.uid === uid.replace(PATH, "end-"));
    return [{ place, head, x: [...x], y: [...y], steps: [...customdata] }];
  });
}
