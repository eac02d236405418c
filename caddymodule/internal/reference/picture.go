package main

import (
	"fmt"
	"html"
	"strings"
)

// The picture of the way of a call, for the README. It is drawn here so that nobody has to draw it again when the way changes,
// and has its colours for light and dark pages in itself.

// step is a box on the way, with what becomes of calls that it stops.
type step struct{ name, stops string }

var (
	pictureSenders   = []string{"NextPhone, Retell, Vapi,", "ElevenLabs, Twilio, CallRail,", "Zoom, Quo … and any sender", "that signs, or has a token"}
	pictureReceivers = []string{"HubSpot, Salesforce,", "an EHR over FHIR,", "XML by SOAP, any HTTP API,", "the system behind the route"}
	pictureSteps     = []step{
		{"address and size are bounded", "503, 413"},
		{"the tenant is found", "404"},
		{"the signature is verified", "403"},
		{"the call is read", "400"},
		{"copies are told by their id", "the first answer again"},
		{"the tenant's rate is kept", "503, 429"},
	}
	pictureWays = []step{
		{"stored, then answered 200", "on disk before the answer; tried for three days, kept after that"},
		{"handed on", "through a circuit breaker; with spool stored if it is not taken"},
	}
)

const pictureStyle = `<style>
text { font: 14px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.small { font-size: 12px; fill: #59636e }
.head { font-weight: 600 }
rect { fill: #f6f8fa; stroke: #d1d9e0 }
.gate { fill: none; stroke: #0969da; stroke-width: 2 }
.kept { fill: #dafbe1; stroke: #4ac26b }
line, path { stroke: #59636e; stroke-width: 1.5; fill: none }
marker path { fill: #59636e; stroke: none }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .small { fill: #9198a1 }
rect { fill: #151b23; stroke: #3d444d } .gate { stroke: #4493f8 } .kept { fill: #12261e; stroke: #238636 }
line, path { stroke: #9198a1 } marker path { fill: #9198a1 }
}
</style>`

// picture draws it.
func picture() string {
	const (
		width, row      = 980, 40
		gateX, gateW    = 270, 430
		sideW, receiveX = 220, width - 220 - 10
		top             = 56
	)
	steps := top + len(pictureSteps)*row
	ways := steps + 24
	height := ways + len(pictureWays)*58 + 16
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="t d">`, width, height)
	line(`<title id="t">The way of a call</title>`)
	line(`<desc id="d">%s</desc>`, html.EscapeString(pictureWords()))
	line(`%s`, pictureStyle)
	line(`<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>`)
	side := func(x int, title string, lines []string, y int) {
		line(`<rect x="%d" y="%d" width="%d" height="%d" rx="8"/>`, x, y, sideW, 40+len(lines)*20)
		line(`<text class="head" x="%d" y="%d">%s</text>`, x+14, y+24, title)
		for i, l := range lines {
			line(`<text class="small" x="%d" y="%d">%s</text>`, x+14, y+46+i*20, html.EscapeString(l))
		}
	}
	side(10, "those who take calls", pictureSenders, top)
	side(receiveX, "those who need them", pictureReceivers, ways-16)
	line(`<rect class="gate" x="%d" y="10" width="%d" height="%d" rx="10"/>`, gateX, gateW, height-20)
	line(`<text class="head" x="%d" y="38">Callgate, in this order</text>`, gateX+16)
	for i, s := range pictureSteps {
		y := top + i*row
		line(`<rect x="%d" y="%d" width="230" height="30" rx="6"/><text x="%d" y="%d">%s</text>`, gateX+16, y, gateX+28, y+20, html.EscapeString(s.name))
		line(`<line x1="%d" y1="%d" x2="%d" y2="%d" marker-end="url(#a)"/><text class="small" x="%d" y="%d">%s</text>`, gateX+246, y+15, gateX+276, y+15, gateX+284, y+19, html.EscapeString(s.stops))
		if i > 0 {
			line(`<line x1="%d" y1="%d" x2="%d" y2="%d"/>`, gateX+131, y-10, gateX+131, y)
		}
	}
	for i, w := range pictureWays {
		y := ways + i*58
		line(`<rect class="kept" x="%d" y="%d" width="398" height="48" rx="6"/>`, gateX+16, y)
		line(`<text class="head" x="%d" y="%d">%s</text><text class="small" x="%d" y="%d">%s</text>`, gateX+28, y+20, html.EscapeString(w.name), gateX+28, y+38, html.EscapeString(w.stops))
		line(`<line x1="%d" y1="%d" x2="%d" y2="%d" marker-end="url(#a)"/>`, gateX+414, y+24, receiveX-4, y+24)
	}
	line(`<line x1="%d" y1="%d" x2="%d" y2="%d"/>`, gateX+131, steps-10, gateX+131, ways)
	line(`<line x1="%d" y1="%d" x2="%d" y2="%d" marker-end="url(#a)"/>`, 10+sideW, top+15, gateX+12, top+15)
	line(`</svg>`)
	return b.String()
}

// pictureWords are what is in the picture, for those who do not see it.
func pictureWords() string {
	words := "From those who take calls, through Callgate: "
	for _, s := range pictureSteps {
		words += s.name + " (else " + s.stops + "); "
	}
	for _, w := range pictureWays {
		words += w.name + ", " + w.stops + "; "
	}
	return strings.TrimSuffix(words, "; ") + "; to those who need them."
}
