// Package words makes text as callers say it, as far as a store's compression can tell: words of a call in no order, always the
// same. A sentence again and again would be compressed as no call is, and random bytes not at all.
package words

import (
	"math/rand/v2"
	"strings"
)

const list = "a about after again agent all also an and any apartment appointment april are ask at available back bathroom be been before " +
	"between billing boiler broken building but by call called can card case clinic confirm cost could day days did doctor done door " +
	"down during emergency estimate evening every first floor for from furnace get go good had has have he heater help her here him " +
	"his home hours house how if in insurance invoice is it just kitchen know last leak leaking left like list little look lunch made " +
	"make me message might monday month more morning my name near need new next no noon not nothing number of off office on once one " +
	"only open or order other our out over park past patient payment pharmacy phone pipe please plumber price problem question ready " +
	"reach refill reminder rent repair replaced report request right roof room said same say schedule second see send service she " +
	"should since sink small so some soon speak street such take technician tell than that the their them then there they this " +
	"through till time to today tomorrow tonight two under until up urgent us very visit wait wants was water way we week were what " +
	"when where which who why will window with without work would yard year yes yesterday you your"

// Text is n bytes of it. It needs no escaping in JSON.
func Text(n int) string {
	all := strings.Fields(list)
	source := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(all[source.IntN(len(all))])
		b.WriteString([]string{" ", " ", " ", " ", " ", ", ", ". "}[source.IntN(7)])
	}
	return b.String()[:n]
}
