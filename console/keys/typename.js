/** Types of keys as people say them: TYPE replies the names of modules. */

/** @type {Record<string, string>} */
const NAMES = {
  zset: "sorted set",
  vectorset: "vector set",
  "ReJSON-RL": "JSON",
  "MBbloom--": "Bloom filter",
  MBbloomCF: "cuckoo filter",
  "CMSk-TYPE": "count-min sketch",
  "TopK-TYPE": "top-k",
  "TSDB-TYPE": "time series",
  "TDIS-TYPE": "t-digest",
};

/** "ReJSON-RL" -> "JSON"; a type without another name has its own. @param {string} type as TYPE replies it */
export function typeName(type) {
  return NAMES[type] ?? type;
}
