// CodeMirror as the builder uses it: text with {{variables}}, in the language of the body, with completion of variables and
// filters, and the server's problems at their places.
import { Compartment, EditorState } from '@codemirror/state';
import { Decoration, EditorView, MatchDecorator, ViewPlugin, drawSelection, highlightSpecialChars, keymap, lineNumbers, placeholder } from '@codemirror/view';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { HighlightStyle, bracketMatching, syntaxHighlighting } from '@codemirror/language';
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, insertCompletionText, startCompletion } from '@codemirror/autocomplete';
import { lintGutter, setDiagnostics } from '@codemirror/lint';
import { tags } from '@lezer/highlight';
import { languages } from './languages.js';

/** known is what completion offers; it is replaced when the sample changes. */
export const known = { variables: [], filters: [], nonce: '' };

const colours = syntaxHighlighting(
  HighlightStyle.define([
    { tag: [tags.propertyName, tags.attributeName], class: 'b-name' },
    { tag: [tags.string, tags.attributeValue], class: 'b-string' },
    { tag: [tags.number, tags.bool, tags.null], class: 'b-number' },
    { tag: [tags.tagName, tags.angleBracket, tags.keyword], class: 'b-tag' },
    { tag: tags.comment, class: 'b-comment' },
  ]),
);

const matcher = new MatchDecorator({ regexp: /\{\{[^{}]*\}\}/g, decoration: Decoration.mark({ class: 'b-var' }) });
const marked = ViewPlugin.fromClass(
  class {
    constructor(view) {
      this.decorations = matcher.createDeco(view);
    }
    update(u) {
      this.decorations = matcher.updateDeco(u, this.decorations);
    }
  },
  { decorations: (v) => v.decorations },
);

/** named puts a variable in, closes it, and goes behind it. */
function named(view, completion, from, to) {
  const closed = /^\s*\}\}/.exec(view.state.sliceDoc(to, to + 8))?.[0] ?? '';
  const text = completion.label + '}}';
  view.dispatch({ ...insertCompletionText(view.state, text, from, to + closed.length), selection: { anchor: from + text.length } });
}

/** complete offers variables behind {{ and filters behind a |. */
function complete(context) {
  const filter = context.matchBefore(/\{\{[^{}]*\|\s*[A-Za-z_0-9]*$/);
  if (filter) {
    const from = context.pos - /[A-Za-z_0-9]*$/.exec(filter.text)[0].length;
    return { from, validFor: /^[A-Za-z_0-9]*$/, options: known.filters.map((f) => ({ label: f.name, apply: f.usage, detail: f.says, type: 'function' })) };
  }
  const variable = context.matchBefore(/\{\{\s*[A-Za-z_0-9.-]*$/);
  if (!variable) return null;
  const from = context.pos - /[A-Za-z_0-9.-]*$/.exec(variable.text)[0].length;
  return {
    from,
    validFor: /^[A-Za-z_0-9.-]*$/,
    options: known.variables.map((v) => ({ label: v.name, detail: v.value ?? '', apply: named, type: v.kind === 'call' ? 'property' : 'variable', boost: v.value ? 1 : 0 })),
  };
}

/** Code is an editor in an element. Its options: label, value, language, line (one line only), changed(text), focused(code). */
export class Code {
  constructor(parent, o) {
    this.o = o;
    this.language = new Compartment();
    this.view = new EditorView({ parent, state: EditorState.create({ doc: o.value, extensions: this.extensions() }) });
  }

  extensions() {
    const { o } = this;
    const list = [
      EditorView.cspNonce.of(known.nonce),
      highlightSpecialChars(),
      history(),
      drawSelection(),
      marked,
      colours,
      autocompletion({ override: [complete], activateOnTyping: true, icons: false }),
      EditorView.contentAttributes.of({ 'aria-label': o.label, ...(o.describedby ? { 'aria-describedby': o.describedby } : {}), spellcheck: 'false', autocapitalize: 'off' }),
      EditorView.updateListener.of((u) => {
        if (u.docChanged && !this.setting) o.changed(u.state.doc.toString());
        if (u.focusChanged && u.view.hasFocus) o.focused?.(this);
        if (u.docChanged && u.transactions.some((t) => t.isUserEvent('input.type')) && /\{\{$/.test(u.state.sliceDoc(Math.max(0, u.state.selection.main.head - 2), u.state.selection.main.head))) startCompletion(u.view);
      }),
      this.language.of(languages[o.language ?? 'text']),
    ];
    // Tab leaves the editor, as it leaves every other field. Enter makes no second line where there is one.
    if (o.line) {
      list.push(
        EditorView.lineWrapping, // so that all of it is seen, also where there is little room
        keymap.of([...completionKeymap, { key: 'Enter', run: () => true }, ...historyKeymap, ...defaultKeymap]),
        EditorState.transactionFilter.of((tr) => (tr.newDoc.lines > 1 ? [tr, { changes: { from: 0, to: tr.newDoc.length, insert: tr.newDoc.toString().replace(/\s*\n\s*/g, ' ') }, sequential: true }] : tr)),
      );
    } else {
      list.push(keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]), closeBrackets(), lineNumbers(), lintGutter(), bracketMatching(), EditorView.lineWrapping);
    }
    if (o.placeholder) list.push(placeholder(o.placeholder));
    return list;
  }

  /** set replaces the text from outside, if it is another. */
  set(text) {
    if (text === this.view.state.doc.toString()) return;
    this.setting = true;
    this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: text } });
    this.setting = false;
  }

  speak(language) {
    this.view.dispatch({ effects: this.language.reconfigure(languages[language]) });
  }

  /** insert puts text at the cursor, and goes there. */
  insert(text) {
    const { from, to } = this.view.state.selection.main;
    // Within {{ }} it is the name that is put in.
    const before = this.view.state.sliceDoc(Math.max(0, from - 2), from);
    const after = this.view.state.sliceDoc(to, to + 2);
    if (before === '{{' && after === '}}') text = text.slice(2, -2);
    this.view.dispatch({ changes: { from, to, insert: text }, selection: { anchor: from + text.length }, userEvent: 'input' });
    this.view.focus();
  }

  /** problems marks what is wrong; each has a line and a column, or the variable that it is about. */
  problems(list) {
    const { doc } = this.view.state;
    const marks = [];
    for (const p of list) {
      let from = -1;
      let to = -1;
      if (p.line > 0 && p.line <= doc.lines) {
        const line = doc.line(p.line);
        const column = [...line.text].slice(0, Math.max(0, p.column - 1)).join('').length;
        from = Math.min(line.from + column, line.to);
        const rest = line.text.slice(column);
        to = from + (/^\{\{[^{}]*\}?\}?/.exec(rest)?.[0].length || /^[\w.]+/.exec(rest)?.[0].length || Math.min(1, rest.length));
      } else if (p.variable) {
        const name = p.variable.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
        const found = new RegExp(`\\{\\{\\s*${name}\\s*(\\|[^{}]*)?\\}\\}`).exec(doc.toString());
        if (found) [from, to] = [found.index, found.index + found[0].length];
      }
      if (from >= 0) marks.push({ from, to: Math.max(from, to), severity: p.severity, message: p.message });
    }
    marks.sort((a, b) => a.from - b.from);
    this.view.dispatch(setDiagnostics(this.view.state, marks));
  }

  /** go moves to a problem. */
  go(p) {
    const { doc } = this.view.state;
    if (p.line > 0 && p.line <= doc.lines) {
      const line = doc.line(p.line);
      const anchor = Math.min(line.from + Math.max(0, (p.column || 1) - 1), line.to);
      this.view.dispatch({ selection: { anchor }, scrollIntoView: true });
    }
    this.view.focus();
  }

  destroy() {
    this.view.destroy();
  }
}
