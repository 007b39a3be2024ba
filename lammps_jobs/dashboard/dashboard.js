"use strict";
// Looks again every few seconds, and puts the new <main> in the place of the old one. Without it the page is as it was.
const EVERY_MS = 3000;
let looks = 0;

async function look() {
  const main = document.querySelector("main");
  if (document.hidden || main.dataset.live !== "yes") return;
  const note = document.querySelector("#note");
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    const open = [...main.querySelectorAll("details")].map((one) => one.open);
    [...fresh.querySelectorAll("details")].forEach((one, at) => { if (open[at] !== undefined) one.open = open[at]; });
    main.replaceWith(fresh);
    note.textContent = "";
  } catch {
    note.textContent = "not reached since " + new Date().toLocaleTimeString() + "; is lammps-jobs dashboard still there?";
  }
  document.documentElement.dataset.looks = ++looks;
}

setInterval(look, EVERY_MS);
