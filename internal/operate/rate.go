package operate

import (
	"strconv"
	"strings"
	"time"
)

// ParseRate reads how many of something fall into a time, such as 5/s, 30/min or 100/10s, and gives it by the second. An
// empty text is 0, which stands for no bound.
func ParseRate(text string) (perSecond float64, err error) {
	if text == "" {
		return 0, nil
	}
	count, per, ok := strings.Cut(text, "/")
	n, err := strconv.ParseUint(count, 10, 32)
	if !ok || err != nil || n == 0 {
		return 0, errRate
	}
	every, known := map[string]time.Duration{
		"s": time.Second, "sec": time.Second, "m": time.Minute, "min": time.Minute, "h": time.Hour,
	}[per]
	if !known {
		if every, err = time.ParseDuration(per); err != nil {
			return 0, errRate
		}
	}
	if perSecond = float64(n) / every.Seconds(); every <= 0 || perSecond < 1.0/(24*60*60) || perSecond > 1e6 {
		return 0, errRate
	}
	return perSecond, nil
}

var errRate = badRequest("rate must be a number of deliveries in a time, such as 5/s, 30/min or 100/10s, and one a day at least")
