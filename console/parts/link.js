/** Links from within a view: they stay in the database that the page shows. */

import { href, parse } from "../router.js";

/** As `href`, with the database of this page. @type {typeof href} */
export function link(view, path = [], query = {}) {
  return href(view, path, { db: parse(location.hash).query.db, ...query });
}
