/** Tables in which words of others are looked up. */

/**
 * A table that has what is written in it and nothing else, whatever word is looked up.
 *
 * @template T
 * @param {Record<string, T>} entries
 * @returns {Record<string, T | undefined>}
 */
export function table(entries) {
  return Object.assign(Object.create(null), entries);
}
