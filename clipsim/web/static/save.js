// Saves the file that was made for a click; there is none if the answer is gone. What comes from another host than the
// page, as in a widget, browsers save as a blob only.
async (file) => {
  if (!file) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await (await fetch(file.url)).blob());
  link.download = file.orig_name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
