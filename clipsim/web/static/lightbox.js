// Enlarges a picture at the place of the click, and lays over it where the caption, or a word of it, lies. That is had
// from the server once somebody asks: by the slider, or by pointing at a word. The answer comes into `element`.
const page = element.closest(".gradio-container"), grid = page.querySelector("#ranked");
const STRONG = 85;  // percent, at which a map is shown that nobody faded in by hand
let dialog, tile, ticket = 0, asked = false, chosen = "";
const part = (selector) => dialog.querySelector(selector);
const list = () => [...grid.querySelectorAll(".cs-grid .cs-tile")];
const fade = (percent) => { part("input").value = percent; part(".cs-frame").style.setProperty("--fade", percent / 100); };
const choose = (word) => {
  chosen = word;
  for (const one of dialog.querySelectorAll("[data-of]"))
    one.hidden = !(word ? one.dataset.of.split(" ").includes(word) : one.dataset.of === "");
};
const ask = () => {
  if (asked) return;
  asked = true;
  part(".cs-found").textContent = part(".cs-found").dataset.wait;
  trigger("select", { name: tile.dataset.name, ticket });
};
const point = (word) => {
  if (asked && word === chosen) return;
  choose(word);
  ask();
  if (!Number(part("input").value)) fade(STRONG);
};

// The whole picture is fetched from the server, where browsers can show it; until then, and else, its thumbnail is there.
const home = new URL(element.closest("gradio-app")?.getAttribute("src") || location.href, location.href);
const address = (file) => new URL(`gradio_api/file=${encodeURI(file)}`, home.href.replace(/[?#].*$/, "").replace(/\/?$/, "/"));
const frame = (image) => {
  const set = () => image.parentElement?.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight);
  part(".cs-frame").replaceChildren(image);
  image.addEventListener("load", set);
  if (image.naturalWidth) set();
  if (!tile.dataset.file) return;
  const whole = new Image();
  whole.addEventListener("load", () => { image.src = whole.src; });
  whole.src = address(tile.dataset.file);
};
const fill = (to) => {
  [tile, asked, chosen, ticket] = [to, false, "", ticket + 1];
  part(".cs-text").replaceChildren(...tile.parentElement.querySelector(".cs-more").cloneNode(true).childNodes);
  part(".cs-found").replaceChildren();
  part(".cs-frame").replaceChildren();
  dialog.ariaLabel = part("h2").textContent;
  const image = tile.querySelector("img")?.cloneNode();
  part(".cs-fade").hidden = !image;
  if (image) { image.alt = dialog.ariaLabel; frame(image); }
  const wanted = image && "where" in grid.querySelector("template").dataset;
  fade(wanted ? STRONG : 0);
  if (wanted) ask();
};
const step = (by) => {
  const tiles = list(), at = tiles.findIndex((one) => one.dataset.name === tile.dataset.name);
  if (tiles.length) fill(tiles[(at + by + tiles.length) % tiles.length]);
};
const acts = {
  "[data-close]": () => dialog.close(),
  "[data-word]": (word) => word.focus(),
  "[data-step]": (button) => step(Number(button.dataset.step)),
  "[data-like]": () => { trigger("like", { name: tile.dataset.name }); dialog.close(); },
};
const open = () => {
  dialog = grid.querySelector("template").content.firstElementChild.cloneNode(true);
  page.append(dialog);
  for (const button of dialog.querySelectorAll("[data-step], [data-like]")) button.hidden = list().length < 2;
  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog) dialog.close();
    else for (const [selector, act] of Object.entries(acts)) if (target.closest(selector)) act(target.closest(selector));
  });
  dialog.addEventListener("input", () => { fade(part("input").value); ask(); });
  for (const name of ["pointermove", "focusin"])  // a word that comes to lie under a mouse at rest is not asked for
    dialog.addEventListener(name, ({ target }) => { const word = target.closest("[data-word]"); if (word) point(word.dataset.word); });
  for (const name of ["pointerout", "focusout"])  // the word that has the focus stays
    dialog.addEventListener(name, ({ target, relatedTarget }) => {
      if (target.closest("[data-word]")) choose((name === "focusout" ? relatedTarget : document.activeElement)?.dataset?.word ?? "");
    });
  dialog.addEventListener("keydown", ({ key, target }) => {
    if (target.type !== "range" && (key === "ArrowLeft" || key === "ArrowRight")) step(key === "ArrowLeft" ? -1 : 1);
  });
  dialog.addEventListener("close", () => { dialog.remove(); tile.focus(); });
};
grid.addEventListener("click", ({ target }) => {
  const clicked = target.closest(".cs-tile");
  if (!clicked) return;
  open();
  fill(clicked);
  dialog.showModal();
});
new MutationObserver(() => {
  const found = element.querySelector(".cs-maps");
  if (!dialog?.open || found?.dataset.ticket !== String(ticket)) return;
  const [...parts] = found.cloneNode(true).children;
  part(".cs-found").replaceChildren(...parts.filter((one) => one.tagName !== "IMG"));
  part(".cs-frame").append(...parts.filter((one) => one.tagName === "IMG"));
  choose(chosen);
}).observe(element, { childList: true, subtree: true, attributes: true });  // it is patched in place
