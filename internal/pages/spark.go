package pages

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/operate"
)

// spark is a small drawing of how much of what was sent in each part of a window was taken.
type spark struct {
	// Label says what is to be seen.
	Label string
	// Line is where all was well, and Miss where less than the guide's threshold was taken: paths of SVG.
	Line, Miss string
}

// The size of the drawing, and the margin above and below.
const sparkWidth, sparkHeight, sparkMargin = 120, 28, 3

// sparkOf draws the parts of a window. Where nothing was sent there is nothing.
func sparkOf(buckets []operate.Bucket) spark {
	var line, miss strings.Builder
	worst, last, any := 1.0, 1.0, false
	share := func(b operate.Bucket) float64 { return float64(b.Succeeded) / float64(b.Attempted) }
	step := float64(sparkWidth) / float64(max(len(buckets), 1))
	at := func(i int, middle float64, share float64) string {
		y := sparkMargin + (1-share)*(sparkHeight-2*sparkMargin)
		return number((float64(i)+middle)*step) + " " + number(y)
	}
	for i, b := range buckets {
		if b.Attempted == 0 {
			continue
		}
		now := share(b)
		any, worst, last = true, min(worst, now), now
		to := &line
		if now < operate.LowSuccess/100 {
			to = &miss
		}
		fmt.Fprintf(to, "M%sL%s", at(i, .1, now), at(i, .9, now))
		if i > 0 && buckets[i-1].Attempted > 0 {
			before := share(buckets[i-1])
			if before < operate.LowSuccess/100 {
				to = &miss
			}
			fmt.Fprintf(to, "M%sL%s", at(i-1, .9, before), at(i, .1, now))
		}
	}
	if !any {
		return spark{Label: "nothing was sent"}
	}
	label := "everything was taken"
	if worst < 1 {
		label = fmt.Sprintf("at worst %s were taken, at last %s", percent(worst), percent(last))
	}
	return spark{label, line.String(), miss.String()}
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }
