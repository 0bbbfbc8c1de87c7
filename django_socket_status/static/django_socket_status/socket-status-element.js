/**
 * `<socket-status>`: how many sockets are open, as the template tag rendered it, then live.
 *
 * A module of its own, after socket-status.js on the page: it takes the shared source from
 * where that leaves it, because a relative import has no hash under hashed static files.
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
  /* As the page's color-scheme has it: not every page turns dark with the system. */
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
    // Until there is something newer, what the server rendered.
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
      // Silent unless asked: a number that changes every second is no news to a listener.
      if (value === null) this.#label.removeAttribute("role");
      else this.#label.setAttribute("role", "status");
    } else if (this.#unsubscribe && old !== value) {
      this.#show(globalThis[Symbol.for("django-socket-status/v1")].getSnapshot());
    }
  }

  #show({ status, updatedAt, error }) {
    // Nothing was answered, and nothing failed: the server's own number stands.
    if (updatedAt === null && !error) return;
    const isKnown = updatedAt !== null && !error && !status.stale;
    const count = this.type ? (status.socketsByType[this.type] ?? 0) : status.totalSockets;
    const state = isKnown ? (count ? "active" : "idle") : "unknown";
    if (this.getAttribute("state") !== state) this.setAttribute("state", state);
    const text =
      updatedAt === null
        ? (this.dataset.textUnknown ?? "not known")
        : this.#text(isKnown).replace("{count}", this.#format(count));
    if (this.#label.textContent !== text) this.#label.textContent = text;
  }

  #text(isKnown) {
    const { text = "{count} live", textStale = "{count} live, not up to date" } = this.dataset;
    return isKnown ? text : textStale;
  }

  #format(count) {
    const language = this.closest("[lang]")?.lang.replaceAll("_", "-") || undefined;
    try {
      return new Intl.NumberFormat(language).format(count);
    } catch {
      // What a page says of its language need not be one.
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

if (!customElements.get("socket-status")) {
  customElements.define("socket-status", SocketStatusElement);
}
