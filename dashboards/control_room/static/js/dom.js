// A small virtual DOM: views are functions that return nodes, `render` changes only what differs, so that focus,
// scroll position and text selection survive the update every second. Text is only ever set as text.

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "open"]);

/** A node. props: attributes, on* handlers, key, style (an object), hook {mount, update, destroy} with data. */
export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split(".");
  const all = { ...(props || {}) };
  const extra = classes.join(" ");
  if (extra) all.class = all.class ? `${extra} ${all.class}` : extra;
  return { tag: name, props: all, key: all.key, children: flat(children) };
}

function flat(children, out = []) {
  for (const child of children) {
    if (Array.isArray(child)) flat(child, out);
    else if (child !== null && child !== undefined && child !== false && child !== true && child !== "")
      out.push(typeof child === "object" ? child : { text: String(child) });
  }
  return out;
}

/** Make the children of `parent` look like `children`. */
export function render(parent, ...children) {
  if (!parent.andonNodes) parent.textContent = "";
  const next = flat(children);
  patchChildren(parent, parent.andonNodes || [], next, false);
  parent.andonNodes = next;
}

function same(a, b) {
  return a.key === b.key && a.tag === b.tag && Boolean(a.props?.hook) === Boolean(b.props?.hook)
    && (a.props?.hook?.mount === b.props?.hook?.mount);
}

function patchChildren(parent, before, after, svg) {
  const keyed = new Map(before.filter((node) => node.key !== undefined).map((node) => [node.key, node]));
  const used = new Set();
  let cursor = 0;
  for (const node of after) {
    let old = null;
    if (node.key !== undefined) old = keyed.get(node.key) || null;
    else {
      while (cursor < before.length && (before[cursor].key !== undefined || used.has(before[cursor]))) cursor += 1;
      old = before[cursor] || null;
    }
    if (old && !used.has(old) && same(old, node)) {
      used.add(old);
      update(old, node, svg);
    } else create(node, svg);
  }
  for (const node of before) if (!used.has(node)) remove(node);
  let place = parent.firstChild;
  for (const node of after) {
    if (node.el === place) place = place.nextSibling;
    else parent.insertBefore(node.el, place);
  }
}

function create(node, svg) {
  if (node.text !== undefined) {
    node.el = document.createTextNode(node.text);
    return;
  }
  const inside = svg || node.tag === "svg";
  node.el = inside ? document.createElementNS(SVG, node.tag) : document.createElement(node.tag);
  setProps(node.el, {}, node.props);
  if (node.props.hook) node.props.hook.mount(node.el, node.props.data);
  else patchChildren(node.el, [], node.children, inside);
}

function update(old, node, svg) {
  node.el = old.el;
  if (node.text !== undefined) {
    if (node.text !== old.text) node.el.nodeValue = node.text;
    return;
  }
  setProps(node.el, old.props, node.props);
  if (node.props.hook) {
    if (old.props.data !== node.props.data) node.props.hook.update?.(node.el, node.props.data);
  } else patchChildren(node.el, old.children, node.children, svg || node.tag === "svg");
}

function remove(node) {
  leave(node);
  node.el.remove();
}

function leave(node) {
  node.props?.hook?.destroy?.(node.el);
  for (const child of node.children || []) leave(child);
}

function setProps(el, before, after) {
  for (const name of Object.keys(before)) if (!(name in after)) setProp(el, name, before[name], null);
  for (const [name, value] of Object.entries(after)) {
    if (before[name] !== value || name === "value" || name === "checked") setProp(el, name, before[name], value);
  }
}

function setProp(el, name, old, value) {
  if (name === "key" || name === "hook" || name === "data") return;
  if (name.startsWith("on")) {
    el[name] = value;
  } else if (name === "style") {
    for (const property of Object.keys(old || {})) if (!value || !(property in value)) el.style.removeProperty(property);
    for (const [property, text] of Object.entries(value || {})) el.style.setProperty(property, text);
  } else if (PROPERTIES.has(name) && !(el instanceof SVGElement) && !(el instanceof HTMLOptionElement && name === "value")) {
    const wanted = value === null || value === undefined ? "" : value;
    if (el[name] !== wanted) el[name] = wanted;
  } else if (value === null || value === undefined || value === false) el.removeAttribute(name);
  else el.setAttribute(name, value === true ? "" : String(value));
}
