// What differs between two texts, line by line.

const most = 4_000_000; // comparisons of lines; beyond that, all that differs in one block

/** differences are the lines of both texts in their order, each as [sign, text]: "-" for what is only in the first, "+" for
    what is only in the second, and " " for what is in both. */
export function differences(before, after) {
  const a = before === '' ? [] : before.split('\n');
  const b = after === '' ? [] : after.split('\n');
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const [n, m] = [a.length - head - tail, b.length - head - tail];
  const lines = a.slice(0, head).map((t) => [' ', t]);
  let [i, j] = [0, 0];
  if (n * m <= most) {
    // longest[i][j] is how many lines the rests from i and j have in common, in their order.
    const longest = Array.from({ length: n + 1 }, () => new Uint16Array(m + 1));
    for (let x = n - 1; x >= 0; x--) for (let y = m - 1; y >= 0; y--) longest[x][y] = a[head + x] === b[head + y] ? longest[x + 1][y + 1] + 1 : Math.max(longest[x + 1][y], longest[x][y + 1]);
    while (i < n && j < m) {
      if (a[head + i] === b[head + j]) lines.push([' ', a[head + i++]]), j++;
      else if (longest[i + 1][j] >= longest[i][j + 1]) lines.push(['-', a[head + i++]]);
      else lines.push(['+', b[head + j++]]);
    }
  }
  while (i < n) lines.push(['-', a[head + i++]]);
  while (j < m) lines.push(['+', b[head + j++]]);
  return [...lines, ...a.slice(a.length - tail).map((t) => [' ', t])];
}

/** folded leaves out lines that both have and that are far from any that differs: [' … ', how many]. */
export function folded(lines, margin = 2) {
  const near = lines.map((_, i) => lines.slice(Math.max(0, i - margin), i + margin + 1).some(([s]) => s !== ' '));
  const out = [];
  for (let i = 0; i < lines.length; ) {
    let end = i;
    while (end < lines.length && !near[end]) end++;
    if (end - i > 3) {
      out.push(['…', end - i]);
      i = end;
    } else out.push(lines[i++]);
  }
  return out;
}
