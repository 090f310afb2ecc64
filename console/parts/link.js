/** Links from within a view: they stay in the database that the page shows. */

import { href, routeOf } from "../router.js";

/** As `href`, with the database of this page. @type {typeof href} */
export function link(view, path = [], query = {}) {
  return href(view, path, { db: routeOf(location.hash).query.db, ...query });
}
