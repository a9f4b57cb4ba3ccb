// A canvas whose pixels are those of the picture: what is drawn is sent as a PNG after each stroke.

const BRUSHES = [0, 1, 2]; // how many pixels a brush reaches around the one that is pointed at
const states = new WeakMap();

function mount(root) {
  const canvas = root.querySelector(".pad-canvas");
  const state = { canvas, pen: canvas.getContext("2d"), brush: 1, last: null, side: 0 };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    state.last = place(state, event);
    paint(state, state.last, state.last);
  };
  canvas.onpointermove = (event) => {
    if (!state.last) return;
    const now = place(state, event);
    paint(state, state.last, now);
    state.last = now;
  };
  const end = () => {
    if (!state.last) return;
    state.last = null;
    state.send(canvas.toDataURL("image/png"));
  };
  canvas.onpointerup = end;
  canvas.onpointercancel = end;
  root.querySelector(".pad-clear").onclick = () => {
    wipe(state);
    state.send("clear");
  };
  states.set(root, state);
  return state;
}

function place({ canvas, side }, { clientX, clientY }) {
  const box = canvas.getBoundingClientRect();
  const along = (at, start, length) => Math.floor(((at - start) / length) * side);
  return [along(clientX, box.left, box.width), along(clientY, box.top, box.height)];
}

// Paint every pixel on the way from one place to another, a brush wide.
function paint({ pen, brush, colour }, [fromX, fromY], [toX, toY]) {
  const reach = BRUSHES[brush];
  const steps = Math.max(Math.abs(toX - fromX), Math.abs(toY - fromY), 1);
  pen.fillStyle = colour;
  for (let step = 0; step <= steps; step++) {
    const x = Math.round(fromX + ((toX - fromX) * step) / steps);
    const y = Math.round(fromY + ((toY - fromY) * step) / steps);
    for (let dy = -reach; dy <= reach; dy++)
      for (let dx = -reach; dx <= reach; dx++)
        if (dx * dx + dy * dy <= reach * reach + 0.5) pen.fillRect(x + dx, y + dy, 1, 1);
  }
}

function wipe({ pen, side, paper }) {
  pen.fillStyle = paper;
  pen.fillRect(0, 0, side, side);
}

// Draw what was drawn before the pad was taken off the page.
function restore(state, picture) {
  const image = new Image();
  image.onload = () => state.pen.drawImage(image, 0, 0, state.side, state.side);
  image.src = picture;
}

// Draw a row of choices, of which one is taken.
function choices(parent, label, names, chosen, take, dress) {
  parent.ariaLabel = label;
  parent.replaceChildren(
    ...names.map((name, number) => {
      const button = document.createElement("button");
      button.type = "button";
      button.role = "radio";
      button.ariaLabel = name;
      button.ariaChecked = String(number === chosen);
      button.onclick = () => {
        for (const other of parent.children) other.ariaChecked = String(other === button);
        take(number);
      };
      dress(button, number);
      return button;
    }),
  );
}

export default function ({ data, parentElement, setTriggerValue }) {
  const state = states.get(parentElement) ?? mount(parentElement);
  const { side, colours, paper, picture, words } = data;
  state.send = (picture) => setTriggerValue("drawn", picture);
  state.canvas.ariaLabel = words.pad;
  parentElement.querySelector(".pad-clear").textContent = words.clear;
  if (state.side !== side || state.paper !== paper) {
    Object.assign(state, { side, paper, colour: colours[0] });
    state.canvas.width = state.canvas.height = side;
    wipe(state);
    if (picture) restore(state, picture);
  }
  const taken = Math.max(colours.indexOf(state.colour), 0);
  const takeColour = (number) => (state.colour = colours[number]);
  const fill = (button, number) => (button.style.background = colours[number]);
  choices(parentElement.querySelector(".pad-colours"), words.colour, colours, taken, takeColour, fill);
  const dot = (button, number) => {
    const mark = document.createElement("i");
    mark.style.width = mark.style.height = `${5 + 4 * number}px`;
    button.append(mark);
  };
  const takeBrush = (number) => (state.brush = number);
  choices(parentElement.querySelector(".pad-sizes"), words.brush, words.sizes, state.brush, takeBrush, dot);
}
