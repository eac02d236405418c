package operate

import (
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/delivery"
)

// Setting is a setting as those see it who may not see secrets.
type Setting struct {
	// Name leads to it through the configuration, as in to.headers.Authorization.
	Name string `json:"name"`
	// Shown is its value if that is no secret for sure; else it says that there is one.
	Shown string `json:"shown"`
	// Masked tells that the value is not shown.
	Masked bool `json:"masked,omitempty"`
}

// Settings are those of a destination.
type Settings struct {
	// Kind is that of the receiving system, such as hubspot.
	Kind string `json:"kind,omitempty"`
	// Managed tells that it lives in the store, where its documents are, and not in the configuration.
	Managed bool      `json:"managed,omitempty"`
	List    []Setting `json:"settings,omitempty"`
}

// DestinationDetail is a destination with its settings, masked.
type DestinationDetail struct {
	delivery.DestinationStatus
	Settings
}

// Destination tells how a destination stands, and how it is set up.
func (s *Service) Destination(ctx context.Context, a Actor, name string) (*DestinationDetail, error) {
	list, err := s.seen(ctx, a, Record{Operation: "Destination", Destination: name})
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(d delivery.DestinationStatus) bool { return d.Name == name })
	if i < 0 {
		names := make([]string, len(list))
		for i := range list {
			names[i] = list[i].Name
		}
		return nil, noSuch("destination", name, names)
	}
	d := &DestinationDetail{DestinationStatus: list[i]}
	if s.o.Settings != nil {
		d.Settings = s.o.Settings(name)
	}
	return d, nil
}

// plainSettings are the settings whose texts are shown: what can be chosen from a list, and names.
var plainSettings = []string{
	"type", "method", "rate", "on", "content_type", "secret_in", "scopes", "scheme", "object", "region", "fields", "drop", "mask", "hash",
	"header", "version", "form", "unsafe", "upsert", "match_by",
}

// spans are the settings that are lengths of time.
var spans = []string{"timeout", "retry", "retry_after_max", "batch_wait", "first", "max", "window", "open_for"}

// longestShown bounds a text that is shown.
const longestShown = 80

// MaskSettings shows settings in JSON: numbers and switches, what plainSettings names, hosts of URLs, and of what is taken from
// the environment the name. Everything else may be a secret, and it is only told that it is there.
func MaskSettings(settings json.RawMessage) (list []Setting) {
	var v any
	if json.Unmarshal(settings, &v) != nil {
		return nil
	}
	maskSetting("", "", v, &list)
	return list
}

func maskSetting(path, name string, v any, list *[]Setting) {
	add := func(shown string, masked bool) { *list = append(*list, Setting{path, shown, masked}) }
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for n := range v {
			names = append(names, n)
		}
		slices.Sort(names)
		for _, n := range names {
			maskSetting(strings.TrimPrefix(path+"."+n, "."), n, v[n], list)
		}
	case []any:
		texts := make([]string, 0, len(v))
		for _, e := range v {
			shown, masked := maskValue(name, e)
			if _, nested := e.(map[string]any); nested || masked {
				add(strconv.Itoa(len(v))+" set", true)
				return
			}
			texts = append(texts, shown)
		}
		add(strings.Join(texts, ", "), false)
	default:
		add(maskValue(name, v))
	}
}

func maskValue(name string, v any) (shown string, masked bool) {
	switch v := v.(type) {
	case bool:
		return map[bool]string{true: "on", false: "off"}[v], false
	case float64:
		if slices.Contains(spans, name) {
			return time.Duration(v).String(), false
		}
		return strconv.FormatFloat(v, 'f', -1, 64), false
	case string:
		return maskSettingText(name, v)
	}
	return "set", true
}

var (
	fromEnvironment = regexp.MustCompile(`^((?:Bearer|Basic|Token) )?\{(env|file|secret)\.([^{}]*)\}$`)
	hostName        = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]+)?$`)
)

func maskSettingText(name, text string) (shown string, masked bool) {
	if m := fromEnvironment.FindStringSubmatch(text); m != nil {
		if m[2] == "file" {
			return m[1] + "from a file", false
		}
		return m[1] + "$" + m[3], false
	}
	if slices.Contains(plainSettings, name) && len(text) <= longestShown && !strings.ContainsAny(text, "{}") {
		return text, false
	}
	if u, err := url.Parse(text); err == nil && (u.Scheme == "https" || u.Scheme == "http") && hostName.MatchString(u.Host) {
		if u.Path == "" || u.Path == "/" {
			return u.Scheme + "://" + u.Host, false
		}
		return u.Scheme + "://" + u.Host + "/…", false // the path of many webhooks is their password
	}
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return "empty", false
	case n == 1:
		return "set, 1 character", true
	default:
		return "set, " + strconv.Itoa(n) + " characters", true
	}
}
