// Sorts the table of models by the heading that is clicked, and the other way at the next click; unknown ones stay last.
const order = (row, column) => row.children[column].dataset.order;
const compare = (one, other, column) => {
  const [a, b] = [order(one, column), order(other, column)];
  if (!a || !b) return 0;
  return Number.isNaN(Number(a)) ? a.localeCompare(b) : Number(a) - Number(b);
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-sort]");
  if (!button) return;
  const column = Number(button.dataset.sort), head = button.closest("th");
  const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const body = element.querySelector("tbody"), rows = [...body.children];
  const unknown = rows.filter((row) => !order(row, column));
  const known = rows.filter((row) => order(row, column)).toSorted((one, other) => sign * compare(one, other, column));
  body.append(...known, ...unknown);
});
