/** Files that the page hands to the browser. */

/** @param {(string | Uint8Array)[]} parts @param {string} name */
export function saveFile(parts, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(/** @type {any} */ (parts)));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
