/**
 * What the server's `view_task` and `view_tasks` give, and what the page's parts expect of one another.
 * Types alone: nothing here runs.
 *
 * @typedef {string | {t: string, c?: Prose[], href?: string, start?: number}} Prose
 *   A piece of formatted text: words, or an element of the allow-list in prose.js.
 *
 * @typedef {object} ChangedFile
 * @property {string} path
 * @property {"changed" | "added" | "removed"} kind
 * @property {number} added lines
 * @property {number} removed lines
 * @property {{k: string, s: string}[]} lines `k` is " ", "+", "-" or "@"
 * @property {number} cut lines that were left out
 *
 * @typedef {object} Need
 * @property {string} kind "approval", "plan", "question", "local_tools", "error", …
 * @property {string} id
 * @property {string} title
 * @property {Prose[]} [text]
 * @property {{tool: string, stack: string, sensitive: boolean, protected: boolean,
 *   arguments: string} | null} [operation]
 * @property {ChangedFile[]} [diff]
 * @property {{label: string, value: string}[]} [options]
 * @property {string[]} [answers] what `respond` takes for it
 * @property {number} [files_cut] changed files that were left out
 * @property {string} [note] why it cannot be answered here, or what else to know
 * @property {string} [removed] a note of what was taken out of it
 *
 * @typedef {object} Item
 * @property {number} index
 * @property {string} id
 * @property {string} kind "user", "assistant", "tool", "approval", "decision", …
 * @property {string} [at] ISO time
 * @property {boolean} [estimated] whether that is the time of the event before
 * @property {string} [who]
 * @property {Prose[]} [text]
 * @property {string} [name] of a tool
 * @property {string} [state] of a tool or an approval
 * @property {number | null} [seconds] that a tool took, or has taken so far
 * @property {string} [arguments]
 * @property {string} [progress]
 * @property {string} [output]
 * @property {boolean} [output_cut]
 * @property {ChangedFile[]} [diff]
 * @property {number} [files_cut] changed files that were left out
 * @property {number} [cut] characters of the text that were left out
 * @property {string} [title]
 * @property {string} [tool] that an approval would let run
 * @property {string[]} [added] names of entities
 * @property {string[]} [removed]
 *
 * @typedef {object} TaskView
 * @property {string} organization
 * @property {string} task_id
 * @property {string} url
 * @property {string} title
 * @property {string} status the API's own word
 * @property {string} [phase] the API's own word on the runtime
 * @property {boolean} [writable] whether `respond` is there
 * @property {string} turn "not started", "running", "ended", "failed" or "cancelled"
 * @property {string} activity
 * @property {string} created_at
 * @property {Record<string, unknown>} settings
 * @property {{state: string, error: string}} connection the server's, to Neo
 * @property {Need[]} attention
 * @property {{content: string, status: string}[]} todos
 * @property {{input: number, output: number, cache_read: number, cache_write: number,
 *   window: {used: number, size: number} | null} | null} usage
 * @property {{kind: string, label: string, url: string | null}[]} entities
 * @property {Item[]} items
 * @property {number} first index of the first item that exists
 * @property {number} total
 * @property {string} cursor
 *
 * @typedef {object} TaskRow
 * @property {string} task_id
 * @property {string} title
 * @property {string} status
 * @property {boolean | null} [attention]
 * @property {string} [created_at]
 * @property {string} [created_by]
 *
 * @typedef {{organization?: string, task_id: string}} TaskName
 *
 * @typedef {object} Form
 * @property {string} message
 * @property {{properties?: Record<string, Field>, required?: string[]}} [requestedSchema]
 * @typedef {{title?: string, description?: string, enum?: string[], default?: string,
 *   minLength?: number}} Field
 * @typedef {{action: "accept" | "decline" | "cancel", content?: Record<string, unknown>}} FormAnswer
 * @typedef {(form: Form) => Promise<FormAnswer>} Ask
 *
 * @typedef {object} Answer
 * @property {any} content the tool's structured content
 * @property {string} text
 *
 * @typedef {object} CallOptions
 * @property {AbortSignal} [signal]
 * @property {Ask} [ask] puts a form to the person, where no host does
 * @property {number} [patience] seconds until a call counts as lost
 *
 * @typedef {object} Server
 * @property {(tool: string, args: Record<string, unknown>, options?: CallOptions) => Promise<Answer>} call
 *   throws Refused if the server says no, Lost if nothing was heard of it
 * @property {(url: string) => void} [openLink] where a host opens links
 * @property {(height: number) => void} [resized] where a host fits its frame
 * @property {number} pause seconds between two looks, at least
 */

export {};
