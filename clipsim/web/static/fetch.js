// Fetches pictures from the web addresses in a text, in the visitor's browser: the server fetches nothing. Returns the
// pictures with those that came, the addresses that did not, and why.
async (text, pictures) => {
  const root = document.querySelector("gradio-app")?.getAttribute("src") || location.href;
  const home = root.replace(/[?#].*$/, "").replace(/\/?$/, "/");
  const missed = [], uploaded = [...(pictures || [])];
  for (const address of (text || "").split(/\s+/).filter(Boolean)) {
    try {
      const answer = await fetch(new URL(address), { mode: "cors", credentials: "omit", referrerPolicy: "no-referrer" });
      if (!answer.ok) throw new Error(`it answers ${answer.status}`);
      const blob = await answer.blob();
      const name = decodeURIComponent(new URL(address).pathname.split("/").pop()) || "picture";
      const form = new FormData();
      form.append("files", blob, name);
      const [path] = await (await fetch(new URL("gradio_api/upload", home), { method: "POST", body: form })).json();
      const url = new URL(`gradio_api/file=${encodeURI(path)}`, home).href;
      const image = { path, url, orig_name: name, mime_type: blob.type, meta: { _type: "gradio.FileData" } };
      uploaded.push({ image, caption: null });
    } catch (error) {
      missed.push([address, error instanceof TypeError ? "" : error.message]);
    }
  }
  return [uploaded, missed.map(([address]) => address).join(" "), JSON.stringify(missed)];
}
