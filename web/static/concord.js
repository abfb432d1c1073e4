// Small comforts; every page works without them.
"use strict";

const hex = (buffer) =>
  [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// An exhibit's digest, computed in this browser over what the server sends.
for (const place of document.querySelectorAll("[data-verify]")) {
  place.hidden = false;
  place.querySelector("button").addEventListener("click", async () => {
    const said = place.querySelector("[role=status]");
    const file = await (await fetch(place.dataset.verify)).arrayBuffer();
    const found = hex(await crypto.subtle.digest("SHA-256", file));
    const told = document.querySelector("[data-digest]").textContent.trim();
    said.textContent = found === told ? said.dataset.good : said.dataset.bad;
    said.className = found === told ? "told told--good" : "told told--bad";
  });
}

// A form is sent once, however often its button is pressed.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
    setTimeout(() => delete form.dataset.sent, 8000);
  });
}

// The link back from an act's form opens the form that was wrong.
const opened = document.querySelector("details.act[open] [role=alert]");
if (opened) opened.scrollIntoView({ block: "center" });
