// Dark unless somebody has chosen light; set before anything is drawn.
(() => {
  const root = document.documentElement;
  const set = (theme) => { root.dataset.theme = theme; };
  let chosen = "dark";
  try { chosen = localStorage.getItem("theme") || "dark"; } catch { /* nothing may be kept here */ }
  set(chosen === "light" ? "light" : "dark");
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const name = () => { button.textContent = root.dataset.theme === "dark" ? "Light" : "Dark"; };
    name();
    button.addEventListener("click", () => {
      set(root.dataset.theme === "dark" ? "light" : "dark");
      try { localStorage.setItem("theme", root.dataset.theme); } catch { /* for this visit only, then */ }
      name();
      document.dispatchEvent(new Event("theme"));
    });
  });
})();
