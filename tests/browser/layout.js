// Returns what is wrong with how the page is laid out, a sentence each: text beside the page, text on text, text on its
// picture, text that is cut without a sign of it, words that are split.
() => {
  const faults = [];
  const page = document.querySelector(".gradio-container");
  const scrolls = (element) => {
    for (let e = element; e && e !== page; e = e.parentElement)
      if (/(auto|scroll)/.test(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1) return true;
    return false;
  };
  const shortened = (element) => {
    for (let e = element; e && e !== page; e = e.parentElement) {
      const style = getComputedStyle(e);
      if (style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none") return true;
    }
    return false;
  };
  const unseen = (element) => {  // for screen readers alone
    for (let e = element; e && e !== page; e = e.parentElement)
      if (e.clientWidth <= 1 && getComputedStyle(e).overflow === "hidden") return true;
    return false;
  };
  const texts = [];
  const walker = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.data.trim() || parent.closest("script, style, .visually-hidden, #pictures, #reference, .toast-wrap")) continue;
    if (!parent.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || unseen(parent)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const boxes = [...range.getClientRects()].filter((box) => box.width > 1 && box.height > 1);
    const text = node.data.trim().slice(0, 40);
    if (boxes.length) texts.push({ node, parent, boxes, text, moved: scrolls(parent), short: shortened(parent) });
  }
  for (const { node, parent, boxes, text, moved, short } of texts) {
    if (!moved && !short && boxes.some((box) => box.left < -1 || box.right > innerWidth + 1)) faults.push(`"${text}" is beside the page`);
    for (let e = parent; e && e !== page && !moved && !short; e = e.parentElement)
      if (/(hidden|clip)/.test(getComputedStyle(e).overflowX) && e.clientWidth && boxes.some((box) => box.right > e.getBoundingClientRect().right + 1))
        { faults.push(`"${text}" is cut`); break; }
    if (moved || short) continue;
    for (const { index, 0: word } of node.data.matchAll(/[^\s\-_./·,;:?!()“”–—\u200b]+/g)) {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const lines = new Set([...range.getClientRects()].filter((box) => box.width > 0).map((box) => Math.round(box.top)));
      if (lines.size > 1 && word.length <= 24) faults.push(`"${word}" is split`);
    }
  }
  const inside = (box, other) => Math.min(box.right, other.right) - Math.max(box.left, other.left) > 2 && Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top) > 4;
  const placed = texts.filter(({ moved, short }) => !moved && !short)
    .flatMap(({ node, boxes, text }) => boxes.map((box) => ({ node, box, text })))
    .sort((one, other) => one.box.top - other.box.top);
  placed.forEach((one, i) => {
    for (let j = i + 1; j < placed.length && placed[j].box.top < one.box.bottom; j += 1)
      if (placed[j].node !== one.node && inside(one.box, placed[j].box)) faults.push(`"${one.text}" lies on "${placed[j].text}"`);
  });
  for (const tile of page.querySelectorAll(".cs-grid .cs-tile")) {
    if (!tile.checkVisibility()) continue;
    const picture = tile.querySelector("img").getBoundingClientRect();
    for (const part of tile.querySelectorAll(".cs-name, .cs-facts"))
      if (part.getBoundingClientRect().top < picture.bottom - 1) faults.push(`"${part.textContent}" lies on its picture`);
  }
  const parts = [...page.querySelectorAll("#answer > *, #asking > *, .cs-grid > li, .cs-bars > li > *, .cs-strip > *, .cs-best > *")];
  const shown = parts.filter((part) => part.checkVisibility()).map((part) => [part, part.getBoundingClientRect()]).filter(([, box]) => box.height > 1);
  shown.forEach(([one, box], i) => shown.slice(i + 1).forEach(([other, another]) => {
    if (!one.contains(other) && !other.contains(one) && inside(box, another)) faults.push(`${one.outerHTML.slice(0, 60)} lies on ${other.outerHTML.slice(0, 60)}`);
  }));
  if (document.documentElement.scrollWidth > innerWidth) faults.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  return faults;
}
