/** The frames of a text/event-stream, from text that arrives in any pieces. Pure. */

/** At most this much of one frame is kept; a longer one is dropped. */
const MAX_FRAME = 32 << 20;

export class FrameReader {
  constructor() {
    this.rest = "";
  }

  /** The frames that end in this piece. @param {string} piece @returns {{event: string, data: string}[]} */
  push(piece) {
    const frames = (this.rest + piece).split("\n\n");
    this.rest = frames.pop() ?? "";
    if (this.rest.length > MAX_FRAME) this.rest = "";
    return frames.flatMap((frame) => {
      let event = "message";
      /** @type {string[]} */
      const data = [];
      for (const line of frame.split("\n")) {
        if (line.startsWith("event:")) event = line.slice(6).trim();
        else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      }
      return data.length ? [{ event, data: data.join("\n") }] : [];
    });
  }
}
