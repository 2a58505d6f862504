// Runs before the page is drawn, so that it never shows in the wrong colours first.
(() => {
  const root = document.documentElement;
  root.dataset.scripted = "";
  // The modules have run by then; before, their buttons would swallow a click.
  addEventListener("DOMContentLoaded", () => (root.dataset.ready = ""));
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    // A browser may forbid storage; then the system's colours stay.
  }
})();
