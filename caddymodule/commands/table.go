package commands

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// column is one of a table.
type column struct {
	name string
	// drop is when the column is left out where the table is too wide: the one with the highest number first, 0 never.
	// One that is empty goes before all others.
	drop int
	// min is to how many characters its cells can be shortened; 0 means not at all.
	min int
}

// table prints rows in columns, for people.
type table struct {
	out     io.Writer
	width   int // 0: as wide as it gets
	columns []column
	rows    [][]string
}

// newTable begins a table that fits into width characters, if its columns can be made to.
func newTable(out io.Writer, width int, columns ...column) *table {
	return &table{out: out, width: width, columns: columns}
}

const gap = "  "

// row adds one row. What others have written cannot break out of its cell or steer the terminal.
func (t *table) row(cells ...string) {
	for i, c := range cells {
		if c = plain(c); c == "" {
			c = "-"
		}
		cells[i] = c
	}
	t.rows = append(t.rows, cells)
}

// end prints the table, and gives the names of the columns that had to be left out.
func (t *table) end() (hidden []string, err error) {
	widths, shown := make([]int, len(t.columns)), make([]bool, len(t.columns))
	for i, c := range t.columns {
		widths[i], shown[i] = len(c.name), true
		for _, r := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i]))
		}
	}
	for t.width > 0 && t.needs(widths, shown) > t.width {
		i := t.droppable(shown)
		if i < 0 {
			break
		}
		shown[i] = false
		hidden = append(hidden, t.columns[i].name)
	}
	t.shorten(widths, shown)
	header := make([]string, len(t.columns))
	for i, c := range t.columns {
		header[i] = c.name
	}
	for _, r := range append([][]string{header}, t.rows...) {
		if err := t.line(r, widths, shown); err != nil {
			return hidden, err
		}
	}
	return hidden, nil
}

// print prints the table for a command, and tells what is missing in it.
func (t *table) print(cmd *cobra.Command) error {
	hidden, err := t.end()
	if len(hidden) > 0 && err == nil {
		_, err = fmt.Fprintf(cmd.ErrOrStderr(), "Not shown here: %s. See all columns with --wide, or with --json.\n", strings.Join(hidden, ", "))
	}
	return err
}

// needs is the least width of the columns that are shown.
func (t *table) needs(widths []int, shown []bool) (n int) {
	n = -len(gap)
	for i, c := range t.columns {
		switch {
		case !shown[i]:
		case c.min > 0:
			n += len(gap) + min(widths[i], max(c.min, len(c.name)))
		default:
			n += len(gap) + widths[i]
		}
	}
	return n
}

// droppable is the column to be left out next; -1 if none may be.
func (t *table) droppable(shown []bool) int {
	next, most := -1, 0
	for i, c := range t.columns {
		rank := c.drop
		if rank > 0 && t.empty(i) {
			rank += len(t.columns)
		}
		if shown[i] && rank > most {
			next, most = i, rank
		}
	}
	return next
}

func (t *table) empty(column int) bool {
	for _, r := range t.rows {
		if r[column] != "-" {
			return false
		}
	}
	return true
}

// shorten takes from the columns that can be shortened what the table is too wide, from the widest first.
func (t *table) shorten(widths []int, shown []bool) {
	for t.width > 0 {
		total, widest := -len(gap), -1
		for i, c := range t.columns {
			if !shown[i] {
				continue
			}
			total += len(gap) + widths[i]
			if c.min > 0 && widths[i] > max(c.min, len(c.name)) && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if total <= t.width || widest < 0 {
			return
		}
		widths[widest]--
	}
}

func (t *table) line(cells []string, widths []int, shown []bool) error {
	line := ""
	for i, c := range cells {
		if !shown[i] {
			continue
		}
		c = cut(c, widths[i])
		line += c + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c)) + gap
	}
	_, err := fmt.Fprintln(t.out, strings.TrimRight(line, " "))
	return err
}

// cut is a text of up to n characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// plain is a text without control characters.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ' {
			return '\uFFFD'
		}
		return r
	}, s)
}

// maxCell is how long a free text in a table may be, unless it is to be wide.
const maxCell = 80

// shortened is a free text for a cell: all of it if everything is asked for.
func (d *display) shortened(s string) string {
	if d.wide {
		return s
	}
	return cut(s, maxCell)
}

// screenWidth is how many characters fit beside one another where a command prints to; 0 if there is no telling, as in a
// pipe, where COLUMNS can say it.
func screenWidth(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	if width, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && width > 0 {
		return width
	}
	return 0
}

func number[N int | int64](n N) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// plural is a count with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
