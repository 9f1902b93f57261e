// Sliders show their view as they are moved; without this script their form's button does the same.
"use strict";
(() => {
  const WAIT_MS = 250;
  let waiting = 0;
  let newest = 0;

  const told = (slider) => {
    const output = document.getElementById(slider.dataset.told);
    if (!output) return;
    const from = Number(slider.dataset.fromMs), to = Number(slider.dataset.toMs);
    const at = from + (to - from) * (slider.value - slider.min) / (slider.max - slider.min);
    const isLast = slider.value === slider.max;
    output.value = isLast ? slider.dataset.last : new Date(at).toISOString().slice(0, 19).replace("T", " ") + " UTC";
  };

  const show = async (form, focused) => {
    const turn = ++newest;
    const url = new URL(form.action);
    for (const [name, value] of new FormData(form)) if (value !== "") url.searchParams.set(name, value);
    const response = await fetch(url, { headers: { accept: "text/html" } });
    const text = await response.text();
    if (turn !== newest) return;
    const page = new DOMParser().parseFromString(text, "text/html");
    const main = page.querySelector("main");
    if (!main) { location.assign(url); return; }
    document.querySelector("main").replaceWith(main);
    const header = page.querySelector("header"); // its links carry the times
    if (header) document.querySelector("header")?.replaceWith(header);
    document.title = page.title;
    history.replaceState(null, "", response.url);
    document.getElementById(focused)?.focus();
  };

  document.addEventListener("input", (event) => {
    const slider = event.target;
    if (!(slider instanceof HTMLInputElement) || slider.type !== "range") return;
    told(slider);
    clearTimeout(waiting);
    waiting = setTimeout(() => show(slider.form, slider.id), WAIT_MS);
  });
})();
