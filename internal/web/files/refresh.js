// Keeps the page fresh: asks zauth for the page every 5 seconds and takes over what changed.
"use strict";

const interval = 5000;
const live = document.getElementById("live");
let answered = new Date();

function show(fresh) {
  live.className = fresh ? "fresh" : "stale";
  const text = fresh ? "Live" : "No answer from zauth since " + answered.toISOString().slice(11, 19) + " UTC";
  if (live.textContent !== text) live.textContent = text;
}

// isSelecting: the reader is copying something.
function isSelecting() {
  const selection = document.getSelection();
  return selection !== null && !selection.isCollapsed;
}

function refresh() {
  const request = new XMLHttpRequest();
  request.open("GET", "/");
  request.responseType = "document";
  request.timeout = interval;
  request.onloadend = () => {
    const main = request.status === 200 && request.response ? request.response.getElementById("main") : null;
    if (main !== null) {
      answered = new Date();
      if (!isSelecting()) {
        document.getElementById("main").replaceChildren(...main.childNodes);
        document.title = request.response.title;
      }
    }
    show(main !== null);
    setTimeout(next, interval);
  };
  request.send();
}

// next waits until somebody looks at the page.
function next() {
  if (!document.hidden) {
    refresh();
    return;
  }
  document.addEventListener("visibilitychange", next, {once: true});
}

show(true);
setTimeout(next, interval);
