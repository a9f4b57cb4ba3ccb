// What only the browser can do for a page as a whole. Streamlit calls the default function whenever the data change.

const COPIED = 2000; // ms in which the button says so

export default function ({ data, parentElement }) {
  const { language, cookie, hasLink, words } = data;
  document.documentElement.lang = language;
  if (cookie) document.cookie = `${cookie}=${language}; path=/; max-age=31536000; samesite=lax`;
  const link = parentElement.querySelector(".page-link");
  link.hidden = !hasLink;
  link.textContent = words.copy;
  link.onclick = async () => {
    await copy(location.href);
    link.textContent = words.copied;
    setTimeout(() => (link.textContent = words.copy), COPIED);
  };
  return tendMenu(words.menu);
}

// The clipboard's own function is there only under https or on the same machine, not in a class that uses http.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

// Name the button of the narrow screen's menu, and close the menu once a page is chosen; return what undoes this.
function tendMenu(name) {
  const header = document.querySelector("[data-testid='stHeader']");
  const label = () => {
    const button = header?.querySelector("[data-testid='stExpandSidebarButton']");
    if (button && button.ariaLabel !== name) button.ariaLabel = name;
  };
  label();
  const watcher = new MutationObserver(label); // Streamlit draws the button anew when the window becomes narrow
  if (header) watcher.observe(header, { childList: true, subtree: true });
  const close = ({ target }) => {
    if (!target.closest?.("[data-testid='stSidebarNavLink']")) return;
    document.querySelector("[data-testid='stSidebarCollapseButton'] button")?.click();
  };
  document.addEventListener("click", close);
  return () => {
    watcher.disconnect();
    document.removeEventListener("click", close);
  };
}
