// What a page does by itself: it keeps its live parts up to date, and says so when it cannot. Everything else works
// without script.
"use strict";

const body = document.body;
const lamp = document.getElementById("lamp");
let heard = Date.now();

/** Puts the live parts of the page in the place of the old ones, and leaves alone what somebody is working in. */
function renew(parts) {
  for (const [id, html] of Object.entries(parts)) {
    const place = document.getElementById(id);
    if (!place || place.contains(document.activeElement) && place.dataset.keep !== undefined) continue;
    if (place.dataset.last === html) continue;
    const focused = place.contains(document.activeElement) ? document.activeElement.id || document.activeElement.getAttribute("href") : null;
    const scrolled = [...place.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
    place.innerHTML = html;
    place.querySelectorAll(".scroll").forEach((box, at) => scrolled[at] && box.scrollTo(...scrolled[at]));
    place.dataset.last = html;
    if (focused) {
      const again = document.getElementById(focused) || [...place.querySelectorAll("[href]")].find((a) => a.getAttribute("href") === focused);
      again?.focus();
    }
  }
}

function listen(address) {
  const source = new EventSource(address);
  source.addEventListener("parts", (event) => {
    heard = Date.now();
    const { parts, title } = JSON.parse(event.data);
    if (title) document.title = document.title.replace(/^(\S+ · )?/, title);
    renew(parts);
  });
  setInterval(() => {
    const quiet = Date.now() - heard;
    const stale = quiet > 5000;
    if (stale !== body.classList.contains("stale")) body.classList.toggle("stale", stale);
    const text = stale ? `Not live for ${Math.round(quiet / 1000)} s` : "Live";
    if (lamp && lamp.textContent !== text) lamp.textContent = text;
    // A browser gives up where the server refuses; this does not.
    if (source.readyState === EventSource.CLOSED) location.reload();
  }, 1000);
}

if (body.dataset.live) listen(body.dataset.live);

// A page on which something goes on is asked for again.
if (document.querySelector("[data-refresh]")) setTimeout(() => location.reload(), 1500);

// One box for all boxes of a list.
for (const all of document.querySelectorAll("[data-all]")) {
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of document.querySelectorAll(`input[name="${all.dataset.all}"]`)) box.checked = all.checked;
  });
}

// Copy what a button stands beside.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy)?.textContent ?? "";
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
      button.textContent = "Marked: press Ctrl+C";
    }
  });
}

// A filter that is changed is applied.
for (const form of document.querySelectorAll("form[data-apply]")) {
  form.addEventListener("change", (event) => event.target.type !== "search" && form.requestSubmit());
}

// A capture that is dropped is sent, with progress.
for (const form of document.querySelectorAll("form[data-upload]")) {
  const input = form.querySelector("input[type=file]");
  const bar = form.querySelector("progress");
  const send = () => {
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.upload.addEventListener("progress", (event) => {
      bar.hidden = false;
      bar.max = event.total;
      bar.value = event.loaded;
    });
    request.addEventListener("load", () => {
      if (request.status < 400) location.assign(request.responseURL);
      else document.open(), document.write(request.responseText), document.close();
    });
    request.send(new FormData(form));
  };
  form.addEventListener("submit", (event) => (event.preventDefault(), send()));
  form.addEventListener("dragover", (event) => (event.preventDefault(), form.classList.add("over")));
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    input.files = event.dataTransfer.files;
    send();
  });
}
