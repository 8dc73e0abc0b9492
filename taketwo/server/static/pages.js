// What pages can do besides links and forms. Everything here is a convenience: without it they work too.
"use strict";

const root = document.documentElement;
root.classList.add("has-script");

const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// A choice that is its own button.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  if (event.target.matches("[data-selects-all]")) {
    for (const box of all(event.target.dataset.selectsAll)) box.checked = event.target.checked;
  }
  if (event.target.matches("input[type=checkbox]")) countSelected();
});

// What takes a while says so, and is not asked for twice.
document.addEventListener("submit", (event) => {
  const button = one("[data-waits]", event.target);
  if (!button) return;
  button.textContent = button.dataset.waits;
  setTimeout(() => (button.disabled = true));
});

// What is filled in beside a choice makes that choice.
document.addEventListener("input", (event) => {
  if (event.target.matches("[data-chooses]")) one(event.target.dataset.chooses, event.target.form).checked = true;
});

function countSelected() {
  for (const bar of all("[data-counts]")) {
    const count = all(bar.dataset.counts).filter((box) => box.checked).length;
    one("[data-count]", bar).textContent = count ? `${count} selected` : bar.dataset.none;
    for (const button of all("[data-needs-selection]", bar)) button.disabled = count === 0;
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  await navigator.clipboard.writeText(one(button.dataset.copies).textContent.trim());
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = before), 1500);
});

// Keys: / to filter, j and k to walk through a list, Enter opens, x selects, p and n leaf through rows, ? tells.
const rows = () => all("[data-row]");
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), textarea, select")) return;
  const walk = { j: 1, k: -1 }[event.key];
  if (walk) {
    const list = rows();
    const here = list.indexOf(document.activeElement?.closest("[data-row]"));
    const next = list[Math.min(Math.max(here + walk, 0), list.length - 1)];
    one("a", next ?? document)?.focus();
    event.preventDefault();
  } else if (event.key === "x") {
    one("input[type=checkbox]", document.activeElement?.closest("[data-row]") ?? document.createElement("i"))?.click();
  } else if (event.key === "/") {
    one("[data-filter]")?.focus();
    event.preventDefault();
  } else if (event.key === "p" || event.key === "n") {
    one(`[data-key=${event.key}]`)?.click();
  } else if (event.key === "?") {
    one("#keys")?.showModal();
  }
});

// Suggestions under the box in which one filters: a combobox, as the ARIA practices describe it.
function suggests(input) {
  const list = one("#" + input.getAttribute("aria-controls"));
  let asked = 0;
  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const options = () => all("[role=option]", list);
  const choose = (option) => {
    const { from, text } = option.dataset;
    const rest = input.value.slice(input.selectionStart);
    input.value = input.value.slice(0, Number(from)) + text + rest;
    input.selectionStart = input.selectionEnd = Number(from) + text.length;
    close();
    input.focus();
    if (text.endsWith(":")) look();
  };
  const point = (step) => {
    const found = options();
    const here = found.findIndex((option) => option.getAttribute("aria-selected") === "true");
    const next = found[(here + step + found.length) % found.length];
    found.forEach((option) => option.setAttribute("aria-selected", String(option === next)));
    if (next) {
      input.setAttribute("aria-activedescendant", next.id);
      next.scrollIntoView({ block: "nearest" });
    }
  };
  const look = async () => {
    const mine = ++asked;
    const query = new URLSearchParams({ text: input.value.slice(0, input.selectionStart), project: input.dataset.project });
    const answer = await fetch(`/api/filters/suggestions?${query}`);
    if (mine !== asked || !answer.ok) return;
    const { from, suggestions } = await answer.json();
    list.replaceChildren(
      ...suggestions.map((suggestion, place) => {
        const option = document.createElement("li");
        option.role = "option";
        option.id = `${list.id}-${place}`;
        option.dataset.from = from;
        option.dataset.text = suggestion.text;
        option.setAttribute("aria-selected", "false");
        const code = document.createElement("code");
        code.textContent = suggestion.text;
        const about = document.createElement("span");
        about.textContent = suggestion.about;
        option.append(code, about);
        return option;
      }),
    );
    list.hidden = suggestions.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
  };
  input.addEventListener("input", look);
  input.addEventListener("focus", () => input.value === "" && look());
  input.addEventListener("blur", () => setTimeout(close, 150));
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const pointed = one("[aria-selected=true]", list);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      point(event.key === "ArrowDown" ? 1 : -1);
      event.preventDefault();
    } else if ((event.key === "Enter" || event.key === "Tab") && pointed) {
      choose(pointed);
      event.preventDefault();
    } else if (event.key === "Escape") {
      close();
      event.preventDefault();
    }
  });
  list.addEventListener("mousedown", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(option);
    event.preventDefault();
  });
}

// Files that are dropped go the way of the form around the place.
function takesFiles(place) {
  const input = one("input[type=file]", place);
  place.addEventListener("dragover", (event) => {
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    input.files = event.dataTransfer.files;
    input.form.requestSubmit();
  });
  input.addEventListener("change", () => input.form.requestSubmit());
}

function begin() {
  all("[data-filter]:not([data-begun])").forEach((input) => {
    input.dataset.begun = "";
    suggests(input);
  });
  all("[data-drop]:not([data-begun])").forEach((place) => {
    place.dataset.begun = "";
    takesFiles(place);
  });
  countSelected();
}
begin();
document.addEventListener("htmx:after:swap", begin);

// Progress as it happens: the page is asked for again whenever the server says that something has. A row that is done while
// others are not stays as it is read; only what can be done about it is drawn once more, when all are.
function follows(part) {
  const events = new EventSource(part.dataset.events);
  let place = "main";
  let last = Promise.resolve();
  let waiting = false;
  const draw = async () => {
    waiting = false;
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    const fresh = one(place, new DOMParser().parseFromString(await answer.text(), "text/html"));
    if (fresh) one(place)?.replaceWith(document.adoptNode(fresh));
    begin();
    if (!one("[data-events]")) place = "[data-at-end]";
  };
  const refresh = () => {
    if (waiting) return;
    waiting = true;
    last = last.then(draw, draw);
  };
  events.addEventListener("progress", () => place === "main" && refresh());
  events.addEventListener("end", () => {
    events.close();
    refresh();
  });
}
const followed = one("[data-events]");
if (followed) follows(followed);

// A picture that is larger than its frame is moved by dragging, too.
document.addEventListener("pointerdown", (event) => {
  const frame = event.target.closest("[data-pans]");
  if (!frame || event.button !== 0 || event.pointerType === "touch") return;
  const from = { x: event.clientX + frame.scrollLeft, y: event.clientY + frame.scrollTop };
  let moved = false;
  const move = (now) => {
    moved ||= Math.abs(from.x - now.clientX - frame.scrollLeft) + Math.abs(from.y - now.clientY - frame.scrollTop) > 4;
    if (!moved) return;
    frame.classList.add("panning");
    frame.scrollTo(from.x - now.clientX, from.y - now.clientY);
  };
  const end = () => {
    frame.classList.remove("panning");
    removeEventListener("pointermove", move);
    if (moved) addEventListener("click", (click) => click.preventDefault(), { capture: true, once: true });
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", end, { once: true });
});
document.addEventListener("dragstart", (event) => event.target.closest("[data-pans]") && event.preventDefault());
for (const frame of all("[data-pans]")) frame.scrollLeft = (frame.scrollWidth - frame.clientWidth) / 2;

// Calls: the waves and the turns play the recording that they belong to, and where it is asked for the other one, too.
for (const section of all(".call-audio")) {
  const sides = all(".heard", section).map((figure) => ({ audio: one("audio", figure), waves: one(".waves", figure), until: null }));
  const turns = all(".hear-turn", section);
  const order = one("[data-order]", section);
  let next = null;
  let together = false;
  const play = (turn) => {
    const side = sides[turn.dataset.side] ?? sides[0];
    side.until = Number(turn.dataset.end);
    side.audio.currentTime = Number(turn.dataset.start);
    side.audio.play();
  };
  sides.forEach((side, number) => {
    const { audio, waves } = side;
    const length = Number(waves.dataset.length);
    audio.addEventListener("timeupdate", () => {
      const at = (500 * audio.currentTime) / length;
      for (const end of ["x1", "x2"]) one(".playhead", waves).setAttribute(end, at);
      for (const turn of turns.filter((turn) => Number(turn.dataset.side) === number)) {
        const inside = audio.currentTime >= Number(turn.dataset.start) && audio.currentTime <= Number(turn.dataset.end);
        turn.classList.toggle("playing", inside && !audio.paused);
      }
      if (side.until === null || audio.currentTime < side.until) return;
      side.until = null;
      audio.pause();
      const following = next;
      next = null;
      if (following) play(following);
    });
    audio.addEventListener("play", () => together || sides.forEach((other) => other !== side && other.audio.pause()));
    waves.addEventListener("click", (event) => {
      const box = waves.getBoundingClientRect();
      side.until = next = null;
      together = false;
      audio.currentTime = (length * (event.clientX - box.left)) / box.width;
      audio.play();
    });
  });
  for (const turn of turns) {
    turn.addEventListener("click", () => {
      const pair = all(".hear-turn", turn.closest(".pair"));
      const both = pair.length > 1 && order ? order.value : "one";
      together = both === "together";
      next = both === "after" ? pair[1] : null;
      sides.forEach(({ audio }) => audio.pause());
      if (both === "one") play(turn);
      else (together ? pair : [pair[0]]).forEach(play);
    });
  }
  one("[data-speed]", section).addEventListener("change", (event) => {
    for (const audio of all("audio", section)) audio.playbackRate = Number(event.target.value);
  });
}
