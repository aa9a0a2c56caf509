// Runs before the first paint, so that a dark room does not get a white flash.
"use strict";
try {
  const chosen = localStorage.getItem("andon.theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch (error) {
  // Storage may be switched off; the system's preference then decides.
}
