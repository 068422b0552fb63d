// Takes out of a gallery what the server cannot read, and shows what browsers cannot: `found` says by path either null
// or the address of a preview. What came to the gallery meanwhile stays.
(found, pictures) => {
  const known = JSON.parse(found || "{}");
  const kept = (pictures || []).filter((item) => known[(item.image || item.video).path] !== null);
  return [kept.map((item) => {
    const url = known[(item.image || item.video).path];
    return url ? { ...item, image: { ...item.image, url } } : item;
  })];
}
