// The slider counts the rows that a cut keeps, marks the others, and the button saves those that are kept as CSV: all of
// it here, since the rows are.
const read = () => {
  const box = element.querySelector(".cs-cut");
  if (!box) return null;
  const rows = JSON.parse(box.dataset.rows), value = Number(box.querySelector("input").value);
  return { box, rows, value, kept: rows.filter(([, percentile]) => percentile >= value) };
};
element.addEventListener("input", () => {
  const now = read();
  if (!now) return;
  const { box, rows, value, kept } = now, numbers = new Set(kept.map(([row]) => String(row)));
  const told = { value, kept: kept.length, total: rows.length };
  box.querySelector("output").value = box.dataset.kept.replace(/\{(\w+)\}/g, (_, name) => told[name]);
  for (const row of element.querySelectorAll("[data-row]")) row.classList.toggle("cs-cut-off", !numbers.has(row.dataset.row));
});
element.addEventListener("click", (event) => {
  if (!event.target.closest(".cs-cut button")) return;
  const { box, kept } = read();
  const text = [box.dataset.head, ...kept.map(([, , line]) => line)].join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "clipsim-kept.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
});
