// Gives the run's buttons the page's colours, and brings the curves of a run into sight when it was just started.

const NARROW = "(max-width: 640px)"; // as in run_bar.css
const seen = new Set(); // runs that were scrolled to

export default function ({ data, parentElement }) {
  const css = getComputedStyle(parentElement.querySelector(".run-bar-theme"));
  const root = document.documentElement.style;
  root.setProperty("--run-bar-background", css.getPropertyValue("--st-background-color"));
  root.setProperty("--run-bar-border", css.getPropertyValue("--st-border-color"));
  if (!data.started || seen.has(data.started)) return;
  seen.add(data.started);
  if (matchMedia(NARROW).matches)
    document.querySelector(".st-key-curves")?.scrollIntoView({ behavior: "smooth", block: "start" });
}
