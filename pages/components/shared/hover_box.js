// Keeps the box that names all values at a step off the curves that are being read. Plotly draws it beside the mouse, on
// top of them, and draws it again at every move.

const EDGE = 6; // px between the box and the edges of its panel
const MARGIN = 48; // px beyond these edges, over the ticks, which count as TICKS points
const TICKS = 3;
const SAMPLE = 6; // px between the points at which a curve is looked at, and between the heights that are tried
const READ = 100; // as many points as a value that is read counts
const STAY = 12; // points that another place must hide less, or the box would jump to and fro
const boxes = new WeakMap(); // plot → what watches its box

// Watch a plot's hover box from now on.
function keepBoxOffCurves(plot) {
  const layer = plot.querySelector(".hoverlayer");
  if (!layer || boxes.get(plot)?.layer === layer) return;
  boxes.get(plot)?.watcher.disconnect();
  const watcher = new MutationObserver(() => placeBox(plot, layer));
  watcher.observe(layer, { childList: true, subtree: true });
  boxes.set(plot, { layer, watcher });
}

function placeBox(plot, layer) {
  const box = layer.querySelector(".legend");
  const read = plot._hoverdata?.filter(({ xaxis, yaxis }) => xaxis && yaxis);
  if (!box || !read?.length) return;
  const { width, height } = box.getBBox();
  const { xaxis, yaxis } = read[0];
  const panel = { left: xaxis._offset, right: xaxis._offset + xaxis._length, top: yaxis._offset };
  panel.bottom = panel.top + yaxis._length;
  const hidden = samplePoints(plot, read);
  const seen = boxes.get(plot);
  const size = plot._fullLayout;
  const scores = listPlaces(panel, width, height)
    .filter(({ x, y }) => x >= 0 && y >= 0 && x + width <= size.width && y + height <= size.height)
    .map((place) => ({ ...place, hides: countWithin(hidden, place, width, height) + (place.over ?? 0) - (isSame(place, seen.place) ? STAY : 0) }));
  if (!scores.length) return;
  const best = scores.reduce((one, other) => (other.hides < one.hides ? other : one));
  seen.place = best;
  box.setAttribute("transform", `translate(${best.x},${best.y})`);
}

// Along both edges of the panel from its top down, over the legend above it and the ticks; beside the panel; below it.
function listPlaces({ left, right, top, bottom }, width, height) {
  const edges = [{ x: right - width - EDGE }, { x: left + EDGE }];
  edges.push({ x: right - width + MARGIN, over: TICKS }, { x: Math.max(left - MARGIN, 0), over: TICKS });
  const last = Math.max(bottom - height - EDGE, 0);
  const heights = [top + EDGE, last];
  for (let y = top + EDGE; y > 0; y -= SAMPLE) heights.push(y);
  for (let y = top + EDGE; y < last; y += SAMPLE) heights.push(y);
  return [
    ...heights.flatMap((y) => edges.map((edge) => ({ ...edge, y }))),
    { x: right + EDGE, y: top + EDGE },
    { x: left - width - EDGE, y: top + EDGE },
    { x: left, y: bottom + EDGE },
  ];
}

function isSame(one, other) {
  return one.x === other?.x && one.y === other?.y;
}

// Where the curves of the panels that are read lie, in pixels.
function samplePoints(plot, read) {
  const panels = new Set(read.map(({ xaxis, yaxis }) => xaxis._id + yaxis._id));
  const points = [];
  for (const { visible, type, xaxis, yaxis, x, y } of plot._fullData) {
    if (visible !== true || type !== "scatter" || !panels.has((xaxis ?? "x") + (yaxis ?? "y"))) continue;
    const [across, up] = [axisOf(plot, xaxis ?? "x"), axisOf(plot, yaxis ?? "y")];
    let before;
    for (let n = 0; n < x.length; n++) {
      const here = [across._offset + across.d2p(x[n]), up._offset + up.d2p(y[n])];
      if (!here.every(Number.isFinite)) before = undefined;
      else {
        points.push(...between(before ?? here, here));
        before = here;
      }
    }
  }
  for (const { xaxis, yaxis, x, y } of read)
    points.push(...Array(READ).fill([xaxis._offset + xaxis.d2p(x), yaxis._offset + yaxis.d2p(y)]));
  return points;
}

function axisOf(plot, id) {
  return plot._fullLayout[`${id[0]}axis${id.slice(1)}`];
}

function between([fromX, fromY], [toX, toY]) {
  const count = Math.min(Math.max(Math.ceil(Math.hypot(toX - fromX, toY - fromY) / SAMPLE), 1), 500);
  return Array.from({ length: count }, (_one, n) => {
    const share = (n + 1) / count;
    return [fromX + share * (toX - fromX), fromY + share * (toY - fromY)];
  });
}

function countWithin(points, { x, y }, width, height) {
  return points.filter(([left, top]) => left >= x && left <= x + width && top >= y && top <= y + height).length;
}
