/** The two ways in which a call can fail. */

/** The server said no; the message is its own, with the next step. */
export class Refused extends Error {}

/** Nothing was heard of the server, or nothing that makes sense. A write may have landed all the same. */
export class Lost extends Error {}
