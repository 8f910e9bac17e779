"use strict";
// The chosen theme, before anything is drawn. Pages opened from disk may have no storage.
const root = document.documentElement;

function remembered(theme) {
  try {
    if (theme) localStorage.setItem("bench-theme", theme);
    return localStorage.getItem("bench-theme");
  } catch { return theme || null; }
}

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const chosen = remembered();
if (chosen) root.dataset.theme = chosen;

addEventListener("DOMContentLoaded", () => {
  const name = document.getElementById("theme-name");
  const tell = () => { name.textContent = isDark() ? "Light" : "Dark"; };
  document.getElementById("theme").onclick = () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remembered(root.dataset.theme);
    tell();
  };
  tell();
});
