/**
 * `<socket-status>`: the number of open sockets, rendered by the template tag, then live.
 *
 * The tag's number has a time (`data-as-of`) until the first response. After that the element
 * writes the number with the server's rules for digit grouping and plural forms, which the
 * tag passes (`data-grouping`, `data-separator`, `data-plural`).
 *
 * This module does not import socket-status.js, because a relative import has no hash under
 * hashed static files. It takes the shared source from `globalThis`, so the page has to load
 * socket-status.js first.
 */

const style = new CSSStyleSheet();
style.replaceSync(`
  :host {
    --socket-status-active: #1a7f37;
    --socket-status-idle: #6e7781;
    --socket-status-unknown: #b35900;
    display: inline-flex;
    align-items: baseline;
    gap: 0.4em;
    font-variant-numeric: tabular-nums;
  }
  :host([hidden]) { display: none; }
  [part="dot"] {
    inline-size: 0.6em;
    block-size: 0.6em;
    box-sizing: border-box;
    border: 0.14em solid var(--socket-status-idle);
    border-radius: 50%;
    align-self: center;
    flex: none;
  }
  :host([state="active"]) [part="dot"] {
    background: var(--socket-status-active);
    border-color: var(--socket-status-active);
  }
  :host([state="unknown"]) [part="dot"] {
    background: var(--socket-status-unknown);
    border-color: var(--socket-status-unknown);
    border-radius: 0;
    transform: rotate(45deg);
  }
  /* The server's number is not live. */
  :host([data-as-of]) [part="dot"] {
    background: none;
    border-color: var(--socket-status-idle);
  }
  /* By the page's color-scheme: not every page follows the system's dark mode. */
  @supports (color: light-dark(black, white)) {
    :host {
      --socket-status-active: light-dark(#1a7f37, #3fb950);
      --socket-status-idle: light-dark(#6e7781, #9198a1);
      --socket-status-unknown: light-dark(#b35900, #e3b341);
    }
  }
  @media (forced-colors: active) {
    [part="dot"] { forced-color-adjust: none; border-color: CanvasText !important; }
    :host([state="active"]) [part="dot"],
    :host([state="unknown"]) [part="dot"] { background: CanvasText; }
    :host([data-as-of]) [part="dot"] { background: none; }
  }
`);

class SocketStatusElement extends HTMLElement {
  static observedAttributes = ["type", "announce"];

  #label = document.createElement("span");
  #unsubscribe;

  constructor() {
    super();
    const dot = document.createElement("span");
    dot.part = "dot";
    dot.ariaHidden = "true";
    this.#label.part = "label";
    // Shows the server's text until the first response.
    this.#label.append(document.createElement("slot"));
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [style];
    root.append(dot, this.#label);
  }

  connectedCallback() {
    const service = globalThis[Symbol.for("django-socket-status/v1")];
    if (!service) {
      console.error("<socket-status> needs socket-status.js before it: {% socket_status_scripts %}");
      return;
    }
    const show = () => this.#show(service.getSnapshot());
    this.#unsubscribe = service.subscribe(show);
    show();
  }

  disconnectedCallback() {
    this.#unsubscribe?.();
  }

  attributeChangedCallback(name, old, value) {
    if (name === "announce") {
      // Silent by default: a number may change every second.
      if (value === null) this.#label.removeAttribute("role");
      else this.#label.setAttribute("role", "status");
    } else if (this.#unsubscribe && old !== value) {
      this.#show(globalThis[Symbol.for("django-socket-status/v1")].getSnapshot());
    }
  }

  #show({ status, updatedAt, error }) {
    // Without a response or an error, keep the server's number.
    if (updatedAt === null && !error) return;
    const isKnown = updatedAt !== null && !error && !status.stale;
    const count = this.#count(status);
    const state = isKnown ? (count ? "active" : "idle") : "unknown";
    if (this.getAttribute("state") !== state) this.setAttribute("state", state);
    this.removeAttribute("data-as-of");
    const { textUnknown = "not known" } = this.dataset;
    const text = updatedAt === null ? textUnknown : this.#text(count, isKnown);
    if (this.#label.textContent !== text) this.#label.textContent = text;
  }

  #count({ totalSockets, socketsByType = {} }) {
    if (!this.type) return totalSockets;
    // A type may have the name of an inherited property.
    return Object.hasOwn(socketsByType, this.type) ? socketsByType[this.type] : 0;
  }

  #text(count, isKnown) {
    const { text = "{count} live", textStale, plural = "n != 1" } = this.dataset;
    const stale = textStale ?? text.replace(/$|(?=\|)/g, ", not up to date");
    const forms = (isKnown ? text : stale).split("|");
    const form = forms[Math.min(pluralIndex(plural, count), forms.length - 1)] ?? forms.at(-1);
    return form.replaceAll("{count}", () => this.#format(count));
  }

  #format(count) {
    const { grouping, separator = "" } = this.dataset;
    if (grouping) return group(String(count), grouping.split(",").map(Number), separator);
    const language = this.closest("[lang]")?.lang.replaceAll("_", "-") || undefined;
    try {
      return new Intl.NumberFormat(language).format(count);
    } catch {
      // The page's `lang` may be invalid.
      return new Intl.NumberFormat().format(count);
    }
  }

  get type() {
    return this.getAttribute("type");
  }

  set type(value) {
    this.setAttribute("type", value);
  }
}

/** Group digits as Django does: the last size repeats, and a group of 0 is the rest. */
function group(digits, [size, ...sizes], separator) {
  const groups = [];
  while (size && digits.length > size) {
    groups.unshift(digits.slice(-size));
    digits = digits.slice(0, -size);
    size = sizes.shift() || size;
  }
  return [digits, ...groups].join(separator);
}

const OPERATORS = [
  { "||": (a, b) => a || b },
  { "&&": (a, b) => a && b },
  { "==": (a, b) => a == b, "!=": (a, b) => a != b },
  { "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b },
  { "+": (a, b) => a + b, "-": (a, b) => a - b },
  { "*": (a, b) => a * b, "/": (a, b) => Math.trunc(a / b), "%": (a, b) => a % b },
];

/**
 * Evaluate a plural rule of gettext: a C expression with the variable `n`.
 *
 * This does not use `eval`, which a Content-Security-Policy may forbid.
 */
function pluralIndex(rule, n) {
  const tokens = rule.match(/\d+|[<>=!]=|&&|\|\||\S/g) ?? [];

  function choice() {
    const condition = operation(0);
    if (tokens[0] !== "?") return condition;
    tokens.shift();
    const chosen = choice();
    tokens.shift();
    const other = choice();
    return condition ? chosen : other;
  }

  function operation(level) {
    if (level === OPERATORS.length) return operand();
    let result = operation(level + 1);
    while (Object.hasOwn(OPERATORS[level], tokens[0])) {
      const operator = OPERATORS[level][tokens.shift()];
      result = operator(result, operation(level + 1));
    }
    return result;
  }

  function operand() {
    const token = tokens.shift();
    if (token === "n") return n;
    if (token === "!") return !operand();
    if (token !== "(") return Number(token);
    const result = choice();
    tokens.shift();
    return result;
  }

  return Number(choice());
}

if (!customElements.get("socket-status")) {
  customElements.define("socket-status", SocketStatusElement);
}
