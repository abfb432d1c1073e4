// Small comforts; every page works without them.
"use strict";

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
