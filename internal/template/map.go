package template

import "strings"

// mapFilter makes the filter map, which puts the words of a receiver in place of those of callers. The arguments are
// pairs of the one and the other, and perhaps a last one for whatever else is said. The rest of a value is compared
// without regard to case and to spaces around it.
func mapFilter(args []string) (_ filter, reason string) {
	if len(args) < 2 {
		return filter{}, "filter map takes pairs of texts, as in map:'Kitchen remodel','kitchen_remodel','Drain','drain'"
	}
	words := make(map[string]string, len(args)/2)
	for i := 0; i+1 < len(args); i += 2 {
		from := folded(args[i])
		if _, twice := words[from]; twice || from == "" {
			return filter{}, "filter map says twice, or of nothing, what becomes of a text"
		}
		words[from] = args[i+1]
	}
	translate := func(s string) string {
		to, ok := words[folded(s)]
		switch {
		case ok:
			return to
		case len(args)%2 == 1:
			return args[len(args)-1]
		default:
			return s
		}
	}
	return filter{apply: func(v any) (any, bool) {
		list, ok := v.([]any)
		if !ok {
			s := translate(textOf(v))
			return s, s != ""
		}
		out := make([]any, 0, len(list))
		for _, e := range list {
			if s := translate(textOf(e)); s != "" {
				out = append(out, s)
			}
		}
		return out, len(out) > 0
	}}, ""
}

func folded(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
